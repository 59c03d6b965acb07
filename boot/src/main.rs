//! The PVH boot stage: from QEMU's `-kernel` and `-initrd` to the kernel's `bootloader_api` entry.
//!
//! Started by QEMU on microvm and q35; checks the boot image in the initrd, takes the kernel out of it and hands over
//! to `bootloader-x86_64-common`, which the BIOS and UEFI stages use too: the kernel has one entry and sees no
//! difference.
//!
//! Invariant: an image that the stage cannot boot is refused with one line that names the part, and
//! `EXIT_IMAGE_REFUSED`.
#![no_std]
#![no_main]

mod checksum;
mod debug;
mod entry;
mod memory;
mod start_info;

use bootloader_boot_config::BootConfig;
use bootloader_x86_64_common::legacy_memory_region::LegacyFrameAllocator;
use bootloader_x86_64_common::{Kernel, PageTables, SystemInfo, load_and_switch_to_kernel};
use capos_abi::image::{self, Image, ImageError};
use core::ptr;
use memory::{MemoryMap, Region};
use start_info::StartInfo;
use x86_64::registers::control::Cr3;
use x86_64::structures::paging::{FrameAllocator, OffsetPageTable, PageTable, PhysFrame};
use x86_64::{PhysAddr, VirtAddr};

const PAGE: u64 = 4096;

unsafe extern "C" {
    static __stage_start: u8;
    static __stage_end: u8;
}

/// Called once by the entry code, with the physical address of the start info.
extern "C" fn start(start_info: u64) -> ! {
    // SAFETY: the entry code passes what QEMU left in `ebx`, and has mapped the first 4 GiB.
    let Some(info) = (unsafe { StartInfo::read(start_info) }) else {
        debug::refuse(format_args!("not started as a PVH guest with a memory map: use QEMU 4.0 or newer"));
    };
    let stage = (&raw const __stage_start as u64, &raw const __stage_end as u64);
    let bytes = initrd(info.initrd);
    let kernel = check(bytes).unwrap_or_else(|error| debug::refuse(format_args!("{error}")));
    let map = MemoryMap::new(info.ranges(), [stage, info.initrd]);
    let Some(space) = map.find_space(stage.1, kernel.len() as u64) else {
        debug::refuse(format_args!("no memory for part \"kernel\": give the machine more"));
    };
    let kernel = copy(kernel, space);
    let first_free = (space + kernel.len() as u64).next_multiple_of(PAGE);
    let mut frames = LegacyFrameAllocator::new_starting_at(
        PhysFrame::containing_address(PhysAddr::new(first_free)),
        map.regions(),
    );
    let page_tables = page_tables(&mut frames);
    let system_info = SystemInfo {
        framebuffer: None,
        rsdp_addr: (info.rsdp != 0).then(|| PhysAddr::new(info.rsdp)),
        ramdisk_addr: Some(info.initrd.0),
        ramdisk_len: bytes.len() as u64,
    };
    load_and_switch_to_kernel(Kernel::parse(kernel), BootConfig::default(), frames, page_tables, system_info)
}

/// The initrd's bytes.
fn initrd((first, end): (u64, u64)) -> &'static [u8] {
    if first == end {
        debug::refuse(format_args!("boot image: there is none (start QEMU with -initrd IMAGE)"));
    }
    if end > 1 << 32 || first % PAGE != 0 {
        debug::refuse(format_args!(
            "boot image: loaded at {first:#x} to {end:#x}, not on a page below 4 GiB"
        ));
    }
    // SAFETY: QEMU put the initrd there, in mapped RAM, and the memory map keeps it out of every allocation.
    unsafe { core::slice::from_raw_parts(first as *const u8, (end - first) as usize) }
}

/// Checks header, table and the kernel's part; the other parts are checked by who uses them.
fn check(bytes: &'static [u8]) -> Result<&'static [u8], ImageError<'static>> {
    let image = Image::parse(bytes)?;
    let part = image.find(image::KERNEL)?;
    let kernel = image.contents(&part);
    if checksum::crc32c(kernel) != part.checksum {
        return Err(ImageError::PartCorrupt(image::KERNEL));
    }
    Ok(kernel)
}

/// Copies the kernel to free memory. The loader maps its segments in place, writable ones too, and the image that the
/// kernel reads later must stay as it is.
fn copy(kernel: &[u8], to: u64) -> &'static [u8] {
    let target = to as *mut u8;
    // SAFETY: `find_space` said that so many bytes are free there, outside the stage and the image.
    unsafe { ptr::copy_nonoverlapping(kernel.as_ptr(), target, kernel.len()) };
    // SAFETY: just written, and nothing else knows the place.
    unsafe { core::slice::from_raw_parts(target, kernel.len()) }
}

/// The stage's page tables and an empty root for the kernel's.
fn page_tables(
    frames: &mut LegacyFrameAllocator<impl ExactSizeIterator<Item = Region> + Clone, Region>,
) -> PageTables {
    let Some(kernel_root) = frames.allocate_frame() else {
        debug::refuse(format_args!("no memory for page tables: give the machine more"));
    };
    let table = kernel_root.start_address().as_u64() as *mut PageTable;
    // SAFETY: a free frame in the lowest memory, mapped onto itself.
    unsafe { table.write(PageTable::new()) };
    let stage_table = Cr3::read().0.start_address().as_u64() as *mut PageTable;
    PageTables {
        // SAFETY: the root in use; all memory that the loader touches is mapped onto itself, at offset 0.
        bootloader: unsafe { offset_table(stage_table) },
        // SAFETY: just written, used by the loader alone; offset 0 as above.
        kernel: unsafe { offset_table(table) },
        kernel_level_4_frame: kernel_root,
    }
}

/// # Safety
/// `table` is a valid root table that nothing else refers to, and tables are mapped onto themselves.
unsafe fn offset_table(table: *mut PageTable) -> OffsetPageTable<'static> {
    // SAFETY: the caller's promise.
    let table = unsafe { &mut *table };
    // SAFETY: the caller's promise.
    unsafe { OffsetPageTable::new(table, VirtAddr::zero()) }
}

/// The loader panics for a kernel that it cannot load; its checksum was right, so it was built wrongly.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    debug::refuse(format_args!("part \"kernel\" cannot be loaded: {}", info.message()))
}
