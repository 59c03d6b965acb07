//! Capabilities that travel with calls and replies.
//!
//! Called by `main`.
//!
//! Invariant: each test serves its own endpoint, and holds as many capabilities behind it as before.

use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::Transport;
use capos_rt::abi::ring::{
    FLAG_PARAMETERS_IN_AREA, KERNEL_INTERFACE, Mint, Opcode, Submission, TRANSFER_MOVE,
};
use capos_rt::schema::timer::Timer;
use capos_rt::untyped::{self, Outgoing, Room};
use capos_rt::{Cap, Capability, hostile};

use crate::context::Context;
use crate::endpoints::hand_over;
use crate::harness::{Harness, Outcome, check, done, equal, refused};
use crate::service::{self, CARRIES, SMALL, begin};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "transfer",
        &[
            ("a copy goes with a call and stays", copy),
            ("a moved one goes with a call and leaves", moved),
            ("a reply brings copies, moved ones and new ones", reply),
            ("sixteen in each direction", sixteen),
            ("more than stated is refused, and nothing moves", no_slot),
            ("one bad row, and nothing moves", all_or_nothing),
            ("a reply with one bad row leaves the token good", reply_all_or_nothing),
            ("a reply that brings too many moves nothing", reply_no_slot),
            ("only a reply mints", mint_in_call),
            ("a record of nothing is not minted", mint_nothing),
            ("what is sent is looked up when it is received", changed_while_parked),
            ("a message counts as it is when it is received", message_changed_while_parked),
            ("a capability that is released while it waits", released_while_parked),
            ("the capability called goes along with the call", itself),
            ("a mask goes along", mask),
        ],
    );
}

fn mint(cookie: u64) -> Outgoing<'static> {
    Outgoing::Mint(Mint { interface: Probe::ID, cookie, methods: 0b11 })
}

fn derived(context: &Context) -> Result<Cap<Timer>, alloc::string::String> {
    done("derive", context.timer.derive(Timer::ALL_METHODS))
}

/// The handle names nothing any more.
fn is_gone(timer: Cap<Timer>) -> Outcome {
    let result = refused("now", timer.now(), Transport::BadHandle);
    core::mem::forget(timer);
    result
}

fn copy(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = begin(&service.root, 0, b"", &[Outgoing::Copy(&context.timer)], SMALL)?;
    let received = service.receive(CARRIES)?;
    equal("count", received.header.capability_count, 1)?;
    let timer: Cap<Timer> = received.incoming.take(0).ok_or("nothing came")?;
    check(timer.handle() != context.timer.handle(), "it is the sender's own")?;
    done("now", timer.now())?;
    received.reply(b"", &[])?;
    done("call", call.wait())?;
    done("now", context.timer.now()).map(|_| ())
}

fn moved(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let mine = derived(context)?;
    let call = begin(&service.root, 0, b"", &[Outgoing::Move(&mine)], SMALL)?;
    done("now", mine.now())?;
    let received = service.receive(CARRIES)?;
    is_gone(mine)?;
    let timer: Cap<Timer> = received.incoming.take(0).ok_or("nothing came")?;
    done("now", timer.now())?;
    received.reply(b"", &[])?;
    done("call", call.wait()).map(|_| ())
}

fn reply(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", CARRIES)?;
    let received = service.receive(SMALL)?;
    let mine = derived(context)?;
    received.reply(b"", &[Outgoing::Copy(&context.timer), mint(77), Outgoing::Move(&mine)])?;
    is_gone(mine)?;
    let reply = done("call", call.wait())?;
    let timers: [Option<Cap<Timer>>; 2] = [reply.take(0), reply.take(2)];
    for timer in timers {
        done("now", timer.ok_or("a capability is missing")?.now())?;
    }
    let object: Cap<Probe> = reply.take(1).ok_or("the new object is missing")?;
    let call = begin(&object, 1, b"", &[], SMALL)?;
    let received = service.receive(SMALL)?;
    equal("cookie", received.header.cookie, 77)?;
    received.reply(b"", &[])?;
    done("call", call.wait())?;
    refused("method", object.call_untyped(2, b"", &[], SMALL), Transport::NoSuchMethod)
}

