//! `seed`: feeds the random generator of a machine that has no source of its own.
//!
//! Booted by the manifest `seed.cue` beside the cases, without random numbers of the processor and without the device. The
//! program plays the driver: it holds the EntropySink, and looks through the EntropySource at what a feed changes.
//!
//! Invariant: the exit code is the number of the first step that went wrong, 0 if none did.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use capos_rt::abi::error::{CallError, Exception, Transport};
use capos_rt::abi::outcome::ExitStatus;
use capos_rt::schema::entropy_sink::EntropySink;
use capos_rt::schema::entropy_source::EntropySource;
use capos_rt::{Cap, CapSet};

capos_rt::entry!(main);

fn main(capabilities: &CapSet) -> ExitStatus {
    let sink: Result<Cap<EntropySink>, _> = capabilities.get("entropy-sink");
    let source: Result<Cap<EntropySource>, _> = capabilities.get("random");
    let (Ok(sink), Ok(source)) = (sink, source) else { return ExitStatus::exited(100) };
    let steps: [fn(&Cap<EntropySink>, &Cap<EntropySource>) -> bool; 7] = [
        |_, source| is_refused(source),
        |sink, _| sink.seeded() == Err(CallError::Transport(Transport::MethodDenied)),
        |sink, _| sink.feed(&[]) == Err(CallError::Exception(Exception::InvalidArgument)),
        |sink, _| sink.feed(&[1; 513]) == Err(CallError::Exception(Exception::InvalidArgument)),
        // 248 bits are not enough, and what was refused did not count.
        |sink, source| sink.feed(&[1; 31]) == Ok(()) && is_refused(source),
        |sink, source| sink.feed(&[1]) == Ok(()) && are_different(source),
        |sink, source| sink.feed(&[1; 512]) == Ok(()) && are_different(source),
    ];
    let failed = steps.iter().position(|step| !step(&sink, &source));
    ExitStatus::exited(failed.map_or(0, |step| step as u32 + 1))
}

fn is_refused(source: &Cap<EntropySource>) -> bool {
    source.read(8, &mut [0; 8]) == Err(CallError::Exception(Exception::Overloaded))
}

fn are_different(source: &Cap<EntropySource>) -> bool {
    let (mut one, mut other) = ([0; 32], [0; 32]);
    let read = [source.read(32, &mut one), source.read(32, &mut other)];
    read == [Ok(32), Ok(32)] && one != other && one != [0; 32]
}
