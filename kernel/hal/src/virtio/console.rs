//! The multi-port console: ports by name, one send in flight per port.
//!
//! Called by the kernel's console objects. Virtio 1.2, section 5.3.
//!
//! Invariant: frames that the device may still read are owned by the port until the device has given them back.

mod control;

use super::{dma::Dma, negotiate};
use crate::PAGE_BYTES;
use crate::frames::{Frame, SharedFrame};
use crate::paging::DIRECT_MAP;
use crate::time::Clock;
use alloc::boxed::Box;
use control::Control;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::{SomeTransport, Transport};

/// Several ports.
const FEATURE_MULTIPORT: u64 = 1 << 1;
/// Offset of the number of ports in the device's configuration.
const CONFIGURATION_PORTS: usize = 4;
/// Ports that are used at most; further ones are ignored.
const PORTS_MAX: usize = 8;
/// Descriptors of a port's queue: one send with all its pieces fits.
const QUEUE_ENTRIES: usize = 32;
/// Bytes of a port's name at most.
const NAME_BYTES_MAX: usize = 64;

/// Bytes of a head at most.
pub const HEAD_BYTES_MAX: usize = PAGE_BYTES;
/// Pieces of a send at most: 64 KiB and its message around it, from any offset.
pub const PIECES_MAX: usize = 18;

const _: () = assert!(PIECES_MAX < QUEUE_ENTRIES);

/// A port of the console; only [`Console::port`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(u8);

/// A part of what is sent: `length` bytes of a frame, from `offset` on.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The frame; owned by the port until the send is done.
    pub frame: SharedFrame,
    /// First byte.
    pub offset: usize,
    /// Bytes, at least one.
    pub length: usize,
}

/// Why nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The send before is not done: `poll` first.
    Busy,
    /// Head or pieces are too many, too long, empty or outside their frame.
    TooLarge,
}

/// What is with the device.
#[derive(Debug)]
struct Flight {
    token: u16,
    head_bytes: usize,
    pieces: [Option<Piece>; PIECES_MAX],
}

#[derive(Debug)]
struct PortState {
    name: [u8; NAME_BYTES_MAX],
    name_bytes: usize,
    queue: VirtQueue<Dma, QUEUE_ENTRIES>,
    head: Frame,
    flight: Option<Flight>,
}

/// The driver. The transport is its first field: dropping it resets the device before its memory is freed.
#[derive(Debug)]
pub struct Console {
    transport: SomeTransport<'static>,
    ports: Box<[Option<PortState>; PORTS_MAX]>,
    control: Control,
}

/// The queue through which a port sends.
fn transmit_queue(port: usize) -> u16 {
    if port == 0 { 1 } else { 2 * port as u16 + 3 }
}

impl Console {
    /// `None` if the device does not conform, has one port only, does not answer, or memory is out.
    pub(super) fn new(mut transport: SomeTransport<'static>, clock: &Clock) -> Option<Console> {
        negotiate(&mut transport, FEATURE_MULTIPORT)?;
        let count: u32 = transport.read_config_space(CONFIGURATION_PORTS).ok()?;
        let control = Control::new(&mut transport)?;
        let mut ports = Box::try_new([const { None }; PORTS_MAX]).ok()?;
        for (port, state) in ports.iter_mut().enumerate().take(count as usize) {
            *state = Some(PortState::new(&mut transport, port)?);
        }
        let mut console = Console { transport, ports, control };
        console.transport.finish_init();
        console.control.start(&mut console.transport, clock, |port, name| {
            if let Some(state) = console.ports.get_mut(port).and_then(Option::as_mut) {
                state.set_name(name);
            }
        })?;
        Some(console)
    }

    /// The port with this name.
    pub fn port(&self, name: &str) -> Option<Port> {
        let has_name = |state: &Option<PortState>| {
            state.as_ref().is_some_and(|state| state.name_bytes > 0 && state.name() == name.as_bytes())
        };
        self.ports.iter().position(has_name).map(|port| Port(port as u8))
    }

    fn state(&mut self, port: Port) -> Option<&mut PortState> {
        self.ports.get_mut(usize::from(port.0))?.as_mut()
    }

