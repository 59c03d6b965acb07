//! From the boot stage's jump to `kernel_main`.
//!
//! The kernel says `capos_kernel_hal::entry!(kernel_main);` with `fn kernel_main(hardware: Hardware) -> !`. Everything below it is set up
//! then: descriptor tables, page tables, frames, heap, timer, devices. The panic handler is here too: report on the debug console, then
//! `EXIT_KERNEL_FAILED`.

use crate::{ramdisk::Ramdisk, time::Clock, virtio};

/// What the kernel gets, exactly once.
pub struct Hardware {
    /// Clock and alarm.
    pub clock: Clock,
    /// The boot image.
    pub ramdisk: Ramdisk,
    /// The virtio console, if the machine has one.
    pub console: Option<virtio::console::Console>,
    /// The virtio random source, if the machine has one.
    pub rng: Option<virtio::rng::Rng>,
}

/// Names the kernel's main function.
#[macro_export]
macro_rules! entry {
    ($path:path) => {};
}
