//! The two rings of the thread: submitting, collecting completions, waiting.
//!
//! Called by `operation` and `memory`; calls `region` and `system_call`.
//!
//! Invariant: each operation in flight has a slot, and no more are in flight than completions fit, so the kernel always
//! takes what is submitted. A completion whose user data is in no slot (a release, a cancel) is dropped.

use alloc::vec::Vec;
use core::cell::Cell;

use capos_abi::error::Transport;
use capos_abi::handle::Handle;
use capos_abi::ring::{Completion, Opcode, PlainCall, Submission};
use capos_abi::system_call::{DEADLINE_NEVER, DEADLINE_NOW};

use super::area::AreaMap;
use super::region::Region;
use super::system_call;

/// Operations in flight at most, the heap's included.
const SLOTS: usize = 64;
/// The slot of the heap's own calls.
pub(crate) const HEAP_SLOT: usize = 0;
/// The slot of a call that is alone (`lone`).
const LONE_SLOT: usize = 1;
/// Completion entries kept for releases and cancels.
const SPARE_COMPLETIONS: u32 = 4;
/// Bits of user data for the slot, which leaves one number for [`IGNORED`]; a serial number is above them.
const SERIAL_SHIFT: u32 = 8;
const _: () = assert!(SLOTS < 1 << SERIAL_SHIFT);
/// User data that is in no slot.
const IGNORED: u64 = u64::MAX;

#[derive(Default)]
struct Slot {
    /// The user data of the operation.
    user_data: Cell<u64>,
    completion: Cell<Option<Completion>>,
}

/// The rings and what is known about operations in flight.
pub(crate) struct Thread {
    region: Region,
    area: AreaMap,
    submission_tail: Cell<u32>,
    completion_head: Cell<u32>,
    /// One bit for each slot that may be taken.
    free_slots: Cell<u64>,
    /// Of the last operation, shifted.
    serial: Cell<u64>,
    slots: [Slot; SLOTS],
    /// A lone call is being made.
    is_lone_taken: Cell<bool>,
    /// A buffer for one large message.
    spare: Cell<Vec<u64>>,
}

/// How long to wait: a point in time with the Timer that permits it, or for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitLimit {
    pub(crate) deadline: u64,
    pub(crate) timer: Handle,
}

impl WaitLimit {
    pub(crate) const NEVER: WaitLimit = WaitLimit { deadline: DEADLINE_NEVER, timer: Handle::NULL };
}

impl Thread {
    /// The thread whose rings lie in `region`.
    pub(crate) fn new(region: Region) -> Thread {
        let usable = region.layout().completion_entries.saturating_sub(SPARE_COMPLETIONS).min(SLOTS as u32);
        let slots = u64::MAX >> (u64::BITS - usable);
        Thread {
            area: AreaMap::new(region.layout().area_bytes as usize),
            submission_tail: Cell::new(region.submission_head()),
            completion_head: Cell::new(region.completion_tail()),
            free_slots: Cell::new(slots & !(1 << HEAP_SLOT | 1 << LONE_SLOT)),
            is_lone_taken: Cell::new(false),
            serial: Cell::new(0),
            slots: [const { Slot { user_data: Cell::new(IGNORED), completion: Cell::new(None) } }; SLOTS],
            spare: Cell::new(Vec::new()),
            region,
        }
    }

    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    pub(crate) fn area_map(&self) -> &AreaMap {
        &self.area
    }

    /// Takes the rings as they are, after a program has used them by hand. Nothing may be in flight.
    #[cfg(feature = "crash-tests")]
    pub(crate) fn resynchronize(&self) {
        self.submission_tail.set(self.region.submission_head());
        self.completion_head.set(self.region.completion_tail());
        self.region.publish_completions(self.completion_head.get());
    }

    /// Takes the submissions as they are, after a program has handed some over by hand.
    #[cfg(feature = "crash-tests")]
    pub(crate) fn adopt_submissions(&self) {
        self.submission_tail.set(self.region.submission_head());
    }

