//! Ports that record and can be told to fail, for tests on the build host.
//!
//! Tests make them and keep a clone to look into; [`crate::p1`] calls them as it calls the real ones.
//!
//! Invariant: a fake enforces what its trait promises to the other side: a chunk over the limit is a panic.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::{CHUNK_BYTES_MAX, Clock, Growth, PortError, Ports, Random, Stream};

/// Which stream a write went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Descriptor 1.
    Stdout,
    /// Descriptor 2.
    Stderr,
}

/// What the fakes of one instance share: the writes in order, and the failures to give.
#[derive(Debug, Default)]
pub struct Record {
    /// Every write, in order over both streams.
    pub writes: Vec<(Target, Vec<u8>)>,
    /// Bytes of each request for random bytes.
    pub random_requests: Vec<usize>,
    /// How often the clock was read.
    pub clock_reads: u64,
    /// Current and desired bytes of each growth of a linear memory.
    pub growths: Vec<(usize, usize)>,
    /// Growth past this many bytes is refused, if set.
    pub grow_at_most: Option<usize>,
    /// Given by the next write, clock or random call in place of an answer.
    pub fail_next: Option<PortError>,
    /// Writes take at most this many bytes, if set.
    pub write_at_most: Option<usize>,
    /// Writes return this count whatever they were given, if set.
    pub claimed_count: Option<usize>,
}

/// The shared record.
#[derive(Clone, Debug, Default)]
pub struct Fake(Rc<RefCell<Record>>);

impl Fake {
    /// Runs `use_it` on the record.
    pub fn with<R>(&self, use_it: impl FnOnce(&mut Record) -> R) -> R {
        use_it(&mut self.0.borrow_mut())
    }

    /// All ports, granted.
    #[must_use]
    pub fn ports(&self) -> Ports {
        Ports {
            stdout: Some(self.stream(Target::Stdout)),
            stderr: Some(self.stream(Target::Stderr)),
            clock: Some(Box::new(FakeClock(self.clone()))),
            random: Some(Box::new(FakeRandom { record: self.clone(), next: 0 })),
            growth: Some(Box::new(FakeGrowth(self.clone()))),
        }
    }

    /// One stream.
    #[must_use]
    pub fn stream(&self, target: Target) -> Box<dyn Stream> {
        Box::new(FakeStream { record: self.clone(), target })
    }

    /// Everything written to `target`, joined.
    #[must_use]
    pub fn written(&self, target: Target) -> Vec<u8> {
        self.with(|record| {
            record
                .writes
                .iter()
                .filter(|(to, _)| *to == target)
                .flat_map(|(_, bytes)| bytes.clone())
                .collect()
        })
    }

    fn failure(&self) -> Result<(), PortError> {
        self.with(|record| record.fail_next.take().map_or(Ok(()), Err))
    }
}

struct FakeStream {
    record: Fake,
    target: Target,
}

impl Stream for FakeStream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, PortError> {
        assert!(bytes.len() <= CHUNK_BYTES_MAX, "one message carries {CHUNK_BYTES_MAX} bytes at most");
        self.record.failure()?;
        self.record.with(|record| {
            let taken = record.write_at_most.map_or(bytes.len(), |most| most.min(bytes.len()));
            record.writes.push((self.target, bytes[..taken].to_vec()));
            Ok(record.claimed_count.unwrap_or(taken))
        })
    }
}

struct FakeClock(Fake);

impl Clock for FakeClock {
    fn now(&mut self) -> Result<u64, PortError> {
        self.0.failure()?;
        self.0.with(|record| {
            record.clock_reads += 1;
            Ok(1_000_000_000 + record.clock_reads * 1_000)
        })
    }

    fn resolution(&mut self) -> Result<u64, PortError> {
        self.0.failure()?;
        Ok(1)
    }
}

struct FakeGrowth(Fake);

impl Growth for FakeGrowth {
    fn prepare(&mut self, current: usize, desired: usize) -> bool {
        self.0.with(|record| {
            record.growths.push((current, desired));
            record.grow_at_most.is_none_or(|most| desired <= most)
        })
    }
}

struct FakeRandom {
    record: Fake,
    next: u8,
}

impl Random for FakeRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), PortError> {
        assert!(buffer.len() <= CHUNK_BYTES_MAX, "one message carries {CHUNK_BYTES_MAX} bytes at most");
        self.record.failure()?;
        self.record.with(|record| record.random_requests.push(buffer.len()));
        for byte in buffer {
            // 167 is odd, so all 256 values come before one repeats.
            self.next = self.next.wrapping_add(167);
            *byte = self.next;
        }
        Ok(())
    }
}
