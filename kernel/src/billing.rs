//! Who pays for the processor.
//!
//! All time between two moments is one process's: what its thread did in ring 3, what ring 0 did for it, and from receive to
//! return what a server did for it. It counts for the process, and for the share of the run queue on which it was spent.
//! Called by the scheduler when the processor goes to somebody, by `work` and by timers before they do something for
//! somebody, and by `endpoints` when a server begins or ends to work for a caller.
//!
//! Invariant: the clock is read only when the payer changes, so a call to a server and its reply cost one comparison
//! each. What was used is charged before anybody is chosen to run next. A thread whose payer's budget is used up goes on on
//! its own process's share, and so does one whose payer ends: that one's share closes with none of a stranger's threads in
//! its line. A bill that is open ends with the budget on which it is ([`Kernel::open_bill`]).

use crate::calls::operation::Parked;
use crate::kernel::Kernel;
use crate::processes::thread::Thread;
use crate::processes::{Process, ProcessState};
use capos_kernel_core::pool::Id;
use capos_kernel_core::share::Share;

/// Threads that one step takes out of the line of a share that ends.
const LEAVERS_PER_STEP: u32 = 32;

/// Nobody: the time of start-up and of idling.
const NOBODY: Id<Process> = Id::NOTHING;

/// The bill that is open.
pub(crate) struct Billing {
    /// Whose the time is.
    pub(crate) payer: Id<Process>,
    /// The share of the run queue on which it is spent.
    share: u32,
    /// Since when: until then everything is charged.
    since: u64,
    /// When that share's budget will be used up.
    pub(crate) budget_end: u64,
}

impl Billing {
    /// Nobody's time, from the start on.
    pub(crate) const fn new() -> Billing {
        Billing { payer: NOBODY, share: u32::MAX, since: 0, budget_end: u64::MAX }
    }
}

/// What a process has to do with the processor.
pub(crate) struct Processor {
    /// The process on whose share it runs: itself, or one above it.
    pub(crate) share_owner: Id<Process>,
    /// Its own share, if it has one.
    pub(crate) share: Option<Share>,
    /// Who pays: itself, or the one for whom it serves a call.
    pub(crate) payer: Id<Process>,
    /// Nanoseconds that it has paid for.
    pub(crate) time: u64,
    /// The same of its children that have ended, and of theirs.
    pub(crate) children_time: u64,
}

impl Processor {
    /// Of a process that was not put into its pool yet.
    pub(crate) const fn new(share: Option<Share>) -> Processor {
        Processor { share_owner: NOBODY, share, payer: NOBODY, time: 0, children_time: 0 }
    }
}

impl Kernel {
    /// Charges what was used until now, which is returned. The time from now on is nobody's until somebody is billed.
    pub(crate) fn settle_time(&mut self) -> u64 {
        let now = self.clock.now();
        let elapsed = now.saturating_sub(self.billing.since);
        let Billing { payer, share, .. } = self.billing;
        self.billing = Billing { since: now, ..Billing::new() };
        if payer == NOBODY {
            return now;
        }
        self.run_queue.charge(share, elapsed);
        let Some(process) = self.processes.get_mut(payer) else { return now };
        process.processor.time += elapsed;
        let owner = process.processor.share_owner;
        let budget =
            self.processes.get_mut(owner).and_then(|owner| owner.processor.share.as_mut()?.budget_mut());
        if let Some(budget) = budget
            && budget.charge(elapsed, now)
        {
            let next = budget.next_period();
            self.hold_share(owner, next);
        }
        now
    }

    /// From now on the time is that of whoever pays for this thread.
    pub(crate) fn bill_thread(&mut self, id: Id<Thread>) {
        let Some(runner) = self.threads.get(id).map(|thread| thread.process) else { return };
        self.close_bill();
        let payer = self.payer_of(runner);
        if let Some(process) = self.processes.get_mut(runner) {
            process.processor.payer = payer;
        }
        self.open_bill(payer, self.share_of(runner, payer));
    }

