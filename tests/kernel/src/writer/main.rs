//! `writer`: pieces of equal bytes, each once, and then which of them failed because the console's driver died.
//!
//! Booted by the manifests `console-*.cue` beside the cases, which end the driver again and again.
//!
//! Invariant: a piece that failed is not written again. The exit code is 1 if a write failed otherwise, 2 without a console.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::console::Console;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

/// Bytes of a piece.
const PIECE: usize = 32 * 1024;
/// Pieces: piece n is of bytes n.
const PIECES: u8 = 48;

fn main(capabilities: &CapSet) -> ExitStatus {
    let Ok(console) = capabilities.get("stdout") else { return ExitStatus::exited(2) };
    ExitStatus::exited(u32::from(run(&console).is_err()))
}

fn run(console: &Cap<Console>) -> Result<(), CallError> {
    let mut piece = vec![0; PIECE];
    // What failed, each in a byte; what did not is 0.
    let mut failed = [0; PIECES as usize];
    for number in 1..=PIECES {
        piece.fill(number);
        if !is_written(console, &piece)? {
            failed[usize::from(number) - 1] = number;
        }
    }
    while !is_written(console, &failed)? {}
    Ok(())
}

/// False if the driver died over it.
fn is_written(console: &Cap<Console>, bytes: &[u8]) -> Result<bool, CallError> {
    match console.write(bytes) {
        Ok(_) => Ok(true),
        Err(CallError::Transport(Transport::Disconnected)) => Ok(false),
        Err(error) => Err(error),
    }
}
