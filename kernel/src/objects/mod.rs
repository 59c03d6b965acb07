//! The objects of ring 0, one file each, and what a capability refers to. Those of other processes are `endpoints`'.
//!
//! Called by `calls::submission` with a call whose interface and method were checked against the capability.
//!
//! Invariant: these are all there are; an object with a record counts its holders and goes with the last.

pub(crate) mod accounting;
pub(crate) mod boot_package;
pub(crate) mod code_memory;
pub(crate) mod device;
pub(crate) mod device_memory;
pub(crate) mod endpoint;
pub(crate) mod entropy_sink;
pub(crate) mod entropy_source;
pub(crate) mod interrupt;
pub(crate) mod machine;
pub(crate) mod memory_object;
pub(crate) mod notification;
pub(crate) mod process_handle;
pub(crate) mod process_spawner;
pub(crate) mod timer;
pub(crate) mod virtual_memory;

use crate::calls::{Answer, Call};
use crate::devices::{DeviceNumber, DmaMemory, Session};
use crate::endpoints::{Endpoint, Minted};
use crate::kernel::Kernel;
use crate::memory::object::MemoryObject;
use crate::processes::Process;
use capos_abi::error::CallError;
use capos_kernel_core::pool::Id;
use capos_schema::interface::{Description, Interface};
use notification::Notification;

/// What a capability refers to.
#[expect(
    clippy::enum_variant_names,
    reason = "the variants are the interfaces, by their names in the schema"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    /// The monotonic clock.
    Timer,
    /// The random generator.
    EntropySource,
    /// What feeds the random generator.
    EntropySink,
    /// The address space of a process.
    VirtualMemory(Id<Process>),
    /// Pages.
    MemoryObject(Id<MemoryObject>),
    /// The boot image.
    BootPackage,
    /// The right to make pages executable.
    CodeMemory,
    /// The right to create processes.
    ProcessSpawner,
    /// A process, to its creator.
    ProcessHandle(Id<Process>),
    /// What a process uses.
    Accounting(Id<Process>),
    /// The end of the run.
    Machine,
    /// The receive side of an endpoint.
    Endpoint(Id<Endpoint>),
    /// An object of an endpoint: whatever the process that serves it says.
    Service(Id<Minted>),
    /// Bits that are set and taken.
    Notification(Id<Notification>),
    /// What the machine has.
    Devices,
    /// A device, and the right to drive it.
    Device(DeviceNumber),
    /// The registers of a device, to its driver.
    DeviceMemory(Session),
    /// The interrupt of a device, to its driver.
    Interrupt(Session),
    /// Pages that a device can reach.
    DmaMemory(Id<DmaMemory>),
}

impl Object {
    /// The object's interface, if the kernel serves it.
    pub(crate) fn description(self) -> Option<&'static Description> {
        Some(match self {
            Object::Timer => capos_schema::timer::Timer::DESCRIPTION,
            Object::EntropySource => capos_schema::entropy_source::EntropySource::DESCRIPTION,
            Object::EntropySink => capos_schema::entropy_sink::EntropySink::DESCRIPTION,
            Object::VirtualMemory(_) => capos_schema::virtual_memory::VirtualMemory::DESCRIPTION,
            Object::MemoryObject(_) => capos_schema::memory_object::MemoryObject::DESCRIPTION,
            Object::BootPackage => capos_schema::boot_package::BootPackage::DESCRIPTION,
            Object::CodeMemory => capos_schema::code_memory::CodeMemory::DESCRIPTION,
            Object::ProcessSpawner => capos_schema::process_spawner::ProcessSpawner::DESCRIPTION,
            Object::ProcessHandle(_) => capos_schema::process_handle::ProcessHandle::DESCRIPTION,
            Object::Accounting(_) => capos_schema::accounting::Accounting::DESCRIPTION,
            Object::Machine => capos_schema::machine::Machine::DESCRIPTION,
            Object::Endpoint(_) => capos_schema::endpoint::Endpoint::DESCRIPTION,
            Object::Notification(_) => capos_schema::notification::Notification::DESCRIPTION,
            Object::Devices => capos_schema::devices::Devices::DESCRIPTION,
            Object::Device(_) => capos_schema::device::Device::DESCRIPTION,
            Object::DeviceMemory(_) => capos_schema::device_memory::DeviceMemory::DESCRIPTION,
            Object::Interrupt(_) => capos_schema::interrupt::Interrupt::DESCRIPTION,
            Object::DmaMemory(_) => capos_schema::dma_memory::DmaMemory::DESCRIPTION,
            Object::Service(_) => return None,
        })
    }
}

