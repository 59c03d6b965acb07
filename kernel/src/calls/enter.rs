//! The two system calls.
//!
//! Called by the scheduler with a thread that has left ring 3 by `SYSCALL`.
//!
//! Invariant: a pass takes at most [`SUBMISSIONS_PER_PASS`] submissions and then lets others run; errors of `enter` are
//! found before the first submission is taken.

use super::Origin;
use super::message::Filling;
use crate::kernel::{Kernel, NodeUse};
use crate::log::log_line;
use crate::objects::Object;
use crate::processes::exchange::State;
use crate::processes::thread::{Thread, ThreadState, Wait};
use crate::processes::{Outcome, Process, ProcessState};
use capos_abi::error::Transport;
use capos_abi::handle::Handle;
use capos_abi::outcome::{ExitStatus, OutcomeKind, REPORT_BYTES_MAX};
use capos_abi::ring::Submission;
use capos_abi::system_call::{DEADLINE_NEVER, DEADLINE_NOW, SystemCall};
use capos_kernel_core::authority;
use capos_kernel_core::derivation::NodeId;
use capos_kernel_core::pool::Id;
use capos_kernel_core::report::Fault;

/// Submissions that one pass takes, and nanoseconds after which it takes no more: bounds the time before others are looked at.
const SUBMISSIONS_PER_PASS: u32 = 32;
const PASS_NANOSECONDS: u64 = 20_000;

/// Whether the thread goes on in ring 3 now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It does.
    Continue,
    /// Its `enter` has more to do, as long as it is its turn.
    Again,
    /// It waits, stands in the run queue again, or is no more.
    Leave,
}

impl Kernel {
    /// Serves the system call that the thread's registers state.
    #[inline(never)] // Its registers are not those of the loop around ring 3.
    pub(crate) fn system_call(&mut self, id: Id<Thread>) -> Next {
        let Some(thread) = self.threads.get(id) else { return Next::Leave };
        let (number, arguments) = thread.context.system_call();
        match SystemCall::from_number(number) {
            Some(SystemCall::Enter) => self.enter(id, arguments),
            Some(SystemCall::Exit) => {
                let process = thread.process;
                self.exit(process, arguments);
                Next::Leave
            }
            None => {
                const UNDEFINED_INSTRUCTION: u8 = 6;
                let instruction_pointer = thread.context.instruction_pointer();
                let process = thread.process;
                if let Some(process) = self.processes.get(process) {
                    log_line!("{}: unknown system call {number}", process.subject());
                }
                let fault = Fault { vector: UNDEFINED_INSTRUCTION, instruction_pointer, ..Fault::default() };
                self.end_by_fault(process, fault);
                Next::Leave
            }
        }
    }

    fn enter(&mut self, id: Id<Thread>, [completions, deadline, timer, _]: [u64; 4]) -> Next {
        // A number that is no handle names nothing.
        let timer = u32::try_from(timer).map_or(Handle::NULL, Handle);
        let wait = Wait { completions, deadline, timer };
        if wait.is_finite() && self.timer_node(id, timer).is_none() {
            return self.refuse_enter(id, Transport::NoTimer);
        }
        match self.take_plain_return(id) {
            Some(origin) => self.serve_plain_return(&origin, wait),
            None => self.proceed_enter(id, wait),
        }
    }

    /// Takes the one submission that almost every server makes, its completion entry promised; `None` if there is another one,
    /// or more, or none.
    fn take_plain_return(&mut self, id: Id<Thread>) -> Option<Origin> {
        let thread = self.threads.get_mut(id).filter(|thread| thread.filling.is_none())?;
        let ring = &mut thread.ring;
        if ring.pending() != 1 || ring.observe().is_err() {
            return None;
        }
        let submission = Submission::decode_plain_return(&ring.submission(), ring.message_limit)?;
        if !ring.completions.promise() {
            return None;
        }
        ring.take_submission();
        ring.publish_taken();
        Some(Origin { thread: id, process: thread.process, submission })
    }

    /// Answers a call and receives the next, or waits for it.
    fn serve_plain_return(&mut self, origin: &Origin, wait: Wait) -> Next {
        let answer = self.return_and_receive(origin);
        self.answer(origin.thread, origin.submission.user_data, answer);
        self.conclude_enter(origin.thread, origin.process, wait, false)
    }

