//! Ways to use the kernel's direct way between processes as no honest program does, and for others.
//!
//! Called by `main`, as `calls`; calls the runtime's hostile part.
//!
//! Invariant: a way returns its exit code; 0 means that all was as it must be.

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::ring::{Completion, FLAGS, Opcode, Submission, offset};
use capos_rt::abi::system_call::DEADLINE_NEVER;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::timer::Timer;
use capos_rt::untyped::Server;
use capos_rt::{Cap, CapSet, Capability, hostile};

use crate::direct::{call_times, service};

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn(&CapSet) -> u32> {
    const WAYS: &[(&str, fn(&CapSet) -> u32)] = &[
        ("submit a nop for a call", nop_for_a_call),
        ("submit a nop for an answer", nop_for_an_answer),
        ("release what it calls through", release_meanwhile),
        ("ask another", ask_another),
    ];
    WAYS.iter().find(|(one, _)| *one == name).map(|(_, way)| *way)
}

/// What a submission by hand says of itself.
const USER_DATA: u64 = 501;
/// The same of another one.
const OTHER_USER_DATA: u64 = 502;

/// Puts one submission into the ring. All before it were taken.
fn put(submission: &Submission) {
    let tail = hostile::header(offset::SUBMISSION_HEAD);
    hostile::write_submission(tail, &submission.encode());
    hostile::set_header(offset::SUBMISSION_TAIL, tail.wrapping_add(1));
}

/// Submits a nop; true if it completes with this result, at once and alone.
fn completes(nop: &Submission, result: i32) -> bool {
    hostile::resynchronize();
    let head = hostile::header(offset::COMPLETION_TAIL);
    put(nop);
    let ready = hostile::enter(1, DEADLINE_NEVER, 0);
    let completion = Completion::decode(&hostile::read_completion(head));
    hostile::resynchronize();
    ready == 1 && completion == Completion::new(USER_DATA, result)
}

/// Calls until the direct way is open; then submits a nop, all of whose words could be those of a call.
fn nop_for_a_call(capabilities: &CapSet) -> u32 {
    let twice = call_times(capabilities, 2);
    let Some(service) = service(capabilities).filter(|_| twice == 0) else { return 1 };
    if service.call_bytes(0, b"", &mut []) != Ok(0) {
        return 2;
    }
    if !completes(&Submission::new(Opcode::Nop, USER_DATA), 0) {
        return 3;
    }
    if service.call_bytes(2, b"", &mut []) == Ok(0) { 0 } else { 4 }
}

/// Answers three calls; then submits a nop with the words of an answer, and answers whether it was refused.
fn nop_for_an_answer(capabilities: &CapSet) -> u32 {
    let endpoint: Result<Cap<Endpoint>, _> = capabilities.get("endpoint");
    let Ok(endpoint) = endpoint else { return 1 };
    let answer = || -> Result<(), CallError> {
        let mut server = Server::new(&endpoint, 64, 64)?;
        let mut header = server.receive()?;
        for _ in 0..3 {
            header = server.reply_and_receive(header.token, 0)?;
        }
        let nop = Submission::new(Opcode::Nop, USER_DATA);
        let nop = Submission { operand: header.token, result_capacity: 64, ..nop };
        let is_refused = completes(&nop, Transport::ReservedNotZero.result());
        server.buffers().1[0] = u8::from(is_refused);
        server.reply_and_receive(header.token, 1).map(drop)
    };
    if answer().is_ok() { 0 } else { 2 }
}

/// Has a call in progress directly, is woken by something else, and releases the capability that it calls through.
fn release_meanwhile(capabilities: &CapSet) -> u32 {
    let twice = call_times(capabilities, 2);
    let Some(service) = service(capabilities).filter(|_| twice == 0) else { return 1 };
    let timer: Result<Cap<Timer>, _> = capabilities.get("timer");
    let Ok(timer) = timer else { return 1 };
    let Ok(Ok(sleep)) = timer.now().map(|now| timer.begin_sleep(now + 5_000_000)) else { return 2 };
    capos_rt::flush();
    let handle = service.handle();
    let head = hostile::header(offset::COMPLETION_TAIL);
    let call = Submission::new(Opcode::Call, USER_DATA);
    put(&Submission { flags: FLAGS, handle, interface: Probe::ID, ..call });
    let woken = hostile::enter(1, DEADLINE_NEVER, 0);
    let is_the_sleep = woken == 1 && hostile::read_completion(head)[0] != USER_DATA;
    put(&Submission { handle, ..Submission::new(Opcode::Release, OTHER_USER_DATA) });
    let ready = hostile::enter(3, DEADLINE_NEVER, 0);
    let [released, answered] =
        [1, 2].map(|at| Completion::decode(&hostile::read_completion(head.wrapping_add(at))));
    hostile::adopt_submissions();
    core::mem::forget((service, sleep));
    let is_so = released == Completion::new(OTHER_USER_DATA, 0) && answered == Completion::new(USER_DATA, 0);
    if !is_the_sleep {
        return 3;
    }
    if ready == 3 && is_so { 0 } else { 4 }
}

/// Serves: asks the object `service` whatever it is asked, and says what came of it.
fn ask_another(capabilities: &CapSet) -> u32 {
    let endpoint: Result<Cap<Endpoint>, _> = capabilities.get("endpoint");
    let (Ok(endpoint), Some(service)) = (endpoint, service(capabilities)) else { return 1 };
    let serve = || -> Result<(), CallError> {
        let mut server = Server::new(&endpoint, 64, 64)?;
        let mut header = server.receive()?;
        loop {
            let told: &[u8] = match service.call_bytes(0, b"", &mut []) {
                Ok(_) => b"served",
                Err(CallError::Transport(Transport::Disconnected)) => b"disconnected",
                Err(_) => b"refused",
            };
            server.buffers().1[..told.len()].copy_from_slice(told);
            header = server.reply_and_receive(header.token, told.len())?;
        }
    };
    u32::from(serve().is_err())
}
