//! From the boot stage's jump to `kernel_main`.
//!
//! The kernel says `capos_kernel_hal::entry!(kernel_main);` with `fn kernel_main(hardware: Hardware) -> !`.
//! Everything below it is set up then: descriptor tables, page tables, frames, heap, timer, devices. The panic
//! handler is here too: a report on the debug console, then `EXIT_KERNEL_FAILED`.
//!
//! Invariant: [`Hardware`] is handed out once.

use crate::PAGE_BYTES;
use crate::paging::DIRECT_MAP;
use crate::ramdisk::Ramdisk;
use crate::time::Clock;
use crate::{cpu, devices, frames, heap, interrupts, local_apic, paging, user};
use alloc::vec::Vec;
use bootloader_api::config::Mapping;
use bootloader_api::info::BootInfo;
use bootloader_api::{BootloaderConfig, entry_point};
use core::ops::Range;

/// Bytes of the kernel's stack.
const STACK_BYTES: u64 = 64 * 1024;
/// The page below the kernel's stack, which the boot stage leaves unmapped.
pub(crate) const STACK_GUARD: u64 = 0xffff_a000_0000_0000;
/// The kernel's stack.
pub(crate) const STACK: Range<u64> =
    STACK_GUARD + PAGE_BYTES as u64..STACK_GUARD + PAGE_BYTES as u64 + STACK_BYTES;

/// Where the boot stage maps things: each in 512 GiB of its own, in the upper half, which all address spaces share.
const CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.kernel_stack_size = STACK_BYTES;
    config.mappings.physical_memory = Some(Mapping::FixedAddress(DIRECT_MAP));
    config.mappings.ramdisk_memory = Mapping::FixedAddress(0xffff_9000_0000_0000);
    config.mappings.kernel_stack = Mapping::FixedAddress(STACK_GUARD);
    config.mappings.boot_info = Mapping::FixedAddress(0xffff_b000_0000_0000);
    config
};

entry_point!(start, config = &CONFIG);

/// What the kernel gets, exactly once.
#[derive(Debug)]
pub struct Hardware {
    /// Clock and alarm.
    pub clock: Clock,
    /// The processor.
    pub processor: user::Processor,
    /// The boot image.
    pub ramdisk: Ramdisk,
    /// The devices that can be given out.
    pub devices: Vec<devices::Device>,
}

/// Names the kernel's main function, of type `fn(Hardware) -> !`.
#[macro_export]
macro_rules! entry {
    ($path:path) => {
        const _: () = {
            #[unsafe(export_name = "capos_kernel_main")]
            fn __capos_kernel_main(hardware: $crate::Hardware) -> ! {
                let main: fn($crate::Hardware) -> ! = $path;
                main(hardware)
            }
        };
    };
}

unsafe extern "Rust" {
    /// What [`entry!`] names. It can only be called with a [`Hardware`], of which this module makes one.
    safe fn capos_kernel_main(hardware: Hardware) -> !;
}

unsafe extern "C" {
    static __kernel_start: u8;
    static __kernel_end: u8;
}

/// Called once, by the boot stage.
fn start(info: &'static mut BootInfo) -> ! {
    assert!(
        info.physical_memory_offset.into_option() == Some(DIRECT_MAP),
        "the boot stage mapped memory elsewhere"
    );
    // SAFETY: the boot stage mapped the kernel by its program headers, NX where they say so.
    unsafe { cpu::initialize() };
    // SAFETY: stack, boot information and image are in the upper half, and the descriptor tables are loaded next; no
    // interrupt is enabled until then.
    unsafe { paging::initialize() };
    // SAFETY: first and only call, interrupts are off.
    unsafe { interrupts::load() };
    // SAFETY: first and only call, with the descriptor tables loaded.
    unsafe { user::initialize() };
    let (image, image_end) = (&raw const __kernel_start as u64, &raw const __kernel_end as u64);
    assert!(paging::image_is_tight(image, image_end - image), "the kernel is mapped writable and executable");
    // SAFETY: first and only call; the boot stage's map has no usable region that is in use.
    assert!(unsafe { frames::initialize(&info.memory_regions) }, "not enough memory: give the machine more");
    // SAFETY: first and only call, after the frames.
    assert!(unsafe { heap::initialize() }, "not enough memory for the heap: give the machine more");
    let address = info.ramdisk_addr.into_option().unwrap_or(0);
    // SAFETY: the boot stage's own words about the image, which it keeps out of the usable regions.
    let ramdisk = unsafe { Ramdisk::new(address, info.ramdisk_len) };
    // SAFETY: first and only call, with paging and descriptor tables in place.
    unsafe { local_apic::initialize() };
    // SAFETY: first and only call, with the local APIC in place.
    let clock = unsafe { Clock::new() };
    // SAFETY: first and only call.
    let devices = unsafe { devices::find() };
    capos_kernel_main(Hardware {
        clock,
        // SAFETY: first and only call.
        processor: unsafe { user::Processor::new() },
        ramdisk: ramdisk.expect("the boot stage passed no boot image"),
        devices,
    })
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    // The debug console cannot fail.
    let _ = writeln!(crate::debug::Writer, "[kernel] panic: {info}");
    crate::backtrace::write(STACK);
    crate::power::exit(capos_abi::host::EXIT_KERNEL_FAILED)
}