    /// Takes submissions, then waits or goes back to ring 3. Called again for a thread that was interrupted in between.
    pub(crate) fn proceed_enter(&mut self, id: Id<Thread>, wait: Wait) -> Next {
        let Some(thread) = self.threads.get_mut(id) else { return Next::Leave };
        if let Some(filling) = thread.filling.take() {
            return self.proceed_filling(id, filling, wait);
        }
        let ring = &mut thread.ring;
        let pending = ring.pending();
        if pending > ring.layout.submission_entries || ring.observe().is_err() {
            return self.refuse_enter(id, Transport::BadMessage);
        }
        let ready = u64::from(ring.completions.ready());
        if pending == 0 && (ready >= wait.completions || wait.deadline == DEADLINE_NOW) {
            thread.context.set_result(ready);
            thread.state = ThreadState::Ready;
            return Next::Continue;
        }
        let process = thread.process;
        let mut has_more = false;
        if pending > 0 {
            let budget = pending.min(SUBMISSIONS_PER_PASS);
            let taken = self.take_submissions(id, budget);
            has_more = taken > 0 && taken < pending && self.can_take(id);
        }
        self.conclude_enter(id, process, wait, has_more)
    }

    /// Does one step of a call that is too long for one.
    fn proceed_filling(&mut self, id: Id<Thread>, filling: Filling, wait: Wait) -> Next {
        // It may have been revoked since the last step.
        let answer = match self.named(&filling.origin) {
            Ok(_) => self.continue_reading(filling),
            Err(error) => Err(error.into()),
        };
        self.answer(id, filling.origin.submission.user_data, answer);
        self.interrupt_enter(id, wait)
    }

    /// What follows the last submission of a pass.
    pub(crate) fn conclude_enter(
        &mut self,
        id: Id<Thread>,
        process: Id<Process>,
        wait: Wait,
        has_more: bool,
    ) -> Next {
        if !self.is_running(process) {
            return Next::Leave;
        }
        if has_more || self.must_pause(id) {
            return self.interrupt_enter(id, wait);
        }
        self.finish_enter(id, wait)
    }

    /// True for a process that was started and has not begun to end.
    pub(crate) fn is_running(&self, process: Id<Process>) -> bool {
        self.processes.get(process).is_some_and(|process| process.state == ProcessState::Running)
    }

    /// True if the last submission began something that goes on before the thread's next one.
    fn must_pause(&self, id: Id<Thread>) -> bool {
        self.work.is_unmapping() || self.threads.get(id).is_some_and(|thread| thread.filling.is_some())
    }

    /// True if the thread could take another submission.
    fn can_take(&self, id: Id<Thread>) -> bool {
        self.threads.get(id).is_some_and(|thread| thread.ring.completions.has_room())
    }

    /// Takes up to `budget` submissions, or as many as fit a pass; returns how many.
    fn take_submissions(&mut self, id: Id<Thread>, budget: u32) -> u32 {
        let end = if budget > 1 { self.clock.now() + PASS_NANOSECONDS } else { 0 };
        let mut taken = 0;
        while taken < budget && !self.must_pause(id) {
            if taken > 0 && self.clock.now() >= end {
                break;
            }
            let Some(thread) = self.threads.get_mut(id) else { break };
            let process = thread.process;
            let ring = &mut thread.ring;
            if !ring.completions.promise() {
                break;
            }
            let words = ring.submission();
            ring.take_submission();
            taken += 1;
            self.submit(id, process, &words);
        }
        if let Some(thread) = self.threads.get(id) {
            thread.ring.publish_taken();
        }
        taken
    }

    fn finish_enter(&mut self, id: Id<Thread>, wait: Wait) -> Next {
        let Some(thread) = self.threads.get_mut(id) else { return Next::Leave };
        let ready = u64::from(thread.ring.completions.ready());
        let is_over = ready >= wait.completions
            || wait.deadline == DEADLINE_NOW
            || (wait.deadline != DEADLINE_NEVER && wait.deadline <= self.clock.now());
        if is_over {
            thread.context.set_result(ready);
            thread.state = ThreadState::Ready;
            return Next::Continue;
        }
        thread.state = ThreadState::Waiting(wait);
        if wait.is_finite() { self.wait_until(id, &wait) } else { Next::Leave }
    }

