//! The PVH start info: what QEMU tells a guest about the machine.
//!
//! Called by [`crate::start`]. Layout: Xen public header `arch-x86/hvm/start_info.h`, version 1.
//!
//! Invariant: everything is copied out before the stage writes to memory that it did not come with.

use core::ptr;

const MAGIC: u32 = 0x336e_c578;
const MEMORY_TYPE_RAM: u32 = 1;
/// Entries of QEMU's memory map: about a dozen on a machine of today.
const ENTRIES_MAX: usize = 64;

/// A range of physical memory as the firmware or QEMU describes it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Range {
    /// First byte.
    pub(crate) start: u64,
    /// Past the last byte.
    pub(crate) end: u64,
    /// True for RAM.
    pub(crate) is_ram: bool,
}

/// What this stage uses of the start info.
pub(crate) struct StartInfo {
    /// Physical addresses of the initrd: first byte, and past the last; equal if there is none.
    pub(crate) initrd: (u64, u64),
    /// Physical address of the ACPI root pointer; 0 if there is none.
    pub(crate) rsdp: u64,
    ranges: [Range; ENTRIES_MAX],
    range_count: usize,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Header {
    magic: u32,
    version: u32,
    _flags: u32,
    module_count: u32,
    modules: u64,
    _command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    _reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Module {
    address: u64,
    bytes: u64,
    _command_line: u64,
    _reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MapEntry {
    address: u64,
    bytes: u64,
    kind: u32,
    _reserved: u32,
}

impl StartInfo {
    /// Reads the start info at a physical address; `None` if there is none of version 1 with a memory map.
    ///
    /// # Safety
    /// `address` is what a PVH loader passed in `ebx`, and the first 4 GiB are mapped onto themselves.
    pub(crate) unsafe fn read(address: u64) -> Option<StartInfo> {
        // SAFETY: the caller's promise: the loader wrote a header there.
        let header: Header = unsafe { ptr::read_unaligned(address as *const Header) };
        if header.magic != MAGIC || header.version < 1 || header.memory_map == 0 {
            return None;
        }
        let mut info = StartInfo {
            initrd: (0, 0),
            rsdp: header.rsdp,
            ranges: [Range::default(); ENTRIES_MAX],
            range_count: 0,
        };
        if header.module_count > 0 {
            // SAFETY: the header states that there is at least one module there.
            let module: Module = unsafe { ptr::read_unaligned(header.modules as *const Module) };
            info.initrd = (module.address, module.address.saturating_add(module.bytes));
        }
        let entries = header.memory_map as *const MapEntry;
        for index in 0..ENTRIES_MAX.min(header.memory_map_entries as usize) {
            let at = entries.wrapping_add(index);
            // SAFETY: the header states that there are that many entries.
            let entry = unsafe { ptr::read_unaligned(at) };
            let end = entry.address.saturating_add(entry.bytes);
            info.ranges[index] = Range { start: entry.address, end, is_ram: entry.kind == MEMORY_TYPE_RAM };
            info.range_count += 1;
        }
        Some(info)
    }

    /// The memory map.
    pub(crate) fn ranges(&self) -> &[Range] {
        &self.ranges[..self.range_count]
    }
}
