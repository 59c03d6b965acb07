//! Calls over the stand-in kernel: waiting, overlapping, cancelling, and what comes back.

use alloc::vec::Vec;

use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::handle::Handle;
use capos_abi::message::MESSAGE_BYTES_MAX;
use capos_schema::console::Console;
use capos_schema::timer::Timer;

use super::{Call, Deadline, Reply, wait_any};
use crate::capability::Cap;
use crate::sys::fake::{self, ECHO, HANG};
use crate::sys::operation::Sizes;

fn console(handle: u32) -> Cap<Console> {
    Cap::adopt(Handle(handle), false)
}

fn begin(method: u16, message: &[u8], sends: &[Handle]) -> Result<Call, CallError> {
    let room = message.len();
    let sizes = Sizes { parameters: room, results: room, receives: sends.len(), ..Sizes::default() };
    Call::begin(&console(1), method, sizes, sends, |out| {
        out[..message.len()].copy_from_slice(message);
        Ok(message.len())
    })
}

fn bytes(reply: &Reply<'_>) -> Result<Vec<u8>, CallError> {
    Ok(reply.message().to_vec())
}

#[test]
fn a_lone_call_enters_once() {
    let before = fake::record().1;
    let reply = begin(ECHO, b"12345678", &[]).unwrap().finish(Deadline::NEVER, bytes);
    assert_eq!(reply.unwrap(), b"12345678");
    assert_eq!(fake::record().1, before + 1);
}

/// A call that nothing overlaps with.
fn alone(method: u16, message: &[u8]) -> Result<Vec<u8>, CallError> {
    let sizes = Sizes { parameters: message.len(), results: message.len(), ..Sizes::default() };
    let encode = |out: &mut [u8]| {
        out[..message.len()].copy_from_slice(message);
        Ok(message.len())
    };
    super::alone(&console(1), method, sizes, encode, |reply| Ok(reply.to_vec()))
}

#[test]
fn lone_calls_go_between_others() {
    let outstanding = begin(ECHO, b"outstand", &[]).unwrap();
    for round in 0..100_u8 {
        assert_eq!(alone(ECHO, &[round; 64]).unwrap(), [round; 64]);
    }
    assert_eq!(outstanding.finish(Deadline::NEVER, bytes).unwrap(), b"outstand");
    assert_eq!(alone(2, &[]), Err(CallError::Exception(Exception::Failed)));
    assert_eq!(alone(ECHO, &[7; 5000]).unwrap(), [7; 5000]);
    assert_eq!(alone(ECHO, &[]).unwrap(), []);
}

#[test]
fn a_lone_call_inside_another_takes_the_long_way() {
    let sizes = Sizes { parameters: 8, results: 8, ..Sizes::default() };
    let inner = super::alone(
        &console(1),
        ECHO,
        sizes,
        |out| {
            out.fill(1);
            Ok(8)
        },
        |outer| {
            let inner = alone(ECHO, b"innerone")?;
            assert_eq!(outer, [1; 8]);
            Ok(inner)
        },
    );
    assert_eq!(inner.unwrap(), b"innerone");
}

#[test]
fn large_messages_take_the_long_path() {
    let message: Vec<u8> = (0..MESSAGE_BYTES_MAX).map(|index| index as u8).collect();
    let reply = begin(ECHO, &message, &[]).unwrap().finish(Deadline::NEVER, bytes);
    assert_eq!(reply.unwrap(), message);
    let too_large = begin(ECHO, &[0; MESSAGE_BYTES_MAX + 8], &[]);
    assert_eq!(too_large.err(), Some(CallError::Transport(Transport::TooLarge)));
}

#[test]
fn exceptions_come_back() {
    let reply = begin(2, &[], &[]).unwrap().finish(Deadline::NEVER, bytes);
    assert_eq!(reply, Err(CallError::Exception(Exception::Failed)));
}