    /// Sends `head`, which is copied, and the pieces behind it, which are not, as one message. Usually done when it
    /// returns: [`Console::poll`] says.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent.
    pub fn send(&mut self, port: Port, head: &[u8], pieces: &[Piece]) -> Result<(), SendError> {
        if !self.poll(port) {
            return Err(SendError::Busy);
        }
        self.state(port).ok_or(SendError::TooLarge)?.add(head, pieces)?;
        self.transport.notify(transmit_queue(usize::from(port.0)));
        Ok(())
    }

    /// True if the port's last send is done, and its frames are released. The host may take arbitrarily long (a full
    /// pipe): look again after a Timer event.
    pub fn poll(&mut self, port: Port) -> bool {
        self.state(port).is_none_or(PortState::collect)
    }
}

impl PortState {
    fn new(transport: &mut SomeTransport<'static>, port: usize) -> Option<PortState> {
        let mut queue = VirtQueue::new(transport, transmit_queue(port), false, false).ok()?;
        queue.set_dev_notify(false);
        let head = Frame::new().ok()?;
        Some(PortState { name: [0; NAME_BYTES_MAX], name_bytes: 0, queue, head, flight: None })
    }

    fn name(&self) -> &[u8] {
        &self.name[..self.name_bytes]
    }

    fn set_name(&mut self, name: &[u8]) {
        if let Some(target) = self.name.get_mut(..name.len()) {
            target.copy_from_slice(name);
            self.name_bytes = name.len();
        }
    }

    fn add(&mut self, head: &[u8], pieces: &[Piece]) -> Result<(), SendError> {
        let is_inside = |piece: &Piece| {
            piece.length > 0 && piece.offset.checked_add(piece.length).is_some_and(|end| end <= PAGE_BYTES)
        };
        if head.len() > HEAD_BYTES_MAX
            || pieces.len() > PIECES_MAX
            || (head.is_empty() && pieces.is_empty())
            || !pieces.iter().all(is_inside)
        {
            return Err(SendError::TooLarge);
        }
        self.head.bytes_mut()[..head.len()].copy_from_slice(head);
        let mut flight = Flight { token: 0, head_bytes: head.len(), pieces: [const { None }; PIECES_MAX] };
        for (place, piece) in flight.pieces.iter_mut().zip(pieces) {
            *place = Some(piece.clone());
        }
        let mut buffers = [&[][..]; PIECES_MAX + 1];
        let count = flight.buffers(&self.head, &mut buffers);
        // SAFETY: the flight owns the frames, and is kept until `collect` has popped it.
        let token = unsafe { self.queue.add(&buffers[..count], &mut []) };
        flight.token = token.map_err(|_| SendError::Busy)?;
        self.flight = Some(flight);
        Ok(())
    }

    /// True if nothing is with the device.
    fn collect(&mut self) -> bool {
        let Some(flight) = &self.flight else {
            return true;
        };
        if !self.queue.can_pop() {
            return false;
        }
        let mut buffers = [&[][..]; PIECES_MAX + 1];
        let count = flight.buffers(&self.head, &mut buffers);
        // SAFETY: the same buffers as when it was added.
        let is_done = unsafe { self.queue.pop_used(flight.token, &buffers[..count], &mut []) }.is_ok();
        if is_done {
            self.flight = None;
        }
        is_done
    }
}

impl Flight {
    /// The parts in order; returns how many.
    ///
    /// The slices over shared frames are for the queue, which takes their addresses and never looks at a byte; ring
    /// 3, which may write them, does not run before they are gone.
    fn buffers<'a>(&'a self, head: &'a Frame, buffers: &mut [&'a [u8]; PIECES_MAX + 1]) -> usize {
        let mut count = 0;
        if self.head_bytes > 0 {
            buffers[0] = &head.bytes()[..self.head_bytes];
            count = 1;
        }
        for piece in self.pieces.iter().flatten() {
            let start = (DIRECT_MAP + piece.frame.physical()) as *const u8;
            // SAFETY: inside the frame (`add` has looked), which the piece owns; see above.
            buffers[count] =
                unsafe { core::slice::from_raw_parts(start.wrapping_add(piece.offset), piece.length) };
            count += 1;
        }
        count
    }
}