    /// Sets the timer of a thread that waits, for as long as it has the right to it.
    fn wait_until(&mut self, id: Id<Thread>, wait: &Wait) -> Next {
        let Some(node) = self.timer_node(id, wait.timer) else {
            return self.refuse_enter(id, Transport::NoTimer);
        };
        self.timers.set(Kernel::thread_timer(id.index()), wait.deadline);
        self.nodes.attach_use(node, NodeUse::Deadline(id.index()).number());
        Next::Leave
    }

    fn interrupt_enter(&mut self, id: Id<Thread>, wait: Wait) -> Next {
        if let Some(thread) = self.threads.get_mut(id) {
            thread.state = ThreadState::Entering(wait);
        }
        Next::Again
    }

    fn refuse_enter(&mut self, id: Id<Thread>, error: Transport) -> Next {
        if let Some(thread) = self.threads.get_mut(id) {
            thread.context.set_result(i64::from(error.result()) as u64);
            thread.state = ThreadState::Ready;
        }
        Next::Continue
    }

    /// The node of the Timer that `handle` names, if it works.
    fn timer_node(&self, id: Id<Thread>, handle: Handle) -> Option<NodeId> {
        let process = self.threads.get(id).and_then(|thread| self.processes.get(thread.process))?;
        let capability = authority::working(&process.table, &self.slots, &self.nodes, handle).ok()?;
        if capability.object == Object::Timer { Some(capability.node) } else { None }
    }

    /// Lets a waiting thread go on in ring 3.
    pub(crate) fn wake(&mut self, id: Id<Thread>) {
        if self.make_ready(id) {
            self.enqueue(id.index());
        }
    }

    /// The same, and it runs next if the thread that runs now waits.
    pub(crate) fn hand_over_to(&mut self, id: Id<Thread>) {
        if !self.make_ready(id) {
            return;
        }
        if let Some(other) = self.handed.replace(id.index()) {
            self.enqueue(other);
        }
    }

    /// Ends the waiting of a thread; false if it does not wait.
    fn make_ready(&mut self, id: Id<Thread>) -> bool {
        let Some(thread) = self.threads.get_mut(id) else { return false };
        let ThreadState::Waiting(wait) = thread.state else { return false };
        thread.context.set_result(u64::from(thread.ring.completions.ready()));
        thread.state = ThreadState::Ready;
        thread.wakes += 1;
        // Something else has come first. From now on it can give up what its call or receive goes through.
        if thread.exchange.state != State::Idle {
            self.settle_exchange(id);
        }
        if wait.is_finite() {
            self.forget_deadline(id);
        }
        true
    }

    /// The deadline of the thread's `enter` counts no more.
    pub(crate) fn forget_deadline(&mut self, id: Id<Thread>) {
        self.timers.cancel(Kernel::thread_timer(id.index()));
        self.nodes.detach_use(NodeUse::Deadline(id.index()).number());
    }

    /// `exit`: a process has one thread, so both scopes end it.
    fn exit(&mut self, id: Id<Process>, [_, status, address, length]: [u64; 4]) {
        let ExitStatus { kind, code } = ExitStatus::from_word(status);
        let mut outcome = Outcome::new(kind, code);
        let mut report = [0; REPORT_BYTES_MAX];
        let length = length.min(REPORT_BYTES_MAX as u64) as usize;
        if let Some(report) = report.get_mut(..length)
            && self.copy_from_user(id, address, report).is_ok()
        {
            outcome.set_report(report);
        }
        self.end_process(id, outcome);
    }

    /// Ends the process that did what the processor does not allow.
    pub(crate) fn end_by_fault(&mut self, id: Id<Process>, fault: Fault) {
        if let Some(process) = self.processes.get(id) {
            let subject = process.subject();
            log_line!("{}", capos_kernel_core::report::FaultLine { subject, fault });
        }
        let mut outcome = Outcome::new(OutcomeKind::Fault, u32::from(fault.vector));
        outcome.fault = fault;
        self.end_process(id, outcome);
    }
}
