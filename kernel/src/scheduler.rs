//! The main loop: who runs, and what happens when ring 3 is left.
//!
//! Called once by `main`; calls the hardware layer to run a thread or to idle, `work` for what is left over, and `calls` for
//! system calls.
//!
//! Invariant: there is no tick. The alarm is set to the next deadline, to the end of the slice if somebody else waits, or to
//! the end of a budget, and set again only when that changes. Work that is left over has its turns between those of threads,
//! and a thread that was handed the processor comes before those in the queue, if whoever pays stays the same. Whatever takes
//! long lets interrupts come again and again.

use crate::calls::enter::Next;
use crate::calls::lone::{self, Lone, Readable, Taken};
use crate::kernel::{Kernel, TimerOwner};
use crate::log::log_line;
use crate::memory::area::{Touch, TouchError};
use crate::processes::end::Report;
use crate::processes::layout::PAGE;
use crate::processes::thread::{Debt, Thread, ThreadState};
use crate::processes::{Outcome, Process, ProcessState};
use capos_abi::outcome::OutcomeKind;
use capos_kernel_core::pool::Id;
use capos_kernel_core::report::Fault;
use capos_kernel_core::run_queue::SLICE_NANOSECONDS;
use capos_kernel_hal::cpu;
use capos_kernel_hal::user::Event;
use core::fmt::Write;

/// Bit 0 of a page fault's error code: there was a mapping, and it did not allow the access.
const PROTECTION: u64 = 1;
/// Bit 1: the access was a write.
const WRITE: u64 = 1 << 1;

/// How long a turn of what is left over lasts, and how long threads run until the next one, in nanoseconds.
const TURN_NANOSECONDS: u64 = 20_000;

/// How a thread left ring 3.
enum Left {
    /// By a plain call.
    Call(Taken),
    /// By an event, which may be any other system call.
    Event(Event),
    /// It was not there: its time is not on the bill.
    NotBilled,
    /// It was not there: it is not ready.
    NotReady,
}

impl Kernel {
    /// Runs the machine. Does not return: the end is `Machine.finish`.
    pub(crate) fn run(mut self) -> ! {
        let mut slice_end = 0;
        loop {
            match self.next_turn(&mut slice_end) {
                Some(thread) => {
                    let last = self.run_thread(thread, slice_end);
                    if self.has_work() {
                        self.note_debt(last);
                    }
                }
                None if self.has_work() => self.do_work(Debt::All, 0),
                None if self.continue_revocation() => self.pause(),
                None => self.idle(),
            }
        }
    }

    /// Who runs next.
    fn next_turn(&mut self, slice_end: &mut u64) -> Option<Id<Thread>> {
        // Who was handed the processor goes on with what is left of the slice, so two that serve each other take no more
        // than one.
        let handed = self.handed.take().and_then(|index| self.threads.id_at(index));
        if handed.is_some_and(|thread| self.is_billed(thread)) {
            return handed;
        }
        if let Some(thread) = handed {
            self.enqueue(thread.index());
        }
        *slice_end = self.settle_time() + SLICE_NANOSECONDS;
        let next = self.run_queue.pop().and_then(|turn| self.threads.id_at(turn.thread))?;
        self.bill_thread(next);
        Some(next)
    }

    /// Does what is left over: all of it, or a turn if the one whose slice it is does not wait for it, or as much as fits the
    /// slice of one that answers for `debt`.
    fn do_work(&mut self, debt: Debt, slice_end: u64) {
        let end = self.clock.now() + TURN_NANOSECONDS;
        while self.do_piece_of_work() {
            self.pause();
            let is_enough =
                if self.must_wait(debt) { self.is_slice_over(slice_end) } else { self.clock.now() >= end };
            if is_enough && !self.work.is_unmapping() {
                break;
            }
        }
        // What timers have left over nobody answers for.
        self.new_debt();
        self.work.next_turn = self.clock.now() + TURN_NANOSECONDS;
    }

    /// The thread answers for what has been left over since the last look.
    fn note_debt(&mut self, id: Id<Thread>) {
        let debt = self.new_debt();
        if let Some(thread) = self.threads.get_mut(id) {
            thread.debt = thread.debt.max(debt);
        }
    }

    /// Gives what is left over its turn, if that has come, or the slice of a thread that waits for it. False if the thread
    /// cannot go on yet: it stands in the queue again.
    fn settle(&mut self, id: Id<Thread>, slice_end: u64) -> bool {
        self.note_debt(id);
        let Some(debt) = self.threads.get(id).map(|thread| thread.debt) else { return false };
        if self.must_wait(debt) || self.clock.now() >= self.work.next_turn {
            self.do_work(debt, slice_end);
        }
        if self.must_wait(debt) {
            self.enqueue(id.index());
            return false;
        }
        if let Some(thread) = self.threads.get_mut(id) {
            thread.debt = Debt::None;
        }
        true
    }

    /// Between two pieces of what takes long: interrupts come, and timers are served.
    fn pause(&mut self) {
        match cpu::take_interrupt() {
            Event::Timer => self.alarm = None,
            Event::Interrupt { line } => self.serve_interrupt(line),
            _ => {}
        }
        self.expire_timers();
    }

