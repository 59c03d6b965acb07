//! From a checked kernel to its first instruction, as `bootloader_api` promises it.
//!
//! Called by [`crate::start`] once; calls [`crate::tables`].
//!
//! Invariant: what the kernel's file and the images consist of is not written to: writable segments are copied, all others
//! are mapped in place.

use crate::debug;
use crate::kernel_file::{Access, KernelFile, Segment};
use crate::memory::{MemoryMap, REGIONS_MAX};
use crate::tables::{EXECUTE, READ, READ_WRITE, Tables};
use bootloader_api::BootInfo;
use bootloader_api::config::{BootloaderConfig, Mapping};
use bootloader_api::info::{MemoryRegion, Optional};
use core::arch::asm;

const PAGE: u64 = 4096;

const _: () = assert!(size_of::<Page>() as u64 <= PAGE);

/// What the kernel gets to read, in one page.
#[repr(C)]
struct Page {
    info: BootInfo,
    regions: [MemoryRegion; REGIONS_MAX],
}

/// What was found in the images.
pub(crate) struct Started {
    pub(crate) kernel: &'static [u8],
    /// What the kernel gets as its ramdisk, one behind the other; the second one may be empty.
    pub(crate) images: [&'static [u8]; 2],
}

/// What the machine gives the kernel.
pub(crate) struct Machine {
    pub(crate) started: Started,
    pub(crate) map: MemoryMap,
    /// The physical address of the ACPI root pointer; 0 if there is none.
    pub(crate) rsdp: u64,
}

/// Loads the kernel and enters it.
///
/// # Errors
/// What is wrong with its file.
pub(crate) fn enter(mut machine: Machine) -> Result<core::convert::Infallible, &'static str> {
    let kernel = KernelFile::read(machine.started.kernel)?;
    let config = kernel.config()?;
    let wishes = Wishes::read(&config)?;
    let Some((start, end)) = machine.map.largest_space() else {
        debug::refuse(format_args!("no memory for part \"kernel\": give the machine more"));
    };
    // SAFETY: the map says that it is free; first and only call.
    let mut tables = unsafe { Tables::new(start, end) };
    tables.map_memory(wishes.memory, machine.map.end());
    for segment in kernel.segments() {
        load(&mut tables, &segment?);
    }
    let stack_pages = config.kernel_stack_size.div_ceil(PAGE);
    let stack = wishes.stack.wrapping_add(PAGE);
    let frames = tables.take(stack_pages);
    tables.map(stack, frames, stack_pages, READ_WRITE);
    let mut ramdisk_bytes: u64 = 0;
    for image in machine.started.images.into_iter().filter(|image| !image.is_empty()) {
        let start = ramdisk_bytes.next_multiple_of(PAGE);
        ramdisk_bytes = start + image.len() as u64;
        let pages = (image.len() as u64).div_ceil(PAGE);
        tables.map(wishes.ramdisk.wrapping_add(start), image.as_ptr() as u64, pages, READ);
    }
    let page = tables.take(1);
    tables.map(wishes.boot_info, page, 1, READ_WRITE);
    machine.map.take(start, tables.next());
    let info = describe(&machine, wishes.boot_info as *mut Page);
    info.physical_memory_offset = Optional::Some(wishes.memory);
    info.ramdisk_addr = Optional::Some(wishes.ramdisk);
    info.ramdisk_len = ramdisk_bytes;
    info.kernel_addr = machine.started.kernel.as_ptr() as u64;
    info.kernel_len = machine.started.kernel.len() as u64;
    info.kernel_stack_bottom = stack;
    info.kernel_stack_len = config.kernel_stack_size;
    let stack_top = (stack + stack_pages * PAGE) & !15;
    // SAFETY: the kernel's text and stack are mapped, and its entry takes the boot information; the zero stands for the
    // address to return to.
    unsafe {
        asm!(
            "mov rsp, {stack}",
            "xor ebp, ebp",
            "push 0",
            "jmp {entry}",
            stack = in(reg) stack_top,
            entry = in(reg) kernel.entry,
            in("rdi") info,
            options(noreturn),
        )
    }
}

/// The addresses that the kernel asks for: all of them fixed.
struct Wishes {
    memory: u64,
    stack: u64,
    ramdisk: u64,
    boot_info: u64,
}

impl Wishes {
    fn read(config: &BootloaderConfig) -> Result<Wishes, &'static str> {
        let fixed = |mapping| match mapping {
            Mapping::FixedAddress(address) if address % PAGE == 0 && address >> 47 == (1 << 17) - 1 => {
                Ok(address)
            }
            _ => Err(
                "it asks for memory at an address that is not fixed, not on a page or not in the upper half",
            ),
        };
        let mappings = &config.mappings;
        if mappings.page_table_recursive.is_some() || config.kernel_stack_size == 0 {
            return Err("it asks for recursive page tables or for no stack");
        }
        Ok(Wishes {
            memory: fixed(mappings.physical_memory.unwrap_or_default())?,
            stack: fixed(mappings.kernel_stack)?,
            ramdisk: fixed(mappings.ramdisk_memory)?,
            boot_info: fixed(mappings.boot_info)?,
        })
    }
}

/// Maps a segment: in place, or a copy of it with zeros behind.
fn load(tables: &mut Tables, segment: &Segment) {
    let pages = segment.memory_bytes.div_ceil(PAGE);
    let in_place = segment.contents.as_ptr() as u64;
    match segment.access {
        Access::Read => tables.map(segment.address, in_place, pages, READ),
        Access::Execute => tables.map(segment.address, in_place, pages, EXECUTE),
        Access::ReadWrite => {
            let frames = tables.take(pages);
            let target = frames as *mut u8;
            // SAFETY: so many bytes are in the frames that were just taken, which are mapped onto themselves.
            unsafe { target.copy_from_nonoverlapping(segment.contents.as_ptr(), segment.contents.len()) };
            let rest = (pages * PAGE) as usize - segment.contents.len();
            // SAFETY: the bytes behind them, to the end of the last frame.
            unsafe { target.wrapping_add(segment.contents.len()).write_bytes(0, rest) };
            tables.map(segment.address, frames, pages, READ_WRITE);
        }
    }
}

/// Writes the boot information and the memory map into their page.
fn describe(machine: &Machine, page: *mut Page) -> &'static mut BootInfo {
    let regions = (page as u64 + core::mem::offset_of!(Page, regions) as u64) as *mut MemoryRegion;
    let mut count = 0;
    for region in machine.map.regions() {
        let region = MemoryRegion { start: region.start, end: region.end, kind: region.kind };
        // SAFETY: the map has no more regions than the page has room for, which was just mapped.
        unsafe { regions.wrapping_add(count).write(region) };
        count += 1;
    }
    // SAFETY: just written; nobody else refers to them.
    let regions = unsafe { core::slice::from_raw_parts_mut(regions, count) };
    let mut info = BootInfo::new(regions.into());
    info.rsdp_addr = if machine.rsdp == 0 { Optional::None } else { Optional::Some(machine.rsdp) };
    let target = page.cast::<BootInfo>();
    // SAFETY: in the page that was just mapped, whose first field it is.
    unsafe { target.write(info) };
    // SAFETY: just written; nobody else refers to it.
    unsafe { &mut *target }
}