    /// Offset and bytes of the piece of the message area for lone calls.
    #[inline]
    pub(crate) fn lone_piece(&self) -> (usize, usize) {
        self.area.lone_piece()
    }

    /// Takes the right to make a lone call; false if it is taken.
    #[inline]
    pub(crate) fn begin_lone(&self) -> bool {
        !self.is_lone_taken.replace(true)
    }

    /// Gives that right back.
    #[inline]
    pub(crate) fn end_lone(&self) {
        self.is_lone_taken.set(false);
    }

    /// A buffer that a large message was in, or an empty one.
    pub(crate) fn take_spare(&self) -> Vec<u64> {
        self.spare.take()
    }

    /// Keeps a buffer for the next large message, if it is the larger one.
    pub(crate) fn keep_spare(&self, words: Vec<u64>) {
        let kept = self.spare.take();
        self.spare.set(if kept.len() < words.len() { words } else { kept });
    }

    /// Takes a slot; `None` if too much is in flight.
    #[inline]
    pub(crate) fn take_slot(&self) -> Option<usize> {
        let free = self.free_slots.get();
        if free == 0 {
            return None;
        }
        self.free_slots.set(free & (free - 1));
        Some(free.trailing_zeros() as usize)
    }

    /// Gives a slot back whose operation has completed or was never submitted.
    #[inline]
    pub(crate) fn give_back_slot(&self, slot: usize) {
        self.slots[slot].user_data.set(IGNORED);
        self.slots[slot].completion.set(None);
        self.free_slots.set(self.free_slots.get() | 1 << slot);
    }

    /// Writes a submission for `slot`; the kernel takes it at the next `enter`. Its user data is set here, and returned.
    ///
    /// # Errors
    /// [`Transport::LimitReached`] if the ring stays full.
    ///
    /// # Safety
    /// The buffers that it names are owned by the slot's operation until that has completed.
    #[inline]
    pub(crate) unsafe fn submit(&self, slot: usize, mut submission: Submission) -> Result<(), Transport> {
        submission.user_data = self.next_user_data(slot);
        self.expect(slot, submission.user_data);
        // SAFETY: the caller's promise.
        unsafe { self.push(&submission.encode()) }
    }

    /// The user data of the next operation in `slot`.
    #[inline]
    fn next_user_data(&self, slot: usize) -> u64 {
        let serial = self.serial.get().wrapping_add(1 << SERIAL_SHIFT);
        self.serial.set(serial);
        serial | slot as u64
    }

    /// A completion with this user data will be kept in `slot`.
    #[inline]
    fn expect(&self, slot: usize, user_data: u64) {
        self.slots[slot].user_data.set(user_data);
        self.slots[slot].completion.set(None);
    }

    /// # Safety
    /// As for [`Thread::submit`].
    #[inline]
    unsafe fn push(&self, words: &[u64; 8]) -> Result<(), Transport> {
        let tail = self.submission_tail.get();
        if self.is_full(tail) {
            self.flush();
            if self.is_full(tail) {
                return Err(Transport::LimitReached);
            }
        }
        // SAFETY: the entry is free, as just checked; the buffers are the caller's promise.
        unsafe { self.write(tail, words) };
        Ok(())
    }

    /// Writes and publishes the submission for `tail`.
    ///
    /// # Safety
    /// The entry is free; for the rest as for [`Thread::submit`].
    #[inline]
    unsafe fn write(&self, tail: u32, words: &[u64; 8]) {
        // SAFETY: the caller's promise.
        unsafe { self.region.write_submission(tail, words) };
        self.submission_tail.set(tail.wrapping_add(1));
        self.region.publish_submissions(tail.wrapping_add(1));
    }

    #[inline]
    fn is_full(&self, tail: u32) -> bool {
        tail.wrapping_sub(self.region.submission_head()) >= self.region.layout().submission_entries
    }

    /// Hands over everything submitted so far and does not wait.
    #[inline(never)]
    pub(crate) fn flush(&self) {
        self.collect();
        system_call::enter(0, DEADLINE_NOW, 0);
    }

