//! The machine's devices, as init hands them out.
//!
//! Read once by `authority`; asked by `spawn`.
//!
//! Invariant: of a kind of device the first one is meant, in the order of their addresses.

use alloc::vec::Vec;

use capos_rt::Cap;
use capos_rt::abi::error::CallError;
use capos_rt::schema::device::Device;
use capos_rt::schema::devices::Devices;

/// Every device that a process can drive.
pub struct Inventory {
    devices: Vec<(u32, Cap<Device>)>,
}

impl Inventory {
    /// Asks the kernel for all of them.
    ///
    /// # Errors
    /// What the calls say.
    pub fn read(machine: &Cap<Devices>) -> Result<Inventory, CallError> {
        let mut devices = Vec::new();
        for index in 0..machine.count()? {
            let row = machine.device(index)?;
            devices.push((row.kind, row.device));
        }
        Ok(Inventory { devices })
    }

    /// The device of this kind, by its number in the virtio specification.
    #[must_use]
    pub fn find(&self, kind: u32) -> Option<&Cap<Device>> {
        self.devices.iter().find(|(its_kind, _)| *its_kind == kind).map(|(_, device)| device)
    }
}
