//! A stand-in for the kernel, for tests on the build host.
//!
//! Gives each test thread a ring region of its own and answers what is submitted: method 0 echoes its parameters and
//! returns copies of the capabilities that came along, method 1 never completes until it is cancelled, method 2 refuses.
//!
//! Invariant: it takes every submission that is decodable by [`capos_abi::ring`], and completes it once.

use core::cell::RefCell;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use std::boxed::Box;
use std::vec::Vec;

use capos_abi::error::{Exception, Transport};
use capos_abi::ring::{
    self, Completion, FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA, Layout, Opcode, Submission, offset,
};

use super::region::Region;
use super::thread::Thread;

/// Method that answers with its own parameters.
pub(crate) const ECHO: u16 = 0;
/// Method that waits for its cancellation.
pub(crate) const HANG: u16 = 1;

struct Kernel {
    base: NonNull<u8>,
    hanging: Vec<u64>,
    released: Vec<u32>,
    revoked: Vec<u32>,
    enters: usize,
}

std::thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
    static THREAD: &'static Thread = start();
}

/// The thread of this test.
pub(crate) fn current_thread() -> &'static Thread {
    THREAD.with(|thread| *thread)
}

/// Handles released so far, and the number of times that the kernel was entered.
pub(crate) fn record() -> (Vec<u32>, usize) {
    KERNEL.with_borrow(|kernel| {
        kernel.as_ref().map_or((Vec::new(), 0), |kernel| (kernel.released.clone(), kernel.enters))
    })
}

/// Handles whose descendants were revoked so far.
pub(crate) fn revoked() -> Vec<u32> {
    KERNEL.with_borrow(|kernel| kernel.as_ref().map_or(Vec::new(), |kernel| kernel.revoked.clone()))
}

fn start() -> &'static Thread {
    let layout = Layout::DEFAULT;
    let memory = Box::leak(std::vec![[0_u64; 512]; layout.region_bytes() / 4096].into_boxed_slice());
    let base = NonNull::from(memory).cast::<u8>();
    let fields = [
        (offset::MAGIC, ring::MAGIC),
        (offset::VERSION, ring::VERSION),
        (offset::SUBMISSION_ENTRIES, layout.submission_entries),
        (offset::COMPLETION_ENTRIES, layout.completion_entries),
        (offset::SUBMISSIONS, layout.submissions_offset() as u32),
        (offset::COMPLETIONS, layout.completions_offset() as u32),
        (offset::AREA, layout.area_offset() as u32),
        (offset::AREA_BYTES, layout.area_bytes),
    ];
    for (at, value) in fields {
        // SAFETY: the header lies inside the memory just made.
        let field = unsafe { base.byte_add(at) };
        // SAFETY: as above, and aligned.
        unsafe { field.cast::<u32>().write(value) };
    }
    let kernel = Kernel { base, hanging: Vec::new(), released: Vec::new(), revoked: Vec::new(), enters: 0 };
    KERNEL.set(Some(kernel));
    // SAFETY: the memory lives forever, and only the stand-in and the thread use it.
    let region = unsafe { Region::adopt(base) }.expect("the layout is the default one");
    Box::leak(Box::new(Thread::new(region)))
}

/// The stand-in of the system call. A finite deadline without a timer is refused, with one it has always passed.
pub(crate) fn enter(min_complete: u64, deadline: u64, timer: u64) -> i64 {
    KERNEL.with_borrow_mut(|kernel| {
        let kernel = kernel.as_mut().expect("started by current_thread");
        kernel.enters += 1;
        if deadline != 0 && deadline != u64::MAX && timer == 0 {
            return i64::from(Transport::NoTimer.result());
        }
        kernel.take_submissions();
        let ready = kernel.ready();
        assert!(u64::from(ready) >= min_complete || deadline != u64::MAX, "the test would wait for ever");
        i64::from(ready)
    })
}

impl Kernel {
    fn at<T>(&self, offset: usize) -> NonNull<T> {
        // SAFETY: the offsets used here lie inside the region.
        unsafe { self.base.byte_add(offset).cast() }
    }

    fn index(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: an aligned field of the header.
        unsafe { self.at::<AtomicU32>(offset).as_ref() }
    }

