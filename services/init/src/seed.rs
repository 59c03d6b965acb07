//! Waiting for the host's random bytes before somebody can ask for any.
//!
//! Told by `run` of the driver that brings them; asked by `spawn` right before it starts a process that holds an EntropySource.
//! Calls EntropySink. Between the two init does its other work, so that there is hardly ever something to wait for.
//!
//! Invariant: no process reads from the generator before the first bytes of the host are in, and with equal devices two runs
//! read the same; a machine whose device does not answer still starts.

use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::{Cap, Deadline, Pending, ProcessHandleWaitReply, wait_any};

use crate::authority::Authority;
use crate::end::Refusal;

/// How long a device may take to answer, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;
/// Nanoseconds between two looks: where time is the number of instructions, it jumps to the next deadline of an idle
/// machine, and the device would get no time at all.
const LOOK: u64 = 20_000;

/// The first bytes that are to come, if any are.
#[derive(Default)]
pub struct Awaited {
    calls: Option<(Pending<()>, Pending<ProcessHandleWaitReply>)>,
}

impl Awaited {
    /// A driver that feeds the generator was started.
    ///
    /// # Errors
    /// If a call fails that has to work.
    pub fn expect(&mut self, authority: &Authority, driver: &Cap<ProcessHandle>) -> Result<(), Refusal> {
        let seeded = authority.sink.begin_seeded().map_err(failed)?;
        self.calls = Some((seeded, driver.begin_wait().map_err(failed)?));
        Ok(())
    }

    /// Waits until the first bytes are in. Returns also when the driver has ended, or takes too long.
    ///
    /// # Errors
    /// If a call fails that has to work.
    pub fn wait(&mut self, authority: &Authority) -> Result<(), Refusal> {
        let Some((seeded, ended)) = self.calls.take() else { return Ok(()) };
        let calls = [seeded.call(), ended.call()];
        let mut now = authority.timer.now().map_err(failed)?;
        let end = now.saturating_add(PATIENCE);
        while now < end {
            let look = Deadline::at(&authority.timer, now.saturating_add(LOOK));
            if wait_any(&calls, look).map_err(failed)?.is_some() {
                break;
            }
            now = authority.timer.now().map_err(failed)?;
        }
        Ok(())
    }
}

fn failed(error: capos_rt::abi::error::CallError) -> Refusal {
    Refusal::failed("waiting for the random generator's seed", error)
}
