//! Both rings between two processors, in every order that the memory model allows: `RUSTFLAGS="--cfg loom"`.
//!
//! The indices, the book-keeping of completions and the encodings are the ones that boot; the words of an entry are memory
//! without any order of its own, so what is read before it was published, or while it is used again, is something else.
//!
//! Invariant: each ring has one entry and two things pass, so the entry is used again: everything else that can happen is more
//! of the same. A processor is interrupted by the other at most three times where it need not be, which keeps this to seconds.
#![cfg(loom)]
#![forbid(unsafe_code)]

use capos_abi::ring::{Completion, Index, Opcode, Submission};
use capos_kernel_core::completion::Completions;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

/// Entries of each ring.
const ENTRIES: u32 = 1;
/// Submissions and completions that pass.
const COUNT: u64 = 2;

/// Tries every order.
fn model(test: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// One ring in shared memory. Of each entry it has the first word and the user data, the ones that tell entries apart.
struct Shared {
    entry: [AtomicU64; 2],
    head: Index,
    tail: Index,
}

impl Shared {
    fn new() -> Arc<Shared> {
        let entry = [AtomicU64::new(0), AtomicU64::new(0)];
        Arc::new(Shared { entry, head: Index::new(), tail: Index::new() })
    }

    fn write(&self, words: [u64; 2]) {
        for (place, word) in self.entry.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }

    fn read(&self) -> [u64; 2] {
        let [first, second] = &self.entry;
        [first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)]
    }
}

/// The words of the submission with this number that pass.
fn submission(number: u64) -> [u64; 2] {
    let opcode = if number % 2 == 0 { Opcode::Nop } else { Opcode::Unpark };
    let words = Submission::new(opcode, number).encode();
    [words[0], words[2]]
}

/// The words of the completion with this number that pass.
fn completion(number: u64) -> [u64; 2] {
    let words = Completion::new(number, -(number as i32)).encode();
    [words[0], words[1]]
}

#[test]
fn every_submission_arrives_once_and_whole() {
    model(|| {
        let ring = Shared::new();
        let ring_3 = ring.clone();
        let writer = thread::spawn(move || {
            for number in 0..COUNT {
                let index = number as u32;
                while index.wrapping_sub(ring_3.head.read()) == ENTRIES {
                    thread::yield_now();
                }
                ring_3.write(submission(number + 1));
                ring_3.tail.publish(index.wrapping_add(1));
            }
        });
        let mut head = 0u32;
        while u64::from(head) < COUNT {
            let pending = ring.tail.read().wrapping_sub(head);
            assert!(pending <= ENTRIES);
            for _ in 0..pending {
                let words = ring.read();
                head = head.wrapping_add(1);
                assert_eq!(words, submission(head.into()));
            }
            ring.head.publish(head);
            thread::yield_now();
        }
        writer.join().unwrap();
    });
}

#[test]
fn every_completion_arrives_once_and_whole() {
    model(|| {
        let ring = Shared::new();
        let ring_3 = ring.clone();
        let reader = thread::spawn(move || {
            let mut head = 0u32;
            while u64::from(head) < COUNT {
                let ready = ring_3.tail.read().wrapping_sub(head);
                assert!(ready <= ENTRIES);
                for _ in 0..ready {
                    let words = ring_3.read();
                    head = head.wrapping_add(1);
                    assert_eq!(words, completion(head.into()));
                }
                ring_3.head.publish(head);
                thread::yield_now();
            }
        });
        let mut completions = Completions::new(ENTRIES);
        let mut number = 0;
        while number < COUNT {
            completions.observe(ring.head.read()).unwrap();
            if !completions.promise() {
                thread::yield_now();
                continue;
            }
            let entry = completions.post().unwrap();
            number += 1;
            ring.write(completion(number));
            ring.tail.publish(entry.tail);
        }
        reader.join().unwrap();
    });
}