fn sixteen(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let timers: Vec<Cap<Timer>> = (0..16).map(|_| derived(context)).collect::<Result<_, _>>()?;
    let sent: Vec<Outgoing<'_>> = timers.iter().map(|timer| Outgoing::Copy(timer)).collect();
    let call = begin(&service.root, 0, b"", &sent, CARRIES)?;
    let received = service.receive(CARRIES)?;
    equal("count", received.header.capability_count, 16)?;
    let back: Vec<Cap<Timer>> = (0..16).filter_map(|index| received.incoming.take(index)).collect();
    let sent: Vec<Outgoing<'_>> = back.iter().map(|timer| Outgoing::Move(timer)).collect();
    received.reply(b"", &sent)?;
    core::mem::forget(back);
    let reply = done("call", call.wait())?;
    let timers: Vec<Cap<Timer>> = (0..16).filter_map(|index| reply.take(index)).collect();
    equal("came back", timers.len(), 16)?;
    timers.iter().try_for_each(|timer| done("now", timer.now()).map(|_| ()))
}

fn no_slot(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let receive = service.begin_receive(Room { bytes: 64, capabilities: 1 })?;
    let mine = derived(context)?;
    let sent = [Outgoing::Copy(&context.timer), Outgoing::Move(&mine)];
    let call = begin(&service.root, 0, b"", &sent, SMALL)?;
    refused("call", call.wait(), Transport::NoSlot)?;
    check(!receive.is_complete(), "the server was told")?;
    done("now", mine.now()).map(|_| ())
}

fn all_or_nothing(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let receive = service.begin_receive(CARRIES)?;
    let mine = derived(context)?;
    let nothing = untyped::Named(capos_rt::abi::handle::Handle(0x7ff_0000));
    let twice = [Outgoing::Move(&mine), Outgoing::Move(&mine)];
    let call = begin(&service.root, 0, b"", &twice, SMALL)?;
    refused("twice", call.wait(), Transport::BadTransfer)?;
    let bad = [Outgoing::Move(&mine), Outgoing::Copy(&nothing)];
    let call = begin(&service.root, 0, b"", &bad, SMALL)?;
    refused("nothing", call.wait(), Transport::BadHandle)?;
    check(!receive.is_complete(), "the server was told")?;
    done("now", mine.now()).map(|_| ())
}

fn reply_all_or_nothing(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", CARRIES)?;
    let received = service.receive(SMALL)?;
    let mine = derived(context)?;
    let nothing = untyped::Named(capos_rt::abi::handle::Handle(0x7ff_0000));
    let rows = [Outgoing::Move(&mine), mint(1), Outgoing::Copy(&nothing)];
    refused("reply", untyped::reply(received.header.token, b"", &rows), Transport::BadHandle)?;
    check(!call.is_complete(), "the client was told")?;
    received.reply(b"", &[Outgoing::Move(&mine)])?;
    is_gone(mine)?;
    let reply = done("call", call.wait())?;
    let timer: Cap<Timer> = reply.take(0).ok_or("nothing came")?;
    done("now", timer.now()).map(|_| ())
}

fn reply_no_slot(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", Room { bytes: 64, capabilities: 1 })?;
    let received = service.receive(SMALL)?;
    let mine = derived(context)?;
    let rows = [Outgoing::Move(&mine), mint(1)];
    refused("reply", untyped::reply(received.header.token, b"", &rows), Transport::NoSlot)?;
    refused("call", call.wait(), Transport::NoSlot)?;
    done("now", mine.now())?;
    refused("again", untyped::reply(received.header.token, b"", &[]), Transport::CallerGone)
}

fn mint_in_call(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = begin(&service.root, 0, b"", &[mint(1)], SMALL)?;
    refused("call", call.wait(), Transport::BadTransfer)
}

