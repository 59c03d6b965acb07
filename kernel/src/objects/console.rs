//! Console: streams of bytes that leave the machine, as frames through one port of the virtio console.
//!
//! Specified by `schema/interfaces/console.capnp` and `capos_abi::host`. Called by `invoke`, and by the scheduler when the
//! device may have taken a frame.
//!
//! Invariant: one frame is in flight at a time and frames leave in the order of the calls, so the order between streams is
//! the order of writing. A write completes when the device has taken its bytes; until then it is an operation, and ring 0
//! never waits. The device reads the writer's own frames, which it owns until it is done.

use crate::calls::message::{SMALL, WITH_NAME, malformed};
use crate::calls::operation::{Operation, Parked};
use crate::calls::transfer::Gift;
use crate::calls::{Answer, Call, Origin};
use crate::holdings::Kind;
use crate::kernel::{Kernel, Waiters};
use crate::memory::charge::insert;
use crate::objects::Object;
use crate::processes::Process;
use crate::processes::layout::PAGE;
use crate::processes::name::{NAME_BYTES_MAX, Name};
use alloc::vec::Vec;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::host::{
    CONTROL_PORT, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, FrameHeader, FrameKind, OUTPUT_PORT, StreamKind,
};
use capos_abi::ring::FLAG_PARAMETERS_IN_AREA;
use capos_kernel_core::list::List;
use capos_kernel_core::pool::Id;
use capos_kernel_core::storage::{self, AllocationRefused};
use capos_kernel_hal::virtio::console::{Console as Device, PIECES_MAX, Piece, Port};
use capos_schema::console::{
    Console, ConsoleOpenParams, ConsoleOpenResults, ConsoleStream, ConsoleWriteParams, ConsoleWriteResults,
};

/// Nanoseconds between two looks at a device whose host is slow.
const POLL_NANOSECONDS: u64 = 200_000;
/// Waiting writes that one look starts at most.
const WRITES_PER_LOOK: u32 = 16;
/// Bytes in front of a write's data: a declaration (header, kind, name) and the data's own header.
const HEAD_BYTES: usize = FRAME_HEADER_BYTES + 1 + NAME_BYTES_MAX + FRAME_HEADER_BYTES;

/// A stream with its label.
pub(crate) struct Stream {
    name: Name,
    kind: StreamKind,
    is_declared: bool,
    holders: u32,
    pub(crate) account: Option<Id<Process>>,
}

/// The device, and who uses it.
pub(crate) struct ConsoleDevice {
    pub(crate) device: Option<Device>,
    output: Option<Port>,
    pub(crate) control: Option<Port>,
    is_busy: bool,
    /// The write whose frame is in flight, with its bytes. Kept here and charged to nobody: what has been sent cannot be
    /// refused any more. Its thread may have ended meanwhile.
    sender: Option<(Origin, u32)>,
    /// Writes that wait for their turn, over `Kernel::wait_links`.
    pub(crate) queue: Waiters,
    pieces: Vec<Piece>,
}

impl ConsoleDevice {
    /// A device with the ports of the host command, as far as they are there.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub(crate) fn new(device: Option<Device>) -> Result<ConsoleDevice, AllocationRefused> {
        let port = |name| device.as_ref().and_then(|device| device.port(name));
        let (output, control) = (port(OUTPUT_PORT), port(CONTROL_PORT));
        let mut pieces = Vec::new();
        storage::reserve(&mut pieces, PIECES_MAX)?;
        Ok(ConsoleDevice {
            device,
            output,
            control,
            is_busy: false,
            sender: None,
            queue: List::EMPTY,
            pieces,
        })
    }

    /// True if the device has taken what was sent last.
    fn is_free(&mut self) -> bool {
        if let (true, Some(device), Some(port)) = (self.is_busy, self.device.as_mut(), self.output) {
            self.is_busy = !device.poll(port);
        }
        !self.is_busy
    }
}

impl Kernel {
    /// Makes a stream without holders, its record charged to `account`.
    ///
    /// # Errors
    /// "limit reached", "out of memory".
    pub(crate) fn create_stream(
        &mut self,
        name: Name,
        kind: StreamKind,
        account: Option<Id<Process>>,
    ) -> Result<Id<Stream>, Transport> {
        if let Some(account) = account {
            self.take_entries(account, Kind::Stream, 1)?;
        }
        let stream = Stream { name, kind, is_declared: false, holders: 0, account };
        insert(&mut self.streams, stream).ok_or_else(|| {
            if let Some(account) = account {
                self.return_entries(account, Kind::Stream, 1);
            }
            Transport::OutOfMemory
        })
    }

