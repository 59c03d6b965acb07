//! The PVH boot stage: from QEMU's `-kernel` and `-initrd` to the kernel's `bootloader_api` entry.
//!
//! Started by QEMU on microvm and q35; checks the boot image in the initrd, takes the kernel out of it or out of the image
//! that was prepared and is part of the stage's own file (`system.pvh`), maps what the
//! kernel wants mapped and enters it, with what `bootloader_api` promises a kernel: BIOS and UEFI stages promise the same.
//!
//! Invariant: an image that the stage cannot boot is refused with one line that names the part, and
//! `EXIT_IMAGE_REFUSED`.
#![no_std]
#![no_main]

mod checksum;
mod debug;
mod entry;
mod handover;
mod kernel_file;
mod memory;
mod start_info;
mod tables;

use capos_abi::image::{self, Image, ImageError};
use capos_abi::package::Package;
use handover::{Machine, Started};
use memory::MemoryMap;
use start_info::StartInfo;

const PAGE: u64 = 4096;

unsafe extern "C" {
    static __stage_start: u8;
    static __stage_end: u8;
    static __system: u8;
}

/// Called once by the entry code, with the physical address of the start info.
extern "C" fn start(start_info: u64) -> ! {
    // SAFETY: the entry code passes what QEMU left in `ebx`, and has mapped the first 4 GiB.
    let Some(info) = (unsafe { StartInfo::read(start_info) }) else {
        debug::refuse(format_args!("not started as a PVH guest with a memory map: use QEMU 4.0 or newer"));
    };
    let stage = (&raw const __stage_start as u64, &raw const __stage_end as u64);
    let run = initrd(info.initrd);
    let started =
        check(run, || prepared(&info)).unwrap_or_else(|error| debug::refuse(format_args!("{error}")));
    // An image is the initrd or the prepared one: the latter is a hole of its own.
    let first = started.images[0].as_ptr_range();
    if first.start as u64 != info.initrd.0
        && (first.start as u64) < info.initrd.1
        && info.initrd.0 < first.end as u64
    {
        debug::refuse(format_args!(
            "boot image: loaded over the prepared image: give the machine more memory"
        ));
    }
    let map = MemoryMap::new(info.ranges(), [stage, (first.start as u64, first.end as u64), info.initrd]);
    let machine = Machine { started, map, rsdp: info.rsdp };
    let Err(reason) = handover::enter(machine);
    debug::refuse(format_args!("part \"kernel\" cannot be loaded: {reason}"))
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

/// The image in the stage's own file, if there is one.
fn prepared(info: &StartInfo) -> Option<&'static [u8]> {
    let first = &raw const __system as u64;
    let header = first as *const [u8; image::HEADER_BYTES];
    // SAFETY: the linker script puts at least a number there, in memory that the entry code mapped; the rest of the header
    // is RAM that nobody has used yet.
    let header = unsafe { &*header };
    if header[..8] != image::MAGIC {
        return None;
    }
    let bytes = u64::from_le_bytes(*header[16..].first_chunk()?);
    let is_there = |range: &start_info::Range| {
        let room = range.end.min(1 << 32).saturating_sub(first);
        range.is_ram && range.start <= first && bytes <= room
    };
    if !info.ranges().iter().any(is_there) {
        debug::refuse(format_args!("no memory for the prepared image: give the machine more"));
    }
    // SAFETY: QEMU put the file's segment there, in RAM, and the memory map keeps it out of every allocation.
    Some(unsafe { core::slice::from_raw_parts(first as *const u8, bytes as usize) })
}

/// Checks header and table of the images, and the kernel's part if it is not prepared; the other parts are checked by who
/// uses them. An initrd with a kernel is whole by itself; another one needs the prepared image.
fn check(
    run: &'static [u8],
    prepared: impl FnOnce() -> Option<&'static [u8]>,
) -> Result<Started, ImageError<'static>> {
    let image = Image::parse(run)?;
    let own = &run[..image.total() as usize];
    let beside = match image.find(image::KERNEL) {
        Err(_) => prepared(),
        Ok(_) => None,
    };
    let first = beside.map(Image::parse).transpose()?;
    let kernel = Package::new(first, image)?.verify_by(image::KERNEL, checksum::crc32c)?;
    let images = beside.map_or([own, &[]], |beside| [beside, own]);
    Ok(Started { kernel, images })
}

/// A defect of the stage: an image is refused before.
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    debug::refuse(format_args!("the boot stage itself failed: {info}"))
}
