//! The host's random source.
//!
//! Called by the kernel's entropy pool. Virtio 1.2, section 5.4.
//!
//! Invariant: at most one request is with the device, and its buffer is owned by the driver until it comes back.

use super::{dma::Dma, negotiate, wait};
use crate::frames::Frame;
use crate::time::Clock;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{SomeTransport, Transport};

const QUEUE: u16 = 0;
/// Bytes of a request.
pub const BYTES_MAX: usize = 64;

/// The driver. The transport is its first field: dropping it resets the device before its memory is freed.
#[derive(Debug)]
pub struct Rng {
    transport: SomeTransport<'static>,
    queue: VirtQueue<Dma, 2>,
    buffer: Frame,
    /// The request that is with the device.
    request: Option<u16>,
}

impl Rng {
    /// `None` if the device does not conform or memory is out.
    pub(super) fn new(mut transport: SomeTransport<'static>) -> Option<Rng> {
        negotiate(&mut transport, 0)?;
        let mut queue = VirtQueue::new(&mut transport, QUEUE, false, false).ok()?;
        queue.set_dev_notify(false);
        let mut rng = Rng { transport, queue, buffer: Frame::new().ok()?, request: None };
        rng.transport.finish_init();
        Some(rng)
    }

    /// Reads up to [`BYTES_MAX`] bytes; waits for the host for at most `patience` nanoseconds. Returns the bytes
    /// read, 0 if the host was late (they come with the next read then).
    pub fn read(&mut self, bytes: &mut [u8], clock: &Clock, patience: u64) -> usize {
        let Some(request) = self.request.or_else(|| self.send_request()) else {
            return 0;
        };
        self.request = Some(request);
        if !wait(clock, patience, || self.queue.can_pop()) {
            return 0;
        }
        let buffer = &mut self.buffer.bytes_mut()[..BYTES_MAX];
        // SAFETY: the same buffer as in `send_request`.
        let received = unsafe { self.queue.pop_used(request, &[], &mut [&mut *buffer]) };
        self.request = None;
        let length = received.map_or(0, |length| length as usize).min(BYTES_MAX).min(bytes.len());
        bytes[..length].copy_from_slice(&buffer[..length]);
        buffer.fill(0);
        length
    }

    fn send_request(&mut self) -> Option<u16> {
        let buffer = &mut self.buffer.bytes_mut()[..BYTES_MAX];
        // SAFETY: the driver owns the buffer and does not touch it before `pop_used` has succeeded.
        let request = unsafe { self.queue.add(&[], &mut [buffer]) }.ok()?;
        self.transport.notify(QUEUE);
        Some(request)
    }
}