    fn ready(&self) -> u32 {
        let tail = self.index(offset::COMPLETION_TAIL).load(Ordering::Acquire);
        tail.wrapping_sub(self.index(offset::COMPLETION_HEAD).load(Ordering::Acquire))
    }

    fn take_submissions(&mut self) {
        let layout = Layout::DEFAULT;
        let mut head = self.index(offset::SUBMISSION_HEAD).load(Ordering::Relaxed);
        while head != self.index(offset::SUBMISSION_TAIL).load(Ordering::Acquire) {
            let place = (head % layout.submission_entries) as usize;
            let entry = self.at::<[u64; 8]>(layout.submissions_offset() + place * ring::SUBMISSION_BYTES);
            // SAFETY: inside the submission ring, aligned.
            let words = unsafe { entry.read() };
            let submission =
                Submission::decode(&words, &layout).expect("the runtime writes valid submissions");
            head = head.wrapping_add(1);
            self.index(offset::SUBMISSION_HEAD).store(head, Ordering::Release);
            self.answer(&submission);
        }
    }

    fn complete(&self, completion: Completion) {
        let layout = Layout::DEFAULT;
        assert!(self.ready() < layout.completion_entries);
        let tail = self.index(offset::COMPLETION_TAIL).load(Ordering::Relaxed);
        let place = (tail % layout.completion_entries) as usize;
        let entry = self.at::<[u64; 4]>(layout.completions_offset() + place * ring::COMPLETION_BYTES);
        // SAFETY: inside the completion ring, aligned.
        unsafe { entry.write(completion.encode()) };
        self.index(offset::COMPLETION_TAIL).store(tail.wrapping_add(1), Ordering::Release);
    }

    fn answer(&mut self, submission: &Submission) {
        let user_data = submission.user_data;
        match submission.opcode {
            Opcode::Release => {
                self.released.push(submission.handle.0);
                self.complete(Completion::new(user_data, 0));
            }
            Opcode::Cancel => {
                let place = self.hanging.iter().position(|hanging| *hanging == submission.operand);
                if let Some(place) = place {
                    let cancelled = self.hanging.swap_remove(place);
                    self.complete(Completion::new(cancelled, Transport::Cancelled.result()));
                }
                let result = if place.is_some() { 0 } else { Transport::NotFound.result() };
                self.complete(Completion::new(user_data, result));
            }
            Opcode::Derive => {
                self.complete(Completion { length: 0x77, ..Completion::new(user_data, 0) });
            }
            Opcode::Revoke => {
                self.revoked.push(submission.handle.0);
                self.complete(Completion::new(user_data, 0));
            }
            Opcode::Call if submission.method == ECHO => self.echo(submission),
            Opcode::Call if submission.method == HANG => self.hanging.push(user_data),
            _ => self.complete(Completion::new(user_data, Exception::Failed.result())),
        }
    }

    fn place(&self, address: u64, is_in_area: bool) -> NonNull<u8> {
        if is_in_area {
            return self.at(Layout::DEFAULT.area_offset() + address as usize);
        }
        NonNull::new(core::ptr::with_exposed_provenance_mut(address as usize)).expect("a buffer")
    }

    fn echo(&self, submission: &Submission) {
        let length = submission.length.min(submission.result_capacity) as usize;
        if length != 0 {
            let from = self.place(submission.address, submission.flags & FLAG_PARAMETERS_IN_AREA != 0);
            let to = self.place(submission.result_address, submission.flags & FLAG_RESULT_IN_AREA != 0);
            // SAFETY: the runtime owns both buffers until the completion below; they do not overlap.
            unsafe { from.copy_to_nonoverlapping(to, length) };
        }
        let area = Layout::DEFAULT.area_offset();
        let count = submission.send_count.min(submission.receive_slots);
        for index in 0..usize::from(count) {
            let from = self.at::<u32>(area + submission.send_list as usize + index * ring::TRANSFER_BYTES);
            // SAFETY: the list lies in the message area.
            let handle = unsafe { from.read() };
            let to = self.at::<u32>(area + submission.receive_list as usize + index * 4);
            // SAFETY: as above.
            unsafe { to.write(handle + 1) };
        }
        let completion = Completion::new(submission.user_data, 0);
        self.complete(Completion { capability_count: count, length: length as u32, ..completion });
    }
}