    /// From now on the time is the process's.
    pub(crate) fn bill_process(&mut self, payer: Id<Process>) {
        if self.billing.payer == payer {
            return;
        }
        self.close_bill();
        if let Some(process) = self.processes.get(payer).filter(|process| process.is_alive()) {
            self.open_bill(payer, process.processor.share_owner.index());
        }
    }

    /// Opens a bill, behind [`Kernel::close_bill`]: until the budget of the share is used up, if it has one.
    fn open_bill(&mut self, payer: Id<Process>, share: u32) {
        let since = self.billing.since;
        let owner = self.processes.id_at(share).and_then(|owner| self.processes.get(owner));
        let budget = owner.and_then(|owner| owner.processor.share.as_ref()?.budget());
        let budget_end = budget.map_or(u64::MAX, |budget| since.saturating_add(budget.left()));
        self.billing = Billing { payer, share, since, budget_end };
    }

    fn close_bill(&mut self) {
        if self.billing.payer != NOBODY {
            self.settle_time();
        }
    }

    /// True if the time of this thread is on the bill that is open.
    pub(crate) fn is_billed(&self, id: Id<Thread>) -> bool {
        let process = self.threads.get(id).and_then(|thread| self.processes.get(thread.process));
        process.is_some_and(|process| process.processor.payer == self.billing.payer)
    }

    /// Who pays for what a process does now: the one for whom it works, unless that one ends or has ended.
    fn payer_of(&self, runner: Id<Process>) -> Id<Process> {
        let payer = self.processes.get(runner).map_or(runner, |process| process.processor.payer);
        let is_running = self.processes.get(payer).is_some_and(|payer| payer.state == ProcessState::Running);
        if is_running { payer } else { runner }
    }

    /// The share on which a process runs now: its payer's, or its own if that has no more time.
    fn share_of(&self, runner: Id<Process>, payer: Id<Process>) -> u32 {
        let share = |id| self.processes.get(id).map(|process| process.processor.share_owner.index());
        let paid = if payer == runner { None } else { share(payer) };
        let paid = paid.filter(|paid| !self.run_queue.is_held(*paid));
        paid.or_else(|| share(runner)).unwrap_or(u32::MAX)
    }

    /// Lets a thread that can run wait for the processor. Who works for another goes before the other's own threads: they
    /// cannot keep it from somebody who waits for the same server.
    pub(crate) fn enqueue(&mut self, thread: u32) {
        let Some(runner) = self.runner(thread) else { return };
        let payer = self.payer_of(runner);
        let share = self.share_of(runner, payer);
        self.run_queue.push(thread, share, payer != runner);
    }

    /// The process of the thread at this pool index.
    fn runner(&self, thread: u32) -> Option<Id<Process>> {
        let thread = self.threads.id_at(thread).and_then(|id| self.threads.get(id))?;
        Some(thread.process)
    }

    /// `server` works for `caller`, and for whoever that one works for.
    #[inline(always)] // On the way of every call between processes.
    pub(crate) fn begin_serving(&mut self, server: Id<Process>, caller: Id<Process>) {
        if server == caller {
            if let Some(process) = self.processes.get_mut(server) {
                process.calls_made += 1;
                process.calls_served += 1;
            }
        } else if let Some((caller, server)) = self.processes.get_two_mut(caller, server) {
            Kernel::bill_call(caller, server);
        }
    }

    /// The same, of two different processes.
    #[inline(always)] // As above.
    pub(crate) fn bill_call(caller: &mut Process, server: &mut Process) {
        caller.calls_made += 1;
        server.calls_served += 1;
        server.processor.payer = caller.processor.payer;
    }

    /// `server` has one call less in its hands: it works for the caller of the oldest that is left, or for itself. Who gave a
    /// call up and has ended pays no more, and nobody inherits that.
    pub(crate) fn end_serving(&mut self, server: Id<Process>) {
        let call = self.first_received(server).and_then(|call| self.operations.get(call));
        let caller = call
            .filter(|call| matches!(call.parked, Parked::Delivered { .. }))
            .and_then(|call| self.processes.get(call.origin.process));
        let payer = caller.map_or(server, |caller| caller.processor.payer);
        if let Some(process) = self.processes.get_mut(server) {
            process.processor.payer = payer;
        }
    }

