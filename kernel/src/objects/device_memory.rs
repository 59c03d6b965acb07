//! DeviceMemory and DmaMemory: what a driver maps.
//!
//! Specified by `schema/interfaces/device_memory.capnp` and `dma_memory.capnp`. Called by `invoke`; the records are `devices`',
//! the pages `memory::area`'s.
//!
//! Invariant: registers are mapped in their driver's address space and in no other, so they go when it ends.

use crate::calls::message::{SMALL, malformed};
use crate::calls::{Answer, Call};
use crate::devices::{DmaMemory as Memory, Session};
use crate::kernel::Kernel;
use crate::memory::area::Area;
use crate::objects::Object;
use crate::processes::layout::PAGE;
use crate::processes::{Process, ProcessState};
use capos_abi::error::{CallError, Exception, Transport};
use capos_kernel_core::pool::Id;
use capos_schema::device_memory::{
    DeviceMemory, DeviceMemoryInfoResults, DeviceMemoryMapParams, DeviceMemoryMapResults,
};
use capos_schema::dma_memory::{DmaMemory, DmaMemoryInfoResults, DmaMemoryMapParams, DmaMemoryMapResults};

impl Kernel {
    pub(crate) fn call_device_memory(
        &mut self,
        call: &Call<'_>,
        session: Session,
    ) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            DeviceMemory::INFO => self.describe_registers(call, session),
            DeviceMemory::MAP => self.map_registers(call, session),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn describe_registers(&mut self, call: &Call<'_>, session: Session) -> Result<Answer, CallError> {
        let device = &self.driven(session)?.device;
        let layout = device.layout();
        let results = DeviceMemoryInfoResults {
            bytes: u64::from(device.pages()) * PAGE,
            registers: layout.registers,
            notify: layout.notify,
            notify_bytes: layout.notify_bytes,
            notify_multiplier: layout.notify_multiplier,
            interrupt_status: layout.interrupt_status,
            configuration: layout.configuration,
            configuration_bytes: layout.configuration_bytes,
        };
        let mut bytes = [0; DeviceMemoryInfoResults::FIXED_BYTES];
        let length = results.encode(&mut bytes).map_err(|_| Transport::TooLarge)?;
        self.write_result(call.origin, 0, bytes.get(..length).unwrap_or(&[]))?;
        Ok(Answer::reply(length))
    }

    fn map_registers(&mut self, call: &Call<'_>, session: Session) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let DeviceMemoryMapParams { space } =
            DeviceMemoryMapParams::decode(message.bytes()).map_err(malformed)?;
        let process = self.space_of(call, space)?;
        let pages = self.driven(session)?.device.pages();
        if !self.is_driver(session, process) {
            return Err(Exception::Failed.into());
        }
        self.prepare_reply(call, DeviceMemoryMapResults::FIXED_BYTES, 0)?;
        let area = |mapping| Area::Registers { session, mapping };
        let address = self.map_whole(process, pages.into(), call.capability.node, area)?.start * PAGE;
        self.retain_registers(session);
        self.reply(call.origin, |out| DeviceMemoryMapResults { address }.encode(out))
    }

    pub(crate) fn call_dma_memory(&mut self, call: &Call<'_>, id: Id<Memory>) -> Result<Answer, CallError> {
        let dma = self.dma.get(id).ok_or(Transport::Disconnected)?;
        let frames = dma.frames.as_ref().ok_or(Transport::Disconnected)?;
        let pages = u64::from(frames.count());
        match call.origin.submission.method {
            DmaMemory::INFO => {
                let results = DmaMemoryInfoResults { bytes: pages * PAGE, address: frames.address() };
                self.reply(call.origin, |out| results.encode(out))
            }
            DmaMemory::MAP => {
                let message = self.parameters::<SMALL>(call)?;
                let DmaMemoryMapParams { space } =
                    DmaMemoryMapParams::decode(message.bytes()).map_err(malformed)?;
                let process = self.space_of(call, space)?;
                self.prepare_reply(call, DmaMemoryMapResults::FIXED_BYTES, 0)?;
                let area = |mapping| Area::Dma { dma: id, mapping };
                let address = self.map_whole(process, pages, call.capability.node, area)?.start * PAGE;
                self.retain_dma(id);
                self.reply(call.origin, |out| DmaMemoryMapResults { address }.encode(out))
            }
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    /// The process whose address space a parameter names.
    fn space_of(&self, call: &Call<'_>, space: Option<u32>) -> Result<Id<Process>, CallError> {
        let capability = self.sent(call, space)?;
        let Object::VirtualMemory(id) = capability.object else {
            return Err(Transport::WrongInterface.into());
        };
        if !capability.permits(capos_schema::virtual_memory::VirtualMemory::MAP) {
            return Err(Transport::MethodDenied.into());
        }
        let process = self.processes.get(id).ok_or(Transport::Disconnected)?;
        let is_there = matches!(process.state, ProcessState::Created | ProcessState::Running);
        if is_there { Ok(id) } else { Err(Transport::Disconnected.into()) }
    }
}
