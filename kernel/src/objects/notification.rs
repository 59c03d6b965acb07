//! Notification: bits that are set by some and taken by others.
//!
//! Specified by `schema/interfaces/notification.capnp`. Called by `invoke`; by `devices` and `processes::end` for an
//! interrupt and an end that are bound to one.
//!
//! Invariant: no wait is in the list while a bit of its mask is set. Waits are served in the order in which they began, each
//! takes at least one bit, and their number is bounded, so a signal is a bounded amount of work.

use crate::calls::message::{SMALL, malformed};
use crate::calls::operation::{Operation, Parked};
use crate::calls::transfer::Gift;
use crate::calls::{Answer, Call};
use crate::holdings::Kind;
use crate::kernel::{Kernel, Waiters};
use crate::memory::charge::insert;
use crate::objects::Object;
use crate::processes::Process;
use capos_abi::error::{CallError, Exception, Transport};
use capos_kernel_core::list::List;
use capos_kernel_core::pool::Id;
use capos_schema::notification::{
    Notification as Interface, NotificationPollParams, NotificationPollResults, NotificationSignalParams,
    NotificationWaitParams, NotificationWaitResults,
};
use capos_schema::process_spawner::ProcessSpawnerCreateNotificationResults;

/// Waits in progress at one notification at most: a signal looks at each.
const WAITS_MAX: u32 = 64;

/// Bits, and who waits for some.
pub(crate) struct Notification {
    bits: u64,
    /// Waits in the order in which they began, over `Kernel::wait_links`.
    pub(crate) waiters: Waiters,
    waits: u32,
    /// Capabilities, waits, interrupts and processes that name it.
    holders: u32,
    /// Who is charged.
    pub(crate) account: Option<Id<Process>>,
}

impl Kernel {
    /// `ProcessSpawner.createNotification`.
    pub(crate) fn create_notification(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let creator = call.origin.process;
        self.prepare_reply(call, ProcessSpawnerCreateNotificationResults::FIXED_BYTES, 1)?;
        let made = self.take_entries(creator, Kind::Notification, 1).and_then(|()| {
            let (bits, waiters, account) = (0, List::EMPTY, Some(creator));
            let notification = Notification { bits, waiters, waits: 0, holders: 0, account };
            insert(&mut self.notifications, notification).ok_or_else(|| {
                self.return_entries(creator, Kind::Notification, 1);
                Transport::OutOfMemory
            })
        });
        let id = made.inspect_err(|_| self.cancel_slots(creator, 1))?;
        self.give(call, 0, Gift::of::<Interface>(Object::Notification(id), Interface::ALL_METHODS))?;
        let results = ProcessSpawnerCreateNotificationResults { notification: Some(0) };
        let answer = self.reply(call.origin, |out| results.encode(out))?;
        Ok(answer.with_capabilities(1))
    }

    pub(crate) fn call_notification(
        &mut self,
        call: &Call<'_>,
        id: Id<Notification>,
    ) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Interface::SIGNAL => {
                let message = self.parameters::<SMALL>(call)?;
                let NotificationSignalParams { bits } =
                    NotificationSignalParams::decode(message.bytes()).map_err(malformed)?;
                self.signal(id, bits);
                Ok(Answer::DONE)
            }
            Interface::WAIT => self.wait_for_bits(call, id),
            Interface::POLL => self.poll_bits(call, id),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn wait_for_bits(&mut self, call: &Call<'_>, id: Id<Notification>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let NotificationWaitParams { mask } =
            NotificationWaitParams::decode(message.bytes()).map_err(malformed)?;
        self.prepare_result(call.origin, NotificationWaitResults::FIXED_BYTES)?;
        let notification = self.notifications.get_mut(id).ok_or(Transport::Disconnected)?;
        if mask == 0 {
            return Err(Exception::InvalidArgument.into());
        }
        let bits = notification.take(mask);
        if bits != 0 {
            return self.reply(call.origin, |out| NotificationWaitResults { bits }.encode(out));
        }
        if notification.waits >= WAITS_MAX {
            return Err(Exception::Overloaded.into());
        }
        let parked = Parked::Bits { notification: id, mask };
        self.park(call.origin, parked, Some(call.capability.node))?;
        Ok(Answer::Parked)
    }