    /// The share of a process has no time left until then. Those that only work for somebody on it go on on their own.
    fn hold_share(&mut self, owner: Id<Process>, until: u64) {
        let share = owner.index();
        self.run_queue.hold(share);
        self.timers.set(Kernel::share_timer(share), until);
        let mut next = self.run_queue.first(share);
        while let Some(thread) = next {
            next = self.run_queue.next(thread);
            let runner = self.runner(thread).and_then(|runner| self.processes.get(runner));
            if runner.is_some_and(|runner| runner.processor.share_owner != owner) {
                self.run_queue.remove(thread);
                self.enqueue(thread);
            }
        }
    }

    /// Takes some out of the line of a process that ends and has no children any more, whose share nobody enters then: those
    /// who worked for somebody on it go on on their own. False if nobody is left.
    pub(crate) fn leave_share(&mut self, owner: Id<Process>) -> bool {
        if self.processes.get(owner).is_none_or(|process| process.processor.share.is_none()) {
            return false;
        }
        for count in 0..LEAVERS_PER_STEP {
            let Some(thread) = self.run_queue.first(owner.index()) else { return count > 0 };
            self.run_queue.remove(thread);
            self.enqueue(thread);
        }
        true
    }

    /// A new period of the share's budget has begun.
    pub(crate) fn renew_share(&mut self, share: u32) {
        let now = self.clock.now();
        let owner = self.processes.id_at(share).and_then(|owner| self.processes.get_mut(owner));
        let Some(budget) = owner.and_then(|owner| owner.processor.share.as_mut()?.budget_mut()) else {
            return;
        };
        budget.renew(now);
        let (left, next) = (budget.left(), budget.next_period());
        if left > 0 {
            self.run_queue.resume(share);
        } else {
            self.timers.set(Kernel::share_timer(share), next);
        }
    }

    /// A process that has just been put into its pool gets its place in the run queue.
    pub(crate) fn open_share(&mut self, id: Id<Process>, parent: Option<Id<Process>>) {
        let above =
            parent.and_then(|parent| self.processes.get(parent)).map(|parent| parent.processor.share_owner);
        let Some(process) = self.processes.get_mut(id) else { return };
        let own = process.processor.share.map(|share| share.weight());
        process.processor.payer = id;
        process.processor.share_owner = if own.is_some() { id } else { above.unwrap_or(id) };
        if let Some(weight) = own {
            self.run_queue.open(id.index(), weight);
        }
        self.weigh(above);
    }

    /// The share of a process that has ended goes back to the one above it, with what it owes.
    pub(crate) fn close_share(&mut self, id: Id<Process>, parent: Option<Id<Process>>) {
        let Some(process) = self.processes.get_mut(id) else { return };
        let time = process.processor.time + process.processor.children_time;
        let share = process.processor.share.take();
        let Some(parent) = parent.and_then(|parent| self.processes.get_mut(parent)) else { return };
        parent.processor.children_time += time;
        let above = parent.processor.share_owner;
        let Some(share) = share else { return };
        self.timers.cancel(Kernel::share_timer(id.index()));
        let owed = self.run_queue.close(id.index());
        self.return_share(above, &share);
        self.run_queue.charge(above.index(), owed);
    }

    /// Gives back what was carved out of the share of `above`.
    pub(crate) fn return_share(&mut self, above: Id<Process>, share: &Share) {
        if let Some(from) = self.processes.get_mut(above).and_then(|above| above.processor.share.as_mut()) {
            from.give_back(share);
        }
        self.weigh(Some(above));
    }

    fn weigh(&mut self, owner: Option<Id<Process>>) {
        let Some(owner) = owner else { return };
        let share = self.processes.get(owner).and_then(|owner| owner.processor.share.as_ref());
        if let Some(weight) = share.map(Share::weight) {
            self.run_queue.set_weight(owner.index(), weight);
        }
    }
}
