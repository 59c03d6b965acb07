//! Clocks: the monotonic one, if the instance holds it.
//!
//! Called by [`crate::link`]; calls [`crate::port::Clock`].
//!
//! Invariant: no clock without a grant. Without one the monotonic clock is `ENOSYS` and the realtime clock `ENOTSUP`; the two
//! CPU-time clocks are `EBADF`, an unknown clock is `EINVAL`.

use super::Call;
use crate::errno::{Errno, Failure};
use crate::memory::Pointer;
use crate::port::Clock;

/// The type `clockid`.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const PROCESS_CPUTIME: u32 = 2;
const THREAD_CPUTIME: u32 = 3;

/// `clock_res_get`: the smallest step of a clock in nanoseconds.
///
/// # Errors
/// See the module; a bad pointer; what the clock refuses.
pub fn res_get(call: &mut Call<'_>, id: u32, resolution: Pointer<u64>) -> Result<(), Failure> {
    let clock = monotonic(&mut call.instance.clock, id)?;
    let target = call.memory.claim(resolution, 1)?;
    let nanoseconds = clock.resolution()?;
    if nanoseconds == 0 {
        return Err(Failure::Impossible("a clock with a resolution of 0"));
    }
    call.memory.put(target, 0, &nanoseconds);
    Ok(())
}

/// `clock_time_get`: the time in nanoseconds. The precision is a hint that may be ignored, and is.
///
/// # Errors
/// See the module; a bad pointer; what the clock refuses.
pub fn time_get(call: &mut Call<'_>, id: u32, _precision: u64, time: Pointer<u64>) -> Result<(), Failure> {
    let clock = monotonic(&mut call.instance.clock, id)?;
    let target = call.memory.claim(time, 1)?;
    let nanoseconds = clock.now()?;
    call.memory.put(target, 0, &nanoseconds);
    Ok(())
}

fn monotonic(
    clock: &mut Option<alloc::boxed::Box<dyn Clock>>,
    id: u32,
) -> Result<&mut (dyn Clock + 'static), Errno> {
    match id {
        MONOTONIC => clock.as_deref_mut().ok_or(Errno::Nosys),
        REALTIME => Err(Errno::Notsup),
        PROCESS_CPUTIME | THREAD_CPUTIME => Err(Errno::Badf),
        _ => Err(Errno::Inval),
    }
}