fn mint_nothing(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let call = service.begin(0, b"", CARRIES)?;
    let received = service.receive(SMALL)?;
    let zero = Outgoing::Mint(Mint { interface: KERNEL_INTERFACE, cookie: 1, methods: 1 });
    refused("reply", untyped::reply(received.header.token, b"", &[zero]), Transport::BadTransfer)?;
    received.reply(b"", &[])?;
    done("call", call.wait()).map(|_| ())
}

/// Where calls by hand have their list and message: past what the runtime uses in these tests.
const LIST: u32 = 7168;
const MESSAGE: usize = 7680;

/// A call by hand with one capability to be moved and eight bytes of message; nobody looks at its completion.
fn call_by_hand(object: &Cap<Probe>, moved: &Cap<Timer>) -> Outcome {
    let row = u64::from(moved.handle().0) | u64::from(TRANSFER_MOVE) << 32;
    hostile::write_area(LIST as usize, &row.to_le_bytes());
    hostile::write_area(MESSAGE, b"original");
    hand_over(&Submission {
        handle: object.handle(),
        interface: Probe::ID,
        flags: FLAG_PARAMETERS_IN_AREA,
        address: MESSAGE as u64,
        length: 8,
        send_list: LIST,
        send_count: 1,
        ..Submission::new(Opcode::Call, 51)
    })
}

fn changed_while_parked(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let mine = derived(context)?;
    call_by_hand(&service.root, &mine)?;
    hostile::write_area(LIST as usize + 4, &9u32.to_le_bytes());
    let receive = service.begin_receive(CARRIES)?;
    check(!receive.is_complete(), "the changed list was accepted")?;
    done("now", mine.now())?;
    call_by_hand(&service.root, &mine)?;
    let received = service::Received::of(receive.wait())?;
    is_gone(mine)?;
    received.reply(b"", &[])
}

fn message_changed_while_parked(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let mine = derived(context)?;
    call_by_hand(&service.root, &mine)?;
    // It moves away, so nobody may release it here.
    core::mem::forget(mine);
    hostile::write_area(MESSAGE, b"modified");
    let received = service.receive(CARRIES)?;
    hostile::write_area(MESSAGE, b"too late");
    equal("message", received.incoming.message(), b"modified".as_slice())?;
    received.reply(b"", &[])
}

fn released_while_parked(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let mine = derived(context)?;
    let call = begin(&service.root, 0, b"", &[Outgoing::Copy(&mine)], SMALL)?;
    drop(mine);
    let receive = service.begin_receive(CARRIES)?;
    refused("call", call.wait(), Transport::BadHandle)?;
    check(!receive.is_complete(), "the server was told")
}

fn itself(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let object = done("mint", service.endpoint.mint(Probe::ID, 9, 1))?.typed::<Probe>();
    let call = begin(&object, 0, b"", &[Outgoing::Move(&object)], CARRIES)?;
    let received = service.receive(CARRIES)?;
    core::mem::forget(object);
    let object: Cap<Probe> = received.incoming.take(0).ok_or("nothing came")?;
    received.reply(b"", &[mint(10)])?;
    let reply = done("call", call.wait())?;
    let child: Cap<Probe> = reply.take(0).ok_or("nothing came back")?;
    for (cap, cookie) in [(&object, 9), (&child, 10)] {
        let call = begin(cap, 0, b"", &[], SMALL)?;
        let received = service.receive(SMALL)?;
        equal("cookie", received.header.cookie, cookie)?;
        received.reply(b"", &[])?;
        done("call", call.wait())?;
    }
    Ok(())
}

fn mask(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let narrow = done("derive", context.timer.derive(1 << Timer::NOW))?;
    let call = begin(&service.root, 0, b"", &[Outgoing::Copy(&narrow)], SMALL)?;
    let received = service.receive(CARRIES)?;
    let timer: Cap<Timer> = received.incoming.take(0).ok_or("nothing came")?;
    done("now", timer.now())?;
    refused("resolution", timer.resolution(), Transport::MethodDenied)?;
    refused("derive", timer.derive(Timer::ALL_METHODS), Transport::MaskNotWithin)?;
    received.reply(b"", &[])?;
    done("call", call.wait()).map(|_| ())
}