impl Kernel {
    /// Serves a call.
    pub(crate) fn invoke(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.capability.object {
            Object::Timer => self.call_timer(call),
            Object::EntropySource => self.call_entropy_source(call),
            Object::EntropySink => self.call_entropy_sink(call),
            Object::VirtualMemory(process) => self.call_virtual_memory(call, process),
            Object::MemoryObject(object) => self.call_memory_object(call, object),
            Object::BootPackage => self.call_boot_package(call),
            Object::CodeMemory => self.call_code_memory(call),
            Object::ProcessSpawner => self.call_process_spawner(call),
            Object::ProcessHandle(process) => self.call_process_handle(call, process),
            Object::Accounting(process) => self.call_accounting(call, process),
            Object::Machine => self.call_machine(call),
            Object::Endpoint(endpoint) => self.call_endpoint(call, endpoint),
            Object::Service(object) => self.call_service(call, object),
            Object::Notification(notification) => self.call_notification(call, notification),
            Object::Devices => self.call_devices(call),
            Object::Device(device) => self.call_device(call, device),
            Object::DeviceMemory(session) => self.call_device_memory(call, session),
            Object::Interrupt(session) => self.call_interrupt(call, session),
            Object::DmaMemory(dma) => self.call_dma_memory(call, dma),
        }
    }

    /// True if the object has a method of this number.
    pub(crate) fn has_method(&self, object: Object, method: u16) -> bool {
        match object {
            Object::Service(object) => {
                method < 64 && self.minted.get(object).is_some_and(|minted| minted.methods & 1 << method != 0)
            }
            object => object
                .description()
                .is_some_and(|description| usize::from(method) < description.methods.len()),
        }
    }

    /// One more capability, of `holder`, names the object.
    pub(crate) fn retain_reference(&mut self, holder: Id<Process>, object: Object) {
        match object {
            Object::MemoryObject(object) => self.retain_object(object),
            Object::VirtualMemory(process) | Object::Accounting(process) => self.retain_process(process),
            Object::Endpoint(endpoint) => self.retain_endpoint(endpoint),
            Object::Service(object) => self.retain_minted(object),
            Object::Notification(notification) => self.retain_notification(notification),
            Object::DeviceMemory(session) => self.retain_registers(session),
            Object::DmaMemory(dma) => self.retain_dma(dma),
            Object::ProcessHandle(process) => {
                self.retain_process(process);
                self.add_starter(process, holder);
            }
            Object::Timer
            | Object::EntropySource
            | Object::EntropySink
            | Object::BootPackage
            | Object::CodeMemory
            | Object::ProcessSpawner
            | Object::Devices
            | Object::Device(_)
            | Object::Interrupt(_)
            | Object::Machine => {}
        }
    }

    /// One capability less, of `holder`, names the object.
    pub(crate) fn release_reference(&mut self, holder: Id<Process>, object: Object) {
        match object {
            Object::MemoryObject(object) => self.release_object(object),
            Object::VirtualMemory(process) | Object::Accounting(process) => self.release_process(process),
            Object::Endpoint(endpoint) => self.release_endpoint(endpoint),
            Object::Service(object) => self.release_minted(object),
            Object::Notification(notification) => self.release_notification(notification),
            Object::DeviceMemory(session) => self.release_registers(session),
            Object::DmaMemory(dma) => self.release_dma(dma),
            Object::ProcessHandle(process) => {
                self.remove_starter(process, holder);
                self.release_process(process);
            }
            Object::Timer
            | Object::EntropySource
            | Object::EntropySink
            | Object::BootPackage
            | Object::CodeMemory
            | Object::ProcessSpawner
            | Object::Devices
            | Object::Device(_)
            | Object::Interrupt(_)
            | Object::Machine => {}
        }
    }
}
