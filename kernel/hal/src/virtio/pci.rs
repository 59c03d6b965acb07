//! Virtio devices on PCI bus 0 that ring 0 drives itself.

use super::dma::Dma;
use crate::devices::pci::Ports;
use virtio_drivers::transport::SomeTransport;
use virtio_drivers::transport::pci::bus::{Command, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, virtio_device_type};

/// Calls `take` with each device.
///
/// # Safety
/// Called once, at start-up, after paging and after [`crate::devices`] has given out addresses, on a machine with PCI.
pub(super) unsafe fn find(take: &mut impl FnMut(SomeTransport<'static>)) {
    let mut root = PciRoot::new(Ports);
    for (function, information) in PciRoot::new(Ports).enumerate_bus(0) {
        if virtio_device_type(&information).is_none() {
            continue;
        }
        root.set_command(function, Command::MEMORY_SPACE | Command::BUS_MASTER);
        if let Ok(transport) = PciTransport::new::<Dma, _>(&mut root, function) {
            take(SomeTransport::Pci(transport));
        }
    }
}