    fn idle(&mut self) {
        self.settle_time();
        self.set_alarm(self.timers.next());
        match cpu::idle() {
            Event::Interrupt { line } => self.serve_interrupt(line),
            _ => self.alarm = None,
        }
        self.expire_timers();
    }

    fn set_alarm(&mut self, deadline: Option<u64>) {
        if self.alarm != deadline {
            self.clock.set_alarm(deadline);
            self.alarm = deadline;
        }
    }

    /// Lets a thread run, and others that it calls directly, until one waits for something else, ends, or others have their
    /// turn: that one is returned.
    fn run_thread(&mut self, first: Id<Thread>, slice_end: u64) -> Id<Thread> {
        let mut id = first;
        let payer = self.billing.payer;
        loop {
            let has_work = self.has_work();
            if has_work && !self.settle(id, slice_end) {
                return id;
            }
            self.program_alarm(slice_end, has_work);
            let next = match self.enter_ring_3(&mut id) {
                Left::Call(taken) => self.finish_lone(id, &taken),
                Left::Event(Event::SystemCall) => self.system_call(id),
                Left::Event(event) => self.serve_event(id, event, slice_end),
                Left::NotBilled => self.bill_again(id, payer),
                Left::NotReady => self.resume_enter(id),
            };
            match next {
                Next::Continue => {}
                Next::Again if !self.is_turn_over(slice_end) => {}
                Next::Again => {
                    self.enqueue(id.index());
                    return id;
                }
                Next::Leave => return id,
            }
            // The thread has something left to do: the one that it woke waits for its turn.
            if let Some(handed) = self.handed.take() {
                self.enqueue(handed);
            }
        }
    }

    /// The next deadline of any timer, the end of the slice if somebody else waits, the turn of what is left over, or the end of
    /// the budget. An alarm that is set for an earlier time stays: it goes off once for nothing, where those who wake each other
    /// would set it at each turn.
    fn program_alarm(&mut self, slice_end: u64, has_work: bool) {
        let slice_end = if self.run_queue.is_empty() { u64::MAX } else { slice_end };
        let turn = if has_work { self.work.next_turn } else { u64::MAX };
        let deadline =
            self.timers.next().unwrap_or(u64::MAX).min(slice_end).min(turn).min(self.billing.budget_end);
        if self.alarm.unwrap_or(u64::MAX) > deadline {
            self.set_alarm(Some(deadline));
        }
    }

    /// True if somebody else waits, in the queue or because the processor was handed to it, and the slice is over.
    fn is_slice_over(&self, slice_end: u64) -> bool {
        let somebody_waits = self.handed.is_some() || !self.run_queue.is_empty();
        somebody_waits && self.clock.now() >= slice_end
    }

    /// True if the thread that runs must leave: the slice is over, or the budget that pays for it.
    fn is_turn_over(&mut self, slice_end: u64) -> bool {
        let has_no_time = self.clock.now() >= self.billing.budget_end;
        if has_no_time {
            self.settle_time();
        }
        has_no_time || self.is_slice_over(slice_end)
    }

    /// Leaves the processor to a thread that is ready, as often as its system calls are answered on the short way, and to the
    /// other side of a call that goes directly: then nothing has changed that would concern anybody else. `id` is whoever
    /// left ring 3 in the end.
    #[inline(never)] // Its registers are those of the hot loop.
    fn enter_ring_3(&mut self, id: &mut Id<Thread>) -> Left {
        let mut taken = None;
        // The thread has left ring 3 already, in a conversation.
        let mut has_called = false;
        loop {
            let Some(thread) = self.threads.get_mut(*id) else { return Left::NotReady };
            let Some(process) = self.processes.get_mut(thread.process) else { return Left::NotReady };
            if thread.state != ThreadState::Ready || process.state != ProcessState::Running {
                return Left::NotReady;
            }
            if process.processor.payer != self.billing.payer {
                return Left::NotBilled;
            }
            let Some(space) = process.space.as_ref() else { return Left::NotReady };
            let readable = Readable { slots: &self.slots, nodes: &self.nodes, clock: &self.clock };
            let Some(mut seat) = self.processor.seat(&mut thread.context, space) else {
                return Left::NotReady;
            };
            let lone = loop {
                if !core::mem::take(&mut has_called) {
                    process.entries += 1;
                    if let Err(event) = seat.enter() {
                        return Left::Event(event);
                    }
                }
                match lone::serve(&mut seat, &mut thread.ring, &process.table, &readable, &mut taken) {
                    Lone::Answered => {}
                    lone => break lone,
                }
            };
            let Lone::Direct(opening) = lone else { break };
            match self.converse(id, opening) {
                None => break,
                Some(Event::SystemCall) => has_called = true,
                Some(event) => return Left::Event(event),
            }
        }
        taken.map_or(Left::Event(Event::SystemCall), Left::Call)
    }

