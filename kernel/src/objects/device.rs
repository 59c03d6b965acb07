//! Devices and Device: what the machine has, and the right to drive one of it.
//!
//! Specified by `schema/interfaces/devices.capnp` and `device.capnp`. Called by `invoke`; the records are `devices`'.
//!
//! Invariant: registers, interrupt and memory are given to the process that opened the device, and to nobody else.

use crate::calls::message::{SMALL, malformed};
use crate::calls::transfer::Gift;
use crate::calls::{Answer, Call};
use crate::devices::DeviceNumber;
use crate::kernel::Kernel;
use crate::objects::Object;
use capos_abi::error::{CallError, Exception, Transport};
use capos_kernel_hal::devices as hardware;
use capos_schema::device::{
    Device, DeviceAllocateParams, DeviceAllocateResults, DeviceInfoResults, DeviceOpenResults,
    DeviceTransport,
};
use capos_schema::device_memory::DeviceMemory;
use capos_schema::devices::{Devices, DevicesCountResults, DevicesDeviceParams, DevicesDeviceResults};
use capos_schema::dma_memory::DmaMemory;
use capos_schema::interrupt::Interrupt;

impl Kernel {
    pub(crate) fn call_devices(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Devices::COUNT => {
                let devices = self.devices.len() as u32;
                self.reply(call.origin, |out| DevicesCountResults { devices }.encode(out))
            }
            Devices::DEVICE => self.hand_out_device(call),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn hand_out_device(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let DevicesDeviceParams { index } =
            DevicesDeviceParams::decode(message.bytes()).map_err(malformed)?;
        let driven = self.devices.get(index as usize).ok_or(Exception::InvalidArgument)?;
        let kind = driven.device.kind();
        self.prepare_reply(call, DevicesDeviceResults::FIXED_BYTES, 1)?;
        let object = Object::Device(index as DeviceNumber);
        self.give(call, 0, Gift::of::<Device>(object, Device::ALL_METHODS))?;
        let results = DevicesDeviceResults { kind, device: Some(0) };
        let answer = self.reply(call.origin, |out| results.encode(out))?;
        Ok(answer.with_capabilities(1))
    }

    pub(crate) fn call_device(&mut self, call: &Call<'_>, number: DeviceNumber) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Device::INFO => self.describe_device(call, number),
            Device::OPEN => self.open_device(call, number),
            Device::ALLOCATE => self.allocate_for_device(call, number),
            Device::RESET => {
                self.driven_by(number, call.origin.process)?;
                self.reset_device(number)?;
                Ok(Answer::DONE)
            }
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn describe_device(&mut self, call: &Call<'_>, number: DeviceNumber) -> Result<Answer, CallError> {
        let driven = self.devices.get(usize::from(number)).ok_or(Transport::Disconnected)?;
        let transport = match driven.device.transport() {
            hardware::Transport::Mmio => DeviceTransport::VirtioMmio,
            hardware::Transport::Pci => DeviceTransport::VirtioPci,
        };
        let results = DeviceInfoResults { kind: driven.device.kind(), transport };
        self.reply(call.origin, |out| results.encode(out))
    }

    fn open_device(&mut self, call: &Call<'_>, number: DeviceNumber) -> Result<Answer, CallError> {
        let process = call.origin.process;
        self.prepare_reply(call, DeviceOpenResults::FIXED_BYTES, 2)?;
        let session = self.begin_session(number, process).inspect_err(|_| self.cancel_slots(process, 2))?;
        let registers = Gift::of::<DeviceMemory>(Object::DeviceMemory(session), DeviceMemory::ALL_METHODS);
        self.give(call, 0, registers)?;
        self.give(call, 1, Gift::of::<Interrupt>(Object::Interrupt(session), Interrupt::ALL_METHODS))?;
        let results = DeviceOpenResults { registers: Some(0), interrupt: Some(1) };
        let answer = self.reply(call.origin, |out| results.encode(out))?;
        Ok(answer.with_capabilities(2))
    }

    fn allocate_for_device(&mut self, call: &Call<'_>, number: DeviceNumber) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let DeviceAllocateParams { bytes } =
            DeviceAllocateParams::decode(message.bytes()).map_err(malformed)?;
        let process = call.origin.process;
        self.driven_by(number, process)?;
        self.prepare_reply(call, DeviceAllocateResults::FIXED_BYTES, 1)?;
        let dma = self.create_dma(number, process, bytes).inspect_err(|_| self.cancel_slots(process, 1))?;
        self.give(call, 0, Gift::of::<DmaMemory>(Object::DmaMemory(dma), DmaMemory::ALL_METHODS))?;
        let answer = self.reply(call.origin, |out| DeviceAllocateResults { memory: Some(0) }.encode(out))?;
        Ok(answer.with_capabilities(1))
    }
}
