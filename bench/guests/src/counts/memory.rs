//! Counts of memory: the first touch of a page, and taking and giving back a range.
//!
//! Called by `main`; calls VirtualMemory, and touches through the heap.
//!
//! Invariant: each page is touched for the first time where that is counted.

use alloc::vec;
use core::hint::black_box;

use capos_rt::abi::error::CallError;

use crate::Context;

const PAGE: usize = 4096;
/// Touches that are counted once, and then twice.
const TOUCHES: usize = 256;

/// All counts of this subject.
///
/// # Errors
/// Those of the calls.
pub(crate) fn counts(context: &Context) -> Result<(), CallError> {
    let mut pages = vec![0u8; (3 * TOUCHES + 1) * PAGE];
    context.count("page-touch", TOUCHES as u64, |turn| {
        *black_box(&mut pages[turn as usize * PAGE + 64]) = 1;
        Ok(())
    })?;
    drop(pages);
    context.count("reserve-commit-unmap", 100, |_| {
        let address = context.memory.reserve(PAGE as u64)?;
        context.memory.commit(address, PAGE as u64)?;
        context.memory.unmap(address, PAGE as u64)
    })
}
