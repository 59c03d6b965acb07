//! Calls between processes whose capabilities are taken back.
//!
//! Called by `main`; starts `crash` as a client.
//!
//! Invariant: each test revokes below a capability of its own, so that no other test's service dies with it.

use alloc::string::String;
use alloc::vec::Vec;

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::Transport;
use capos_rt::abi::ring::{EVENT_ABANDONED, EVENT_UNREFERENCED, Mint};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::timer::Timer;
use capos_rt::untyped::{self, Outgoing};
use capos_rt::{Cap, flush};

use crate::child;
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, refused};
use crate::lives::client;
use crate::service::{self, CARRIES, SMALL, Service, answered, begin, event, nothing_waits};

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "revoked calls",
        &[
            ("a call that waits is revoked, and nobody sees it", queued),
            ("a received call is revoked: abandoned, then caller gone", delivered),
            ("a call of another process is revoked", of_another_process),
            ("a receive is revoked, and the endpoint is not", receive),
            ("what was opened through it is revoked", opened_through),
            ("what was sent is revoked", sent),
            ("what is being revoked below is not copied", root_copied),
            ("nothing is opened through what is being revoked below", root_opened),
        ],
    );
}

const NOW: u64 = 1 << Timer::NOW;
const MINT: Outgoing<'static> = Outgoing::Mint(Mint { interface: Probe::ID, cookie: 5, methods: 1 });

/// Something to revoke that is the test's own, and one below it.
fn branch(service: &Service) -> Result<(Cap<Probe>, Cap<Probe>), String> {
    let trunk = done("derive", service.root.derive(Probe::ALL_METHODS))?;
    let branch = done("derive", trunk.derive(Probe::ALL_METHODS))?;
    Ok((trunk, branch))
}

fn queued(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let (trunk, branch) = branch(&service)?;
    let call = begin(&branch, 0, b"", &[], SMALL)?;
    done("revoke", trunk.revoke())?;
    refused("call", call.wait(), Transport::Revoked)?;
    nothing_waits(&service)
}

fn delivered(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let (trunk, branch) = branch(&service)?;
    let call = begin(&branch, 0, b"", &[], SMALL)?;
    let token = service.receive(SMALL)?.header.token;
    // The call keeps its place in the tree behind the handle.
    drop(branch);
    done("revoke", trunk.revoke())?;
    refused("call", call.wait(), Transport::Revoked)?;
    equal("token", event(&service, EVENT_ABANDONED, 0)?, token)?;
    refused("late return", untyped::reply(token, b"", &[]), Transport::CallerGone)?;
    nothing_waits(&service)
}

fn of_another_process(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let (trunk, branch) = branch(&service)?;
    let child = client(context, &branch, "lose a call")?;
    let token = service.receive(SMALL)?.header.token;
    done("revoke", trunk.revoke())?;
    equal("token", event(&service, EVENT_ABANDONED, 0)?, token)?;
    equal("end", child::end(&child::wait(&child)?), ("exited", 0))
}

fn receive(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let lent = done("derive", service.endpoint.derive(Endpoint::ALL_METHODS))?;
    let receive = done("begin receive", lent.begin_accept(SMALL))?;
    flush();
    done("revoke", service.endpoint.revoke())?;
    refused("receive", receive.wait(), Transport::Revoked)?;
    refused("another", lent.begin_accept(SMALL).and_then(untyped::Progress::wait), Transport::Revoked)?;
    let call = service.begin(0, b"", SMALL)?;
    service.receive(SMALL)?.reply(b"still", &[])?;
    answered(call, b"still")
}

fn opened_through(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let (trunk, branch) = branch(&service)?;
    let call = begin(&branch, 0, b"", &[], CARRIES)?;
    service.receive(SMALL)?.reply(b"", &[MINT])?;
    let object: Cap<Probe> = done("call", call.wait())?.take(0).ok_or("nothing came")?;
    let below = done("derive", object.derive(1))?;
    done("revoke", trunk.revoke())?;
    for one in [&branch, &object, &below] {
        refused("call", one.call_untyped(0, b"", &[], SMALL), Transport::Revoked)?;
    }
    let call = begin(&trunk, 0, b"", &[], SMALL)?;
    service.receive(SMALL)?.reply(b"", &[])?;
    answered(call, b"")?;
    drop((object, below));
    flush();
    event(&service, EVENT_UNREFERENCED, 5).map(|_| ())
}

fn sent(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let trunk = done("derive", context.timer.derive(Timer::ALL_METHODS))?;
    let mine = [done("derive", trunk.derive(NOW))?, done("derive", trunk.derive(NOW))?];
    let [copied, moved] = &mine;
    let call = begin(&service.root, 0, b"", &[Outgoing::Copy(copied), Outgoing::Move(moved)], SMALL)?;
    let received = service.receive(CARRIES)?;
    let [copied, moved] = mine;
    core::mem::forget(moved);
    drop(copied);
    let timers: Vec<Cap<Timer>> = (0..2).filter_map(|index| received.incoming.take(index)).collect();
    equal("came", timers.len(), 2)?;
    timers.iter().try_for_each(|timer| done("now", timer.now()).map(|_| ()))?;
    done("revoke", trunk.revoke())?;
    timers.iter().try_for_each(|timer| refused("now", timer.now(), Transport::Revoked))?;
    received.reply(b"", &[])?;
    answered(call, b"")
}

fn root_copied(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let trunk = done("derive", context.timer.derive(Timer::ALL_METHODS))?;
    let below: Result<Vec<_>, _> = (0..100).map(|_| done("derive", trunk.derive(NOW))).collect();
    let receive = service.begin_receive(CARRIES)?;
    // Handed over together: the revocation is in progress when the call comes.
    let revocation = done("begin revoke", trunk.begin_revoke())?;
    let call = begin(&service.root, 0, b"", &[Outgoing::Copy(&trunk)], SMALL)?;
    refused("call", call.wait(), Transport::Revoking)?;
    check(!receive.is_complete(), "the server was told")?;
    done("revoke", revocation.wait())?;
    below.map(drop)
}

fn root_opened(context: &Context) -> Outcome {
    let service = service::create(context)?;
    let (trunk, branch) = branch(&service)?;
    let below: Result<Vec<_>, _> = (0..100).map(|_| done("derive", branch.derive(1))).collect();
    let call = begin(&trunk, 0, b"", &[], CARRIES)?;
    let received = service.receive(SMALL)?;
    let revocation = done("begin revoke", trunk.begin_revoke())?;
    let reply = untyped::reply(received.header.token, b"", &[MINT]);
    refused("reply", reply, Transport::CallerGone)?;
    refused("call", call.wait(), Transport::Revoking)?;
    done("revoke", revocation.wait())?;
    below.map(drop)
}