    pub(crate) fn retain_stream(&mut self, stream: Id<Stream>) {
        if let Some(stream) = self.streams.get_mut(stream) {
            stream.holders += 1;
        }
    }

    pub(crate) fn release_stream(&mut self, id: Id<Stream>) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        stream.holders = stream.holders.saturating_sub(1);
        if stream.holders == 0 {
            if let Some(account) = stream.account {
                self.return_entries(account, Kind::Stream, 1);
            }
            self.streams.remove(id);
        }
    }

    pub(crate) fn call_console(&mut self, call: &Call<'_>, stream: Id<Stream>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Console::WRITE => self.write_console(call, stream),
            Console::OPEN => self.open_console(call),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn open_console(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<WITH_NAME>(call)?;
        let ConsoleOpenParams { name, stream } =
            ConsoleOpenParams::decode(message.bytes()).map_err(malformed)?;
        let name = Name::new(name).ok_or(Exception::InvalidArgument)?;
        let kind = match stream {
            ConsoleStream::Output => StreamKind::Output,
            ConsoleStream::Error => StreamKind::Error,
        };
        let process = call.origin.process;
        self.prepare_reply(call, ConsoleOpenResults::FIXED_BYTES, 1)?;
        let stream = match self.create_stream(name, kind, Some(process)) {
            Ok(stream) => stream,
            Err(error) => {
                self.cancel_slots(process, 1);
                return Err(error.into());
            }
        };
        self.give(call, 0, Gift::of::<Console>(Object::Console(stream), 1 << Console::WRITE))?;
        let answer = self.reply(call.origin, |out| ConsoleOpenResults { console: Some(0) }.encode(out))?;
        Ok(answer.with_capabilities(1))
    }

    fn write_console(&mut self, call: &Call<'_>, stream: Id<Stream>) -> Result<Answer, CallError> {
        let Call { origin, capability } = *call;
        self.prepare_result(origin, ConsoleWriteResults::FIXED_BYTES)?;
        // The device may have taken the frame in flight while its sender still waits to be told: it is told at the next look.
        if self.console.sender.is_some() || !self.console.queue.is_empty() || !self.console.is_free() {
            self.park(origin, Parked::ConsoleTurn(stream), Some(capability.node))?;
            return Ok(Answer::Parked);
        }
        let written = self.send(origin, stream)?;
        if self.console.is_free() {
            return self.reply(origin, |out| ConsoleWriteResults { written }.encode(out));
        }
        self.console.sender = Some((*origin, written));
        self.timers.set(Kernel::CONSOLE_TIMER, self.clock.now() + POLL_NANOSECONDS);
        Ok(Answer::Parked)
    }

    /// Hands the bytes of a write to the device; returns how many.
    fn send(&mut self, origin: &Origin, id: Id<Stream>) -> Result<u32, CallError> {
        let message = self.parameters_head::<SMALL>(origin)?;
        let message_bytes = origin.submission.length as usize;
        let (_, data) = ConsoleWriteParams::decode_head(message.bytes(), message_bytes).map_err(malformed)?;
        if data.len() > FRAME_BYTES_MAX {
            return Err(Exception::InvalidArgument.into());
        }
        if data.is_empty() {
            return Ok(0);
        }
        self.gather(origin, data.start, data.len())?;
        let stream = self.streams.get_mut(id).ok_or(Transport::Disconnected)?;
        let mut head = [0; HEAD_BYTES];
        let head_bytes = encode_head(stream, id.index() as u16 + 1, data.len() as u32, &mut head);
        let ConsoleDevice { device, output, pieces, is_busy, .. } = &mut self.console;
        let (Some(device), Some(port)) = (device.as_mut(), *output) else {
            pieces.clear();
            return Err(Exception::Failed.into());
        };
        let sent = device.send(port, head.get(..head_bytes).unwrap_or(&[]), pieces);
        pieces.clear();
        sent.map_err(|_| Exception::Failed)?;
        stream.is_declared = true;
        *is_busy = true;
        Ok(data.len() as u32)
    }

    /// Lists where `length` bytes of the parameter message from `start` on lie in memory.
    fn gather(&mut self, origin: &Origin, start: usize, length: usize) -> Result<(), Transport> {
        let mut pieces = core::mem::take(&mut self.console.pieces);
        let gathered = self.gather_into(&mut pieces, origin, start, length);
        if gathered.is_err() {
            pieces.clear();
        }
        self.console.pieces = pieces;
        gathered
    }

    fn gather_into(
        &mut self,
        pieces: &mut Vec<Piece>,
        origin: &Origin,
        start: usize,
        length: usize,
    ) -> Result<(), Transport> {
        let address = origin.submission.address.checked_add(start as u64).ok_or(Transport::BadAddress)?;
        if origin.submission.flags & FLAG_PARAMETERS_IN_AREA != 0 {
            let thread = self.threads.get(origin.thread).ok_or(Transport::Disconnected)?;
            let is_whole = thread.ring.area_pieces(address, length, |frame, offset, range| {
                let piece = Piece { frame: frame.clone(), offset, length: range.len() };
                storage::push(pieces, piece)
            });
            return if is_whole { Ok(()) } else { Err(Transport::BadAddress) };
        }
        let mut done = 0;
        while done < length {
            let at = address.checked_add(done as u64).ok_or(Transport::BadAddress)?;
            let offset = (at % PAGE) as usize;
            let size = (PAGE as usize - offset).min(length - done);
            let frame = self.user_page(origin.process, at / PAGE)?;
            if !storage::push(pieces, Piece { frame, offset, length: size }) {
                return Err(Transport::TooLarge);
            }
            done += size;
        }
        Ok(())
    }

    /// Looks at the console when its time has come; later, if what a waiting write has its bytes in may be being unmapped.
    pub(crate) fn poll_console(&mut self) {
        if self.work.is_unmapping() {
            self.timers.set(Kernel::CONSOLE_TIMER, self.clock.now() + POLL_NANOSECONDS);
        } else {
            self.look_at_console();
        }
    }

    /// Looks whether the device has taken the frame in flight, completes its write, and starts those that wait.
    pub(crate) fn look_at_console(&mut self) {
        for _ in 0..WRITES_PER_LOOK {
            if !self.console.is_free() {
                self.timers.set(Kernel::CONSOLE_TIMER, self.clock.now() + POLL_NANOSECONDS);
                return;
            }
            if let Some((origin, written)) = self.console.sender.take() {
                self.complete_write(&origin, Ok(written));
            }
            let Some(next) = self.console.queue.first().and_then(|index| self.operations.id_at(index)) else {
                return;
            };
            self.start_waiting_write(next);
        }
        self.timers.set(Kernel::CONSOLE_TIMER, self.clock.now());
    }

    /// True while bytes that were accepted have not left.
    pub(crate) fn is_console_pending(&mut self) -> bool {
        !self.console.is_free() || !self.console.queue.is_empty()
    }

    /// The turn of a write has come.
    fn start_waiting_write(&mut self, id: Id<Operation>) {
        let Some(Operation { origin, parked: Parked::ConsoleTurn(stream), .. }) =
            self.operations.get(id).copied()
        else {
            return;
        };
        let sent = self.send(&origin, stream);
        self.take_operation(id);
        match sent {
            Ok(written) if !self.console.is_free() => self.console.sender = Some((origin, written)),
            sent => self.complete_write(&origin, sent),
        }
    }

    /// Answers a write, if its thread is still there.
    fn complete_write(&mut self, origin: &Origin, written: Result<u32, CallError>) {
        if self.threads.get(origin.thread).is_none() {
            return;
        }
        let answer =
            written.and_then(|written| self.reply(origin, |out| ConsoleWriteResults { written }.encode(out)));
        self.answer(origin.thread, origin.submission.user_data, answer);
    }
}

/// Writes what stands in front of the data, the stream's declaration included if it is the first; returns its bytes.
fn encode_head(stream: &Stream, number: u16, length: u32, head: &mut [u8; HEAD_BYTES]) -> usize {
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = head.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
            at += bytes.len();
        }
    };
    if !stream.is_declared {
        let name = stream.name.as_str().as_bytes();
        let declaration =
            FrameHeader { stream: number, kind: FrameKind::Declare, length: 1 + name.len() as u32 };
        put(&declaration.encode());
        put(&[stream.kind as u8]);
        put(name);
    }
    put(&FrameHeader { stream: number, kind: FrameKind::Data, length }.encode());
    at
}
