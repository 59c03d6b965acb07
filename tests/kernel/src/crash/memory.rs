//! The ways to behave of a process that maps what it was given, and of one that looks at its own data.
//!
//! Rows of `behave`. Granted are its address space as `memory`, a memory object as `object` and the right to execute as
//! `code`, as far as the way needs them.
//!
//! Invariant: a way that must end the process returns 90 if it did not.

use core::sync::atomic::{AtomicU8, Ordering};

use capos_kernel_suite::by_hand::info_into;
use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::code_memory::CodeMemory;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, hostile};

const PAGE: usize = 4096;
const NOT_ENDED: u32 = 90;
/// Whole pages of [`DATA`] that the ways touch.
const PAGES: usize = 4;
const BYTE: u8 = b'd';

/// Initialized data that nothing else shares its whole pages with.
static DATA: [AtomicU8; (PAGES + 1) * PAGE] = [const { AtomicU8::new(BYTE) }; (PAGES + 1) * PAGE];

fn given(capabilities: &CapSet) -> Option<(Cap<VirtualMemory>, Cap<MemoryObject>)> {
    Some((capabilities.get("memory").ok()?, capabilities.get("object").ok()?))
}

fn mapped_code(capabilities: &CapSet) -> Option<u64> {
    let (memory, object) = given(capabilities)?;
    let code: Cap<CodeMemory> = capabilities.get("code").ok()?;
    code.map(&memory, &object, 0, PAGE as u64).ok()
}

/// Runs a function out of the object; its result is the exit code.
pub(crate) fn run_code(capabilities: &CapSet) -> u32 {
    mapped_code(capabilities).map_or(1, |address| hostile::call(address) as u32)
}

/// Writes to executable pages.
pub(crate) fn write_code(capabilities: &CapSet) -> u32 {
    let Some(address) = mapped_code(capabilities) else { return 1 };
    hostile::store(address);
    NOT_ENDED
}

/// Executes pages that were mapped as data.
pub(crate) fn jump_to_data(capabilities: &CapSet) -> u32 {
    let Some((memory, object)) = given(capabilities) else { return 1 };
    let Ok(address) = memory.map(&object, 0, PAGE as u64, false) else { return 2 };
    // It has its frame: what is missing is the permission.
    let _ = hostile::load(address);
    hostile::jump(address)
}

/// Writes to a read-only mapping of an object that it could map writable.
pub(crate) fn write_read_only(capabilities: &CapSet) -> u32 {
    let Some((memory, object)) = given(capabilities) else { return 1 };
    let Ok(address) = memory.map(&object, 0, PAGE as u64, false) else { return 2 };
    let _ = hostile::load(address);
    hostile::store(address);
    NOT_ENDED
}

/// Gets no more than reading out of an object that can only be read.
pub(crate) fn map_read_only(capabilities: &CapSet) -> u32 {
    let Some((memory, object)) = given(capabilities) else { return 1 };
    let denied = Err(CallError::Transport(Transport::MethodDenied));
    let within = CallError::Transport(Transport::MaskNotWithin);
    if memory.map(&object, 0, PAGE as u64, true) != denied {
        return 2;
    }
    if object.derive(MemoryObject::ALL_METHODS).map(drop) != Err(within) {
        return 3;
    }
    let Ok(address) = memory.map(&object, 0, PAGE as u64, false) else { return 4 };
    u32::from(hostile::load(address) != b'r')
}

/// The place in [`DATA`] where its first whole page begins.
fn first_page() -> usize {
    DATA.as_ptr().align_offset(PAGE)
}

fn is_untouched() -> bool {
    DATA.iter().all(|byte| byte.load(Ordering::Relaxed) == BYTE)
}

/// Reads all of its data.
pub(crate) fn read_data(_: &CapSet) -> u32 {
    u32::from(!is_untouched())
}

/// Reads all of its data, writes to each whole page of it, and finds what it wrote and nothing else changed.
pub(crate) fn write_data(_: &CapSet) -> u32 {
    if !is_untouched() {
        return 1;
    }
    let places = (0..PAGES).map(|page| first_page() + page * PAGE + 1);
    for place in places.clone() {
        DATA[place].store(b'w', Ordering::Relaxed);
    }
    let written = DATA.iter().filter(|byte| byte.load(Ordering::Relaxed) == b'w').count();
    let rest = DATA.iter().filter(|byte| byte.load(Ordering::Relaxed) == BYTE).count();
    let is_right = written == PAGES && rest == DATA.len() - PAGES;
    u32::from(!is_right || places.clone().any(|place| DATA[place].load(Ordering::Relaxed) != b'w'))
}

/// Its last words are data that it has not touched.
pub(crate) fn report_from_data(_: &CapSet) -> u32 {
    let address = DATA.as_ptr() as u64 + first_page() as u64;
    hostile::system_call(0, [1, ExitStatus::exited(9).to_word(), address, 64]);
    NOT_ENDED
}

/// The kernel writes a reply to a page that was only read, and to one that was not touched.
pub(crate) fn data_by_call(capabilities: &CapSet) -> u32 {
    let Ok(object) = capabilities.get::<MemoryObject>("argument") else { return 1 };
    for page in [0, 1] {
        let place = first_page() + page * PAGE + 64;
        if page == 0 && DATA[place].load(Ordering::Relaxed) != BYTE {
            return 2;
        }
        if info_into(&object, DATA.as_ptr() as u64 + place as u64) < 0 {
            return 3;
        }
        if DATA[place..place + 16].iter().all(|byte| byte.load(Ordering::Relaxed) == BYTE) {
            return 4;
        }
        if DATA[place - 1].load(Ordering::Relaxed) != BYTE {
            return 5;
        }
    }
    0
}