    /// Submits the release of `handle`, to be taken with the next `enter`.
    pub(crate) fn release(&self, handle: Handle) {
        let mut submission = Submission::new(Opcode::Release, IGNORED);
        submission.handle = handle;
        // SAFETY: a release names no buffers. If the ring is full for good, the handle stays until the process ends.
        let _ = unsafe { self.push(&submission.encode()) };
    }

    /// Asks for the end of the operation in `slot`; it completes in any case.
    pub(crate) fn cancel(&self, slot: usize) {
        let mut submission = Submission::new(Opcode::Cancel, IGNORED);
        submission.operand = self.slots[slot].user_data.get();
        // SAFETY: a cancel names no buffers. If it cannot be submitted, the operation ends when it is done.
        let _ = unsafe { self.push(&submission.encode()) };
    }

    /// The completion of the operation in `slot`, if it has arrived.
    #[inline]
    pub(crate) fn completion(&self, slot: usize) -> Option<Completion> {
        self.slots[slot].completion.get()
    }

    /// Takes everything out of the completion ring.
    #[inline]
    pub(crate) fn collect(&self) {
        let tail = self.region.completion_tail();
        let mut head = self.completion_head.get();
        if head == tail {
            return;
        }
        while head != tail {
            let completion = Completion::decode(&self.region.read_completion(head));
            let slot = &self.slots[completion.user_data as usize % SLOTS];
            if slot.user_data.get() == completion.user_data && completion.user_data != IGNORED {
                slot.completion.set(Some(completion));
            }
            head = head.wrapping_add(1);
        }
        self.completion_head.set(head);
        self.region.publish_completions(head);
    }

    /// Waits until the operation in `slot` has completed. `Ok(None)` if `limit` has passed before.
    ///
    /// # Errors
    /// What `enter` says, for example [`Transport::NoTimer`].
    #[inline]
    pub(crate) fn wait(&self, slot: usize, limit: WaitLimit) -> Result<Option<Completion>, Transport> {
        loop {
            self.collect();
            if let Some(completion) = self.completion(slot) {
                return Ok(Some(completion));
            }
            if !self.wait_some(limit)? {
                return Ok(None);
            }
        }
    }

    /// Makes a call in the piece for lone calls, hands everything over, and waits for this one, which is probably the only
    /// one: returns its result and the bytes of its reply. The parameters lie at the start of the piece, the results go
    /// `results_at` bytes behind it; `lengths` are their bytes. If the submission ring is full, the result is
    /// [`Transport::LimitReached`].
    ///
    /// # Safety
    /// The piece is the caller's for as long as this takes.
    #[inline(never)] // One for all methods, with its arguments in registers.
    pub(crate) unsafe fn call_alone(
        &self,
        call: PlainCall,
        results_at: u64,
        lengths: (u32, u32),
    ) -> (i32, u32) {
        let user_data = self.next_user_data(LONE_SLOT);
        let start = self.lone_piece().0 as u64;
        let words = call.encode(user_data, (start, lengths.0), (start + results_at, lengths.1));
        // SAFETY: the caller's promise.
        let completion = unsafe { self.complete_alone(LONE_SLOT, &words) };
        (completion.result, completion.length)
    }

    /// Submits `words`, hands everything over, and waits for this one: a server's turn. If the submission ring is full, the
    /// result is [`Transport::LimitReached`].
    ///
    /// # Safety
    /// As for [`Thread::submit`]; the slot is the caller's for as long as this takes.
    #[inline(always)] // One caller.
    pub(crate) unsafe fn serve_alone(&self, slot: usize, mut words: [u64; 8]) -> Completion {
        words[Submission::USER_DATA_WORD] = self.next_user_data(slot);
        // SAFETY: the caller's promise.
        unsafe { self.complete_alone(slot, &words) }
    }

