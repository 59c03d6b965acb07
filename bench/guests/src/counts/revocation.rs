//! Counts of authority: made, and taken back.
//!
//! Called by `main`; all of it happens in this process.
//!
//! Invariant: the line of a revocation has what one of nothing took and what one of N took, so the difference by N is the
//! cost of a descendant.

use alloc::vec::Vec;

use capos_rt::Cap;
use capos_rt::abi::error::CallError;
use capos_rt::schema::timer::Timer;

use crate::Context;

/// All counts of this subject.
///
/// # Errors
/// Those of the calls.
pub(crate) fn counts(context: &Context) -> Result<(), CallError> {
    context.count("derive", 200, |_| context.timer.derive(1 << Timer::NOW).map(drop))?;
    for (name, descendants) in [("revoke-1", 1), ("revoke-100", 100), ("revoke-10000", 10_000)] {
        revoke(context, descendants)?;
        let (nothing, all) = (revoke(context, 0)?, revoke(context, descendants)?);
        context.print(name, descendants, nothing, all)?;
    }
    Ok(())
}

/// What a revocation takes: half of the descendants are a chain, the others side by side.
fn revoke(context: &Context, descendants: u64) -> Result<u64, CallError> {
    let trunk = context.timer.derive(1 << Timer::NOW)?;
    let mut below: Vec<Cap<Timer>> = Vec::new();
    for index in 0..descendants {
        let parent = below.last().filter(|_| index < descendants / 2).unwrap_or(&trunk);
        below.push(parent.derive(1 << Timer::NOW)?);
    }
    let start = context.timer.now()?;
    trunk.revoke()?;
    let end = context.timer.now()?;
    drop(below);
    Ok(end - start)
}
