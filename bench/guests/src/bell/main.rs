//! `bell`: a process that answers each signal with a signal.
//!
//! Started by `counts`, with the notifications `ring` and `answer`. Ends when either is taken away.
//!
//! Invariant: it waits whenever it is not answering.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::error::CallError;
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::notification::Notification;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

fn main(capabilities: &CapSet) -> ExitStatus {
    let answered = match (capabilities.get("ring"), capabilities.get("answer")) {
        (Ok(ring), Ok(answer)) => answer_all(&ring, &answer).is_ok(),
        _ => false,
    };
    ExitStatus::exited(u32::from(!answered))
}

fn answer_all(ring: &Cap<Notification>, answer: &Cap<Notification>) -> Result<(), CallError> {
    loop {
        ring.wait(1)?;
        answer.signal(1)?;
    }
}
