//! The ways to behave of a process whose authority is taken back.
//!
//! Rows of `behave`. Each is granted the `timer` or the object that its test is about, derived by the suite, and loops until
//! the suite has revoked it.
//!
//! Invariant: 0 means that the refusal came, that it was "revoked", and that it held for all that was derived.

extern crate alloc;

use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, hostile};

const REVOKED: CallError = CallError::Transport(Transport::Revoked);
/// Capabilities that are held at most.
const HELD: usize = 1_000;

/// Calls until it is refused.
pub(crate) fn call(capabilities: &CapSet) -> u32 {
    let Ok(timer) = capabilities.get::<Timer>("timer") else { return 1 };
    loop {
        match timer.now() {
            Ok(_) => {}
            Err(REVOKED) => return u32::from(timer.derive(0).map(drop) != Err(REVOKED)),
            Err(_) => return 2,
        }
    }
}

/// Derives from what it derived, as fast as it can; in the end nothing of it works.
pub(crate) fn derive(capabilities: &CapSet) -> u32 {
    let Ok(timer) = capabilities.get::<Timer>("timer") else { return 1 };
    let mut chain: Vec<Cap<Timer>> = Vec::new();
    loop {
        match chain.last().unwrap_or(&timer).derive(1 << Timer::NOW) {
            Ok(next) => chain.push(next),
            Err(REVOKED) => break,
            Err(_) => chain.clear(),
        }
        if chain.len() == HELD {
            // From the front: the rest moves up.
            chain.drain(..HELD / 2);
        }
    }
    // The revocation has not reached all of them yet, perhaps; it will.
    while timer.now() != Err(REVOKED) {}
    while chain.iter().any(|one| one.now() != Err(REVOKED)) {}
    0
}

/// Maps an object, says so in its byte 1, and lives on when its pages become zeros.
pub(crate) fn share(capabilities: &CapSet) -> u32 {
    let (Ok(memory), Ok(object)) =
        (capabilities.get::<VirtualMemory>("memory"), capabilities.get::<MemoryObject>("object"))
    else {
        return 1;
    };
    let Ok(address) = memory.map(&object, 0, 4096, true) else { return 2 };
    hostile::store_byte(address + 1, 1);
    while hostile::load(address) != 0 {}
    if hostile::load(address + 1) != 0 || object.info().map(drop) != Err(REVOKED) {
        return 3;
    }
    hostile::store_byte(address + 2, 9);
    u32::from(hostile::load(address + 2) != 9 || memory.unmap(address, 4096).is_err())
}

/// Maps 16 pages, uses its limit up, says so in byte 1, and writes all of them when they have become zeros.
pub(crate) fn share_at_the_limit(capabilities: &CapSet) -> u32 {
    const PAGE: u64 = 4096;
    const PAGES: u64 = 16;
    let (Ok(memory), Ok(object)) =
        (capabilities.get::<VirtualMemory>("memory"), capabilities.get::<MemoryObject>("object"))
    else {
        return 1;
    };
    let Ok(address) = memory.map(&object, 0, PAGES * PAGE, true) else { return 2 };
    let mut filling = Vec::with_capacity(HELD);
    let mut last = Ok(());
    for pages in [64, 16, 4, 1] {
        last = Ok(());
        while last.is_ok() && filling.len() < HELD {
            last = memory.create_object(pages * PAGE).map(|object| filling.push(object));
        }
    }
    if last != Err(CallError::Transport(Transport::LimitReached)) {
        return 3;
    }
    hostile::store_byte(address + 1, 1);
    while hostile::load(address) != 0 {}
    for page in 0..PAGES {
        hostile::store_byte(address + page * PAGE, page as u8 + 1);
    }
    u32::from((0..PAGES).any(|page| hostile::load(address + page * PAGE) != page as u8 + 1))
}

/// Ends while a long revocation that it began is in progress.
pub(crate) fn revoke_and_exit(capabilities: &CapSet) -> u32 {
    let Ok(timer) = capabilities.get::<Timer>("timer") else { return 1 };
    let held: Vec<_> = (0..HELD).filter_map(|_| timer.derive(1 << Timer::NOW).ok()).collect();
    let Ok(revocation) = timer.begin_revoke() else { return 2 };
    capos_rt::flush();
    let is_early = held.len() == HELD && !revocation.call().is_complete();
    core::mem::forget((held, revocation));
    if is_early { 0 } else { 3 }
}

/// Gets no more out of a `timer` that can only be read.
pub(crate) fn masks(capabilities: &CapSet) -> u32 {
    let Ok(timer) = capabilities.get::<Timer>("timer") else { return 1 };
    let within = CallError::Transport(Transport::MaskNotWithin);
    let denied = CallError::Transport(Transport::MethodDenied);
    let more = timer.derive(1 << Timer::NOW | 1 << Timer::SLEEP).map(drop);
    let Ok(same) = timer.derive(1 << Timer::NOW) else { return 2 };
    let more_again = same.derive(u64::MAX).map(drop);
    let is_masked = (more, more_again) == (Err(within), Err(within)) && same.sleep(0) == Err(denied);
    if is_masked && same.now().is_ok() { 0 } else { 3 }
}
