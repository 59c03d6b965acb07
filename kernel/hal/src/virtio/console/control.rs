//! The console's control queues: which ports there are and what they are called.
//!
//! Called by [`super::Console`] at start-up. Virtio 1.2, section 5.3.6.2.
//!
//! Invariant: as many receive buffers are with the device as it can need at a time; QEMU drops what finds none.

use crate::frames::Frame;
use crate::time::Clock;
use crate::virtio::dma::Dma;
use crate::virtio::{PATIENCE, wait};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{SomeTransport, Transport};

const RECEIVE_QUEUE: u16 = 2;
const TRANSMIT_QUEUE: u16 = 3;
/// Buffers of a received message, all in one frame: header and name.
const BUFFERS: usize = 32;
const BUFFER_BYTES: usize = crate::PAGE_BYTES / BUFFERS;
const HEADER_BYTES: usize = 8;

const DEVICE_READY: u16 = 0;
const PORT_ADD: u16 = 1;
const PORT_READY: u16 = 3;
const PORT_OPEN: u16 = 6;
const PORT_NAME: u16 = 7;
/// The port number of messages that are about the device.
const DEVICE: u32 = u32::MAX;

#[derive(Debug)]
pub(super) struct Control {
    receive: VirtQueue<Dma, BUFFERS>,
    transmit: VirtQueue<Dma, 2>,
    received: Frame,
    sent: Frame,
}

/// A received message.
struct Message {
    port: u32,
    event: u16,
    text: [u8; BUFFER_BYTES],
    text_bytes: usize,
}

impl Control {
    pub(super) fn new(transport: &mut SomeTransport<'static>) -> Option<Control> {
        let mut control = Control {
            receive: VirtQueue::new(transport, RECEIVE_QUEUE, false, false).ok()?,
            transmit: VirtQueue::new(transport, TRANSMIT_QUEUE, false, false).ok()?,
            received: Frame::new().ok()?,
            sent: Frame::new().ok()?,
        };
        control.receive.set_dev_notify(false);
        control.transmit.set_dev_notify(false);
        (0..BUFFERS).all(|index| control.offer(index)).then_some(control)
    }

    /// Gives a receive buffer to the device. The queue hands out its descriptors in order, so that the token of a
    /// buffer is its index: one buffer, one descriptor.
    fn offer(&mut self, index: usize) -> bool {
        let buffer = &mut self.received.bytes_mut()[index * BUFFER_BYTES..][..BUFFER_BYTES];
        // SAFETY: the buffer is the device's until `receive` has popped it.
        let token = unsafe { self.receive.add(&[], &mut [buffer]) };
        token == Ok(index as u16)
    }

    /// Asks for all ports, reports the name of each, and opens it. `None` if the device does not answer.
    pub(super) fn start(
        &mut self,
        transport: &mut SomeTransport<'static>,
        clock: &Clock,
        mut set_name: impl FnMut(usize, &[u8]),
    ) -> Option<()> {
        transport.notify(RECEIVE_QUEUE);
        self.send(transport, clock, DEVICE, DEVICE_READY)?;
        while let Some(message) = self.receive(transport) {
            match message.event {
                // The name comes in answer to this, before the device gives the message back.
                PORT_ADD => self.send(transport, clock, message.port, PORT_READY)?,
                PORT_NAME => {
                    set_name(message.port as usize, &message.text[..message.text_bytes]);
                    self.send(transport, clock, message.port, PORT_OPEN)?;
                }
                _ => {}
            }
        }
        Some(())
    }

    /// Sends a message and waits until the device has acted on it.
    fn send(
        &mut self,
        transport: &mut SomeTransport<'static>,
        clock: &Clock,
        port: u32,
        event: u16,
    ) -> Option<()> {
        let buffer = &mut self.sent.bytes_mut()[..HEADER_BYTES];
        let message = u64::from(port) | u64::from(event) << 32 | 1 << 48;
        buffer.copy_from_slice(&message.to_le_bytes());
        // SAFETY: the buffer stays as it is until it is popped; if the device never gives it back, the driver is
        // given up, which resets the device.
        let token = unsafe { self.transmit.add(&[buffer], &mut []) }.ok()?;
        transport.notify(TRANSMIT_QUEUE);
        if !wait(clock, PATIENCE, || self.transmit.can_pop()) {
            return None;
        }
        // SAFETY: the same buffer as above.
        unsafe { self.transmit.pop_used(token, &[buffer], &mut []) }.ok()?;
        Some(())
    }

    /// The next message, if there is one; its buffer goes back to the device.
    fn receive(&mut self, transport: &mut SomeTransport<'static>) -> Option<Message> {
        let token = self.receive.peek_used()?;
        let buffer = self.received.bytes_mut().get_mut(usize::from(token) * BUFFER_BYTES..)?;
        let buffer = buffer.get_mut(..BUFFER_BYTES)?;
        // SAFETY: the buffer that `offer` gave under this token.
        let length = unsafe { self.receive.pop_used(token, &[], &mut [&mut *buffer]) }.ok()? as usize;
        let header = u64::from_le_bytes(*buffer.first_chunk()?);
        let mut message = Message {
            port: header as u32,
            event: (header >> 32) as u16,
            text: [0; BUFFER_BYTES],
            text_bytes: 0,
        };
        let text = &buffer[HEADER_BYTES..length.clamp(HEADER_BYTES, BUFFER_BYTES)];
        message.text[..text.len()].copy_from_slice(text);
        // QEMU ends the name with a zero byte.
        message.text_bytes = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        if self.offer(usize::from(token)) {
            transport.notify(RECEIVE_QUEUE);
        }
        Some(message)
    }
}
