//! A queue of a virtio device, with buffers that change hands.
//!
//! Called by drivers; calls `virtio-drivers` for the rings.
//!
//! Invariant: from `submit` to `take` the buffers of a chain belong to the device, and nobody has a reference into them. What
//! the device writes into the rings is only a claim.

use core::ops::Range;

use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;

use super::{Dma, VirtioDevice};
use crate::sys::dma::DmaBuffer;

/// Parts of a chain at most.
pub const CHAIN_PARTS: usize = 4;

/// What is handed to the device in one piece: buffers that it reads, then buffers that it writes.
#[derive(Debug, Default)]
pub struct Chain {
    parts: [Option<(DmaBuffer, Range<usize>)>; CHAIN_PARTS],
    readable: usize,
    count: usize,
}

/// A chain that the device has given back.
#[derive(Debug)]
pub struct Completed {
    /// What `submit` returned for it.
    pub token: u16,
    /// The buffers.
    pub chain: Chain,
    /// Bytes that the device says it has written: never more than there is room.
    pub written: usize,
}

#[expect(
    clippy::result_large_err,
    reason = "what was handed over comes back by value: nothing is allocated on the way"
)]
impl Chain {
    /// A chain without buffers.
    #[must_use]
    pub fn new() -> Chain {
        Chain::default()
    }

    /// Adds the first `length` bytes of a buffer for the device to read. Before all that it writes.
    ///
    /// # Errors
    /// Gives the buffer back if `length` is 0 or more than it has, if the chain is full, or has a writable part already.
    pub fn readable(self, buffer: DmaBuffer, length: usize) -> Result<Chain, (Chain, DmaBuffer)> {
        self.readable_part(buffer, 0..length)
    }

    /// Adds a part of a buffer for the device to read. Before all that it writes.
    ///
    /// # Errors
    /// Gives the buffer back if the part is empty or not inside it, if the chain is full, or has a writable part already.
    pub fn readable_part(self, buffer: DmaBuffer, part: Range<usize>) -> Result<Chain, (Chain, DmaBuffer)> {
        if self.count > self.readable {
            return Err((self, buffer));
        }
        let mut chain = self.push(buffer, part)?;
        chain.readable += 1;
        Ok(chain)
    }

    /// Adds the first `length` bytes of a buffer for the device to write.
    ///
    /// # Errors
    /// Gives the buffer back if `length` is 0 or more than it has, or if the chain is full.
    pub fn writable(self, buffer: DmaBuffer, length: usize) -> Result<Chain, (Chain, DmaBuffer)> {
        self.push(buffer, 0..length)
    }

    fn push(mut self, buffer: DmaBuffer, part: Range<usize>) -> Result<Chain, (Chain, DmaBuffer)> {
        if part.is_empty() || part.end > buffer.bytes().len() || self.count == CHAIN_PARTS {
            return Err((self, buffer));
        }
        self.parts[self.count] = Some((buffer, part));
        self.count += 1;
        Ok(self)
    }

    /// Takes the buffer at `index` out, in the order in which they were added.
    pub fn take(&mut self, index: usize) -> Option<DmaBuffer> {
        self.parts.get_mut(index)?.take().map(|(buffer, _)| buffer)
    }

    /// Bytes that the device may write.
    fn room(&self) -> usize {
        self.parts.iter().skip(self.readable).flatten().map(|(_, part)| part.len()).sum()
    }

    /// Runs `use_parts` on what the device reads and what it writes.
    fn with_parts<R>(
        &mut self,
        use_parts: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> R,
    ) -> R {
        let mut inputs = [&[][..]; CHAIN_PARTS];
        let mut outputs: [&mut [u8]; CHAIN_PARTS] = [(); CHAIN_PARTS].map(|()| &mut [][..]);
        let (readable, count) = (self.readable, self.count);
        let mut written = 0;
        for (index, (buffer, part)) in self.parts.iter_mut().flatten().enumerate() {
            let bytes = buffer.bytes_mut().get_mut(part.clone()).unwrap_or_default();
            if index < readable {
                inputs[index] = bytes;
            } else {
                outputs[written] = bytes;
                written += 1;
            }
        }
        use_parts(&inputs[..readable], &mut outputs[..count - readable])
    }
}

/// A queue with `SIZE` descriptors, a power of two.
pub struct Queue<const SIZE: usize> {
    index: u16,
    queue: VirtQueue<Dma, SIZE>,
    flights: [Option<Chain>; SIZE],
}

impl VirtioDevice<'_> {
    /// Sets up the queue with this number: behind `negotiate`, before `finish`. `None` if the device has none, or not one
    /// of this size, or memory is out.
    pub fn queue<const SIZE: usize>(&mut self, index: u16) -> Option<Queue<SIZE>> {
        let queue = VirtQueue::new(&mut self.transport, index, false, false).ok()?;
        Some(Queue { index, queue, flights: [const { None }; SIZE] })
    }

    /// Tells the device that something was submitted to the queue.
    pub fn notify<const SIZE: usize>(&mut self, queue: &Queue<SIZE>) {
        self.transport.notify(queue.index);
    }
}

#[expect(
    clippy::result_large_err,
    reason = "what was handed over comes back by value: nothing is allocated on the way"
)]
impl<const SIZE: usize> Queue<SIZE> {
    /// Hands a chain to the device, which learns of it by [`VirtioDevice::notify`]. Returns the number that names it until
    /// it comes back.
    ///
    /// # Errors
    /// Gives the chain back if it is empty, or the queue has no room for it.
    pub fn submit(&mut self, mut chain: Chain) -> Result<u16, Chain> {
        let is_whole = chain.count > 0 && chain.parts.iter().take(chain.count).all(Option::is_some);
        if !is_whole {
            return Err(chain);
        }
        let queue = &mut self.queue;
        // SAFETY: the buffers live in the chain, which is kept in `flights` and not touched before `take` has popped it.
        let added = chain.with_parts(|inputs, outputs| unsafe { queue.add(inputs, outputs) });
        match added {
            Ok(token) if usize::from(token) < SIZE => {
                self.flights[usize::from(token)] = Some(chain);
                Ok(token)
            }
            _ => Err(chain),
        }
    }

    /// Says whether the device shall interrupt when it gives something back. A hint to it.
    pub fn set_interrupts(&mut self, wanted: bool) {
        self.queue.set_dev_notify(wanted);
    }

    /// Takes the next chain that the device has given back, if there is one. A device that gives back what it was never
    /// given is not listened to any more.
    pub fn take(&mut self) -> Option<Completed> {
        let token = self.queue.peek_used()?;
        let flight = self.flights.get_mut(usize::from(token))?;
        let mut chain = flight.take()?;
        let queue = &mut self.queue;
        // SAFETY: the same buffers as when it was added under this token.
        let written = chain.with_parts(|inputs, outputs| unsafe { queue.pop_used(token, inputs, outputs) });
        match written {
            Ok(written) => {
                let written = (written as usize).min(chain.room());
                Some(Completed { token, chain, written })
            }
            Err(_) => {
                *flight = Some(chain);
                None
            }
        }
    }
}

impl<const SIZE: usize> Drop for Queue<SIZE> {
    fn drop(&mut self) {
        // The device may still write into them.
        for chain in &mut self.flights {
            core::mem::forget(chain.take());
        }
    }
}