    fn poll_bits(&mut self, call: &Call<'_>, id: Id<Notification>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let NotificationPollParams { mask } =
            NotificationPollParams::decode(message.bytes()).map_err(malformed)?;
        self.prepare_result(call.origin, NotificationPollResults::FIXED_BYTES)?;
        let bits = self.notifications.get_mut(id).ok_or(Transport::Disconnected)?.take(mask);
        self.reply(call.origin, |out| NotificationPollResults { bits }.encode(out))
    }

    /// Sets bits, and serves the waits that they are for.
    pub(crate) fn signal(&mut self, id: Id<Notification>, bits: u64) {
        let Some(notification) = self.notifications.get_mut(id) else { return };
        notification.bits |= bits;
        let mut next = notification.waiters.first();
        while let Some(index) = next {
            next = self.wait_links.next(index);
            let Some(wait) = self.operations.id_at(index) else { continue };
            let Some(Operation { origin, parked: Parked::Bits { mask, .. }, .. }) =
                self.operations.get(wait).copied()
            else {
                continue;
            };
            let bits = self.notifications.get_mut(id).map_or(0, |notification| notification.take(mask));
            if bits != 0 {
                let written = self.reply(&origin, |out| NotificationWaitResults { bits }.encode(out));
                if let (Err(_), Some(notification)) = (written, self.notifications.get_mut(id)) {
                    // It has taken its buffer away: the bits are for those behind it.
                    notification.bits |= bits;
                }
                let length = written.map(|_| (NotificationWaitResults::FIXED_BYTES as u32, 0));
                self.complete_operation(wait, length);
            }
        }
    }

    /// The notification that a call sends along, to set `bits` of it when something happens.
    ///
    /// # Errors
    /// "wrong interface", "method denied" without the right to signal, exception "invalid argument" for no bits.
    pub(crate) fn sent_notification(
        &mut self,
        call: &Call<'_>,
        notification: Option<u32>,
        bits: u64,
    ) -> Result<Id<Notification>, CallError> {
        let capability = self.sent(call, notification)?;
        let Object::Notification(notification) = capability.object else {
            return Err(Transport::WrongInterface.into());
        };
        if !capability.permits(Interface::SIGNAL) {
            return Err(Transport::MethodDenied.into());
        }
        if bits == 0 {
            return Err(Exception::InvalidArgument.into());
        }
        Ok(notification)
    }

    /// One more capability, wait, interrupt or process names the notification.
    pub(crate) fn retain_notification(&mut self, id: Id<Notification>) {
        if let Some(notification) = self.notifications.get_mut(id) {
            notification.holders += 1;
        }
    }

    /// One less; it goes with the last.
    pub(crate) fn release_notification(&mut self, id: Id<Notification>) {
        let Some(notification) = self.notifications.get_mut(id) else { return };
        notification.holders = notification.holders.saturating_sub(1);
        if notification.holders == 0 {
            let account = notification.account;
            self.notifications.discard(id);
            if let Some(account) = account {
                self.return_entries(account, Kind::Notification, 1);
            }
        }
    }

    /// A wait begins, or ends.
    pub(crate) fn count_wait(&mut self, id: Id<Notification>, begins: bool) {
        if let Some(notification) = self.notifications.get_mut(id) {
            let waits = notification.waits;
            notification.waits = if begins { waits + 1 } else { waits.saturating_sub(1) };
        }
        if begins {
            self.retain_notification(id);
        } else {
            self.release_notification(id);
        }
    }
}

impl Notification {
    /// Takes the set bits of a mask.
    fn take(&mut self, mask: u64) -> u64 {
        let taken = self.bits & mask;
        self.bits &= !mask;
        taken
    }
}
