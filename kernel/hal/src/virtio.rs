//! The virtio console, over MMIO (microvm) or PCI (q35), on the `virtio-drivers` crate's transports and queues.
//!
//! The start-up code looks for it; the kernel gets the driver in [`crate::Hardware`]. It is polled: its interrupt is not
//! enabled. Other devices are driven by processes: [`crate::devices`].
//!
//! Invariant: memory that a device may access is owned by its driver, and every wait for a device has an end.

pub mod console;
mod dma;
mod mmio;
mod pci;

use crate::time::Clock;
use core::hint::spin_loop;
use virtio_drivers::transport::{DeviceStatus, DeviceType, SomeTransport, Transport};

/// The device type of a console.
pub(crate) const CONSOLE: u32 = 3;
/// The device conforms to version 1 of the specification, as all that are not "legacy" do.
const FEATURE_VERSION_1: u64 = 1 << 32;
/// How long a device may take to answer during start-up, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// Looks for the first console.
///
/// # Safety
/// Called once, at start-up, after paging and frames.
pub(crate) unsafe fn find(clock: &Clock) -> Option<console::Console> {
    let mut found = None;
    let mut take = |transport: SomeTransport<'static>| {
        if transport.device_type() == DeviceType::Console && found.is_none() {
            found = console::Console::new(transport, clock);
        }
    };
    if crate::devices::pci::is_present() {
        // SAFETY: the caller's promise.
        unsafe { pci::find(&mut take) };
    } else {
        // SAFETY: the caller's promise; a machine without PCI has its devices at microvm's addresses, if it has any.
        unsafe { mmio::find(&mut take) };
    }
    found
}

/// Resets the device and agrees on features; `None` if it has not all of `wanted`.
fn negotiate(transport: &mut SomeTransport<'static>, wanted: u64) -> Option<()> {
    let known = DeviceStatus::ACKNOWLEDGE | DeviceStatus::DRIVER;
    transport.set_status(DeviceStatus::empty());
    transport.set_status(known);
    let wanted = wanted | FEATURE_VERSION_1;
    if transport.read_device_features() & wanted != wanted {
        return None;
    }
    transport.write_driver_features(wanted);
    transport.set_status(known | DeviceStatus::FEATURES_OK);
    transport.get_status().contains(DeviceStatus::FEATURES_OK).then_some(())
}

/// Waits until something is true, for at most `patience` nanoseconds; says whether it is.
fn wait(clock: &Clock, patience: u64, mut is_true: impl FnMut() -> bool) -> bool {
    if is_true() {
        return true;
    }
    let deadline = clock.now().saturating_add(patience);
    while clock.now() < deadline {
        spin_loop();
        if is_true() {
            return true;
        }
    }
    false
}