#[test]
fn several_calls_are_outstanding() {
    let calls: Vec<Call> = (0..8_u8).map(|index| begin(ECHO, &[index; 1024], &[]).unwrap()).collect();
    for (index, call) in calls.into_iter().enumerate().rev() {
        assert_eq!(call.finish(Deadline::NEVER, bytes).unwrap(), [index as u8; 1024]);
    }
}

#[test]
fn too_many_calls_are_refused_and_room_comes_back() {
    let mut calls = Vec::new();
    let refusal = loop {
        match begin(ECHO, b"12345678", &[]) {
            Ok(call) => calls.push(call),
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal, CallError::Transport(Transport::LimitReached));
    assert_eq!(calls.len(), 26);
    drop(calls);
    assert!(begin(ECHO, b"12345678", &[]).is_ok());
}

#[test]
fn a_call_that_times_out_is_cancelled() {
    let timer: Cap<Timer> = Cap::adopt(Handle(9), false);
    let call = begin(HANG, b"12345678", &[]).unwrap();
    let reply = call.finish(Deadline::at(&timer, 1000), bytes);
    assert_eq!(reply, Err(CallError::Transport(Transport::Cancelled)));
    let dead: Cap<Timer> = Cap::adopt(Handle(0), false);
    let reply = begin(HANG, &[], &[]).unwrap().finish(Deadline::at(&dead, 1000), bytes);
    assert_eq!(reply, Err(CallError::Transport(Transport::NoTimer)));
}

#[test]
fn dropping_a_call_cancels_it() {
    drop(begin(HANG, b"12345678", &[]).unwrap());
    let reply = begin(ECHO, b"after it", &[]).unwrap().finish(Deadline::NEVER, bytes);
    assert_eq!(reply.unwrap(), b"after it");
}

#[test]
fn the_first_to_complete_is_found() {
    let timer: Cap<Timer> = Cap::adopt(Handle(9), false);
    let (first, second) = (begin(HANG, &[], &[]).unwrap(), begin(ECHO, &[], &[]).unwrap());
    assert_eq!(wait_any(&[&first, &second], Deadline::NEVER), Ok(Some(1)));
    assert_eq!(wait_any(&[&first], Deadline::at(&timer, 1000)), Ok(None));
    assert_eq!(wait_any(&[], Deadline::NEVER), Ok(None));
}

#[test]
fn capabilities_come_back_and_untaken_ones_are_released() {
    let call = begin(ECHO, b"12345678", &[Handle(0x40), Handle(0x50), Handle(0x60)]).unwrap();
    let taken = call.finish(Deadline::NEVER, |reply| {
        let taken: Cap<Console> = reply.capability(Some(1))?;
        assert!(reply.capability::<Console>(Some(1)).is_err());
        assert!(reply.capability::<Console>(Some(3)).is_err());
        assert!(reply.capability::<Console>(Some(u32::MAX)).is_err());
        assert!(reply.capability::<Console>(None).is_err());
        Ok(taken)
    });
    let taken = taken.unwrap();
    assert_eq!(taken.raw(), Handle(0x51));
    super::flush();
    assert_eq!(fake::record().0, [0x41, 0x61]);
    drop(taken);
    super::flush();
    assert_eq!(fake::record().0, [0x41, 0x61, 0x51]);
}

#[test]
fn many_releases_fit_through_a_small_ring() {
    for handle in 1..1000 {
        drop(Cap::<Console>::adopt(Handle(handle), true));
    }
    super::flush();
    assert_eq!(fake::record().0, (1..1000).collect::<Vec<u32>>());
}

#[test]
fn a_derived_capability_is_owned() {
    let derived = console(1).derive(0b1).unwrap();
    assert_eq!(derived.raw(), Handle(0x77));
    drop(derived);
    super::flush();
    assert_eq!(fake::record().0, [0x77]);
}

#[test]
fn a_revocation_is_waited_for_and_never_cancelled() {
    console(0x31).revoke().unwrap();
    drop(console(0x32).begin_revoke().unwrap());
    assert_eq!(fake::revoked(), [0x31, 0x32]);
}