    /// The time is billed to the thread again, behind what was done for others. If it works for somebody else than before and
    /// others wait for the processor, its turn is that one's: a server goes on with its next call before its last caller only
    /// if the next one has had less.
    fn bill_again(&mut self, id: Id<Thread>, payer: Id<Process>) -> Next {
        let process = self.threads.get(id).and_then(|thread| self.processes.get(thread.process));
        let is_same = process.is_some_and(|process| process.processor.payer == payer);
        if is_same || self.run_queue.is_empty() {
            self.bill_thread(id);
            return Next::Continue;
        }
        self.enqueue(id.index());
        Next::Leave
    }

    /// Goes on with an `enter` that others interrupted.
    fn resume_enter(&mut self, id: Id<Thread>) -> Next {
        match self.threads.get(id).map(|thread| (thread.process, thread.state)) {
            Some((process, ThreadState::Entering(wait))) if self.is_running(process) => {
                self.pause();
                self.proceed_enter(id, wait)
            }
            _ => Next::Leave,
        }
    }

    /// Everything but a system call.
    fn serve_event(&mut self, id: Id<Thread>, event: Event, slice_end: u64) -> Next {
        match event {
            Event::SystemCall | Event::Spurious => Next::Continue,
            Event::Interrupt { line } => {
                self.serve_interrupt(line);
                self.yield_to_woken(id)
            }
            Event::PageFault { address, error_code } => self.page_fault(id, address, error_code),
            Event::Exception { vector, error_code } => self.exception(id, vector, error_code, 0),
            Event::Timer => {
                self.alarm = None;
                self.expire_timers();
                if !self.is_turn_over(slice_end) {
                    return Next::Continue;
                }
                self.enqueue(id.index());
                Next::Leave
            }
        }
    }

    /// Behind the interrupt of a device: whoever was woken by it runs, and the thread that ran has its turn behind it.
    fn yield_to_woken(&mut self, id: Id<Thread>) -> Next {
        if self.run_queue.is_empty() {
            return Next::Continue;
        }
        self.enqueue(id.index());
        Next::Leave
    }

    /// A page that waits for its first touch comes to be, and one that is shared until it is written becomes the writer's own;
    /// anything else ends the process.
    fn page_fault(&mut self, id: Id<Thread>, address: u64, error_code: u64) -> Next {
        const VECTOR: u8 = 14;
        let Some(process) = self.threads.get(id).map(|thread| thread.process) else { return Next::Leave };
        let touch = if error_code & WRITE != 0 { Touch::Write } else { Touch::Read };
        if error_code & PROTECTION != 0 && touch == Touch::Read {
            return self.exception(id, VECTOR, error_code, address);
        }
        match self.touch(process, address / PAGE, touch) {
            Ok(()) => Next::Continue,
            Err(TouchError::NotThere) => self.exception(id, VECTOR, error_code, address),
            Err(TouchError::OutOfMemory) => {
                let outcome = self.out_of_memory(process, address);
                self.end_process(process, outcome);
                Next::Leave
            }
        }
    }

    /// The end of a process that has touched a page for which there is no memory, with what its account says.
    fn out_of_memory(&self, id: Id<Process>, address: u64) -> Outcome {
        let mut outcome = Outcome::new(OutcomeKind::Memory, 0);
        let Some(process) = self.processes.get(id) else { return outcome };
        let (mut report, account) = (Report::new(), &process.account);
        let (backed, reserve, limit) = (account.backed(), account.reserve(), account.limit());
        // It fits.
        let _ = write!(
            report,
            "no memory for the page at {address:#x}: {backed} bytes in use, {reserve} set aside, limit {limit}"
        );
        log_line!("{}: {}", process.subject(), report.as_str());
        outcome.set_report(report.as_str().as_bytes());
        outcome
    }

    fn exception(&mut self, id: Id<Thread>, vector: u8, error_code: u64, address: u64) -> Next {
        let Some(thread) = self.threads.get(id) else { return Next::Leave };
        let instruction_pointer = thread.context.instruction_pointer();
        let process = thread.process;
        let error_code = error_code as u32;
        self.end_by_fault(process, Fault { vector, error_code, address, instruction_pointer });
        Next::Leave
    }

    /// Serves every timer whose deadline has come.
    fn expire_timers(&mut self) {
        if self.timers.next().is_none_or(|next| next > self.clock.now()) {
            return;
        }
        let now = self.clock.now();
        while let Some(timer) = self.timers.pop_expired(now) {
            match Kernel::timer_owner(timer) {
                TimerOwner::Thread(index) => {
                    if let Some(thread) = self.threads.id_at(index) {
                        if let Some(process) = self.threads.get(thread).map(|thread| thread.process) {
                            self.bill_process(process);
                        }
                        self.wake(thread);
                    }
                }
                TimerOwner::Operation(index) => {
                    if let Some(operation) = self.operations.id_at(index) {
                        if let Some(process) =
                            self.operations.get(operation).map(|operation| operation.origin.process)
                        {
                            self.bill_process(process);
                        }
                        self.complete_operation(operation, Ok((0, 0)));
                    }
                }
                TimerOwner::Revocation => {
                    self.continue_revocation();
                }
                TimerOwner::Share(share) => self.renew_share(share),
            }
        }
    }
}