    /// Submits `words`, which have the next user data of `slot`, and waits for their completion, which is probably the only
    /// one.
    ///
    /// # Safety
    /// As for [`Thread::submit`].
    #[inline(always)] // The words are written where they go.
    unsafe fn complete_alone(&self, slot: usize, words: &[u64; 8]) -> Completion {
        let user_data = Submission::user_data_of(words);
        let tail = self.submission_tail.get();
        let [result, length] = if self.is_full(tail) {
            // SAFETY: the caller's promise.
            unsafe { self.results_behind_others(slot, *words) }
        } else {
            // SAFETY: the entry is free, as just checked; the buffers are the caller's promise.
            unsafe { self.write(tail, words) };
            self.results_alone(slot, user_data)
        };
        Completion::decode(&[user_data, result, length, 0])
    }

    /// Hands everything over, and waits for what was submitted last: the second and the third word of its completion.
    #[inline(always)] // As its caller.
    fn results_alone(&self, slot: usize, user_data: u64) -> [u64; 2] {
        // A refusal shows in the wait below.
        system_call::enter(1, DEADLINE_NEVER, 0);
        let head = self.completion_head.get();
        if self.region.completion_tail() == head.wrapping_add(1) {
            let words = self.region.read_completion(head);
            if words[0] == user_data {
                self.completion_head.set(head.wrapping_add(1));
                self.region.publish_completions(head.wrapping_add(1));
                return [words[1], words[2]];
            }
        }
        self.results_among_others(slot, user_data)
    }

    /// Submits `words`, and as [`Thread::results_alone`], when the ring has no room before others are taken.
    ///
    /// # Safety
    /// As for [`Thread::submit`].
    #[cold]
    #[inline(never)]
    unsafe fn results_behind_others(&self, slot: usize, words: [u64; 8]) -> [u64; 2] {
        let user_data = Submission::user_data_of(&words);
        self.flush();
        self.expect(slot, user_data);
        // SAFETY: the caller's promise.
        let completion = match unsafe { self.push(&words) } {
            Ok(()) => self.wait_for_ever(slot),
            Err(refusal) => Completion::new(user_data, refusal.result()),
        };
        let [_, result, length, _] = completion.encode();
        [result, length]
    }

    /// Waits for a completion among those of others; the rest as for [`Thread::results_alone`]. None was collected since the
    /// submission.
    #[cold]
    #[inline(never)]
    fn results_among_others(&self, slot: usize, user_data: u64) -> [u64; 2] {
        self.expect(slot, user_data);
        let [_, result, length, _] = self.wait_for_ever(slot).encode();
        [result, length]
    }

    /// Waits for the operation in `slot`, however long it takes.
    #[cold]
    pub(crate) fn wait_for_ever(&self, slot: usize) -> Completion {
        loop {
            match self.wait(slot, WaitLimit::NEVER) {
                Ok(Some(completion)) => return completion,
                Ok(None) => {}
                Err(refusal) => panic!("the kernel refuses to wait: {refusal}"),
            }
        }
    }

    /// Hands over submissions and waits for at least one completion; false if `limit` has passed before.
    ///
    /// # Errors
    /// What `enter` says.
    #[inline]
    pub(crate) fn wait_some(&self, limit: WaitLimit) -> Result<bool, Transport> {
        let result = system_call::enter(1, limit.deadline, u64::from(limit.timer.0));
        match i32::try_from(result) {
            Ok(0) => Ok(false),
            Ok(ready) if ready > 0 => Ok(true),
            Ok(refusal) => Err(Transport::from_result(refusal).unwrap_or(Transport::BadMessage)),
            Err(_) => Err(Transport::BadMessage),
        }
    }
}

#[cfg(target_os = "none")]
pub(crate) use super::start::current_thread as current;

#[cfg(test)]
pub(crate) use super::fake::current_thread as current;

/// Without a kernel there are no rings.
#[cfg(all(not(test), not(target_os = "none")))]
pub(crate) fn current() -> &'static Thread {
    unreachable!("the runtime runs on capOS only")
}
