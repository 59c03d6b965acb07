//! The service: one call at a time, from the endpoint to the wire.
//!
//! Called by `main`; calls `streams` for what stands around the bytes, `wire` for the device.
//!
//! Invariant: a call is answered when the device has taken its bytes. What is called on which stream is what the kernel says.

use alloc::vec::Vec;
use core::convert::Infallible;

use capos_rt::abi::error::Exception;
use capos_rt::abi::host::{
    FRAME_BYTES_MAX, FRAME_END, FRAME_HEADER_BYTES, FrameHeader, FrameKind, GAP_BYTES, RESUME,
};
use capos_rt::device::{Arrival, Chain, DmaBuffer, Intake};
use capos_rt::schema::console::{
    Console, ConsoleFinishParams, ConsoleFinishResults, ConsoleWriteParams, ConsoleWriteResults,
};
use capos_rt::schema::device::Device;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, Mapping, untyped};

use crate::failure::Failure;
use crate::streams::{HEAD_BYTES_MAX, Streams};
use crate::wire::{INTAKE_BYTES, To, Wire};

const LOST: Failure = Failure::Device("a buffer was lost");

/// What came of a call.
enum Done {
    /// It is to be answered: bytes that were written.
    Written(u32),
    /// With an exception.
    Refused(Exception),
    /// It has been answered.
    Finished,
}

/// Where a service is in its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has a call, and has done nothing about it.
    Received,
    /// It has done what the call says, and has not answered.
    Done,
}

/// Serves, and tells `each` step. Returns only if that is impossible.
///
/// # Errors
/// [`Failure`], which becomes the process's report.
pub fn run(capabilities: &CapSet, mut each: impl FnMut(Step)) -> Result<Infallible, Failure> {
    fn get<T: Interface>(capabilities: &CapSet, name: &'static str) -> Result<Cap<T>, Failure> {
        capabilities.get(name).map_err(|error| Failure::NotGranted(name, error))
    }
    let device: Cap<Device> = get(capabilities, "device")?;
    let endpoint: Cap<Endpoint> = get(capabilities, "console")?;
    let names: Cap<MemoryObject> = get(capabilities, "names")?;
    let timer: Cap<Timer> = get(capabilities, "timer")?;
    let memory: Cap<VirtualMemory> = get(capabilities, "memory")?;
    let names = Mapping::new(&memory, &names).map_err(Failure::of("mapping the names"))?;
    let streams = Streams::read(&names).ok_or(Failure::Names)?;
    let wire = Wire::open(&device, &memory, &timer)?;
    let mut service = Service::new(&endpoint, streams, wire)?;
    loop {
        service.serve(&mut each)?;
    }
}

/// The service with all that it has.
struct Service<'s> {
    intake: Intake<'s>,
    streams: Streams<'s>,
    wire: Wire<'s>,
    /// For what stands in front of the bytes, and for outcomes; `None` while it is with the device.
    head: Option<DmaBuffer>,
}

impl<'s> Service<'s> {
    /// A service that has told the host where it begins.
    ///
    /// # Errors
    /// [`Failure`].
    fn new(
        endpoint: &'s Cap<Endpoint>,
        streams: Streams<'s>,
        mut wire: Wire<'s>,
    ) -> Result<Service<'s>, Failure> {
        let mut buffer = wire.buffer(INTAKE_BYTES)?;
        let mut head = wire.buffer(HEAD_BYTES_MAX)?;
        if streams.is_again() {
            (buffer, head) = resume(&mut wire, buffer, head)?;
        }
        let answer = ConsoleWriteResults::FIXED_BYTES;
        let intake = Intake::new(endpoint, buffer, answer).map_err(Failure::of("making room for calls"))?;
        Ok(Service { intake, streams, wire, head: Some(head) })
    }

    /// Waits for a call and does what it says.
    ///
    /// # Errors
    /// [`Failure`].
    fn serve(&mut self, each: &mut impl FnMut(Step)) -> Result<(), Failure> {
        let arrival = self.intake.wait().map_err(Failure::of("waiting for a call"))?;
        each(Step::Received);
        self.handle(arrival)?;
        each(Step::Done);
        Ok(())
    }

    fn handle(&mut self, arrival: Arrival) -> Result<(), Failure> {
        let header = arrival.header;
        let done = match (header.interface, header.method) {
            (Console::ID, Console::WRITE) => self.write(arrival)?,
            // The root: nobody else may end the run, whatever the mask of what init gave out.
            (Console::ID, Console::FINISH) if header.cookie == 0 => self.finish(arrival)?,
            _ => Done::Refused(Exception::Unimplemented),
        };
        match done {
            Done::Written(written) => {
                self.intake.answer(arrival, |out| ConsoleWriteResults { written }.encode(out).unwrap_or(0))
            }
            Done::Refused(exception) => self.intake.refuse(arrival, exception),
            Done::Finished => {}
        }
        Ok(())
    }

    fn write(&mut self, arrival: Arrival) -> Result<Done, Failure> {
        let Ok((_, data)) = ConsoleWriteParams::decode_head(self.intake.message(), arrival.bytes) else {
            return Ok(Done::Refused(Exception::InvalidArgument));
        };
        let mut front = [0; HEAD_BYTES_MAX];
        let cookie = arrival.header.cookie;
        let Ok(front_bytes) = self.streams.head(cookie, data.len(), &mut front) else {
            return Ok(Done::Refused(Exception::InvalidArgument));
        };
        if data.is_empty() {
            return Ok(Done::Written(0));
        }
        let mut head = self.head.take().ok_or(LOST)?;
        let mut body = self.intake.take().ok_or(LOST)?;
        put(&mut head, 0, front.get(..front_bytes).unwrap_or_default())?;
        let (start, end) = (Intake::MESSAGE_START + data.start, Intake::MESSAGE_START + data.end);
        put(&mut body, end, &FRAME_END)?;
        let chain = Chain::new().readable(head, front_bytes).map_err(|_| LOST)?;
        let chain = chain.readable_part(body, start..end + FRAME_END.len()).map_err(|_| LOST)?;
        let mut sent = self.wire.send(To::Output, chain)?;
        self.head = sent.take(0);
        self.intake.give_back(sent.take(1).ok_or(LOST)?).map_err(|_| LOST)?;
        self.streams.sent(cookie);
        Ok(Done::Written(data.len() as u32))
    }

    /// Delivers the outcome, behind what else waits: queues are served in turn, so that after as many calls as there are
    /// streams the oldest of each process has come.
    fn finish(&mut self, arrival: Arrival) -> Result<Done, Failure> {
        let message = self.intake.message();
        if ConsoleFinishParams::decode(message).is_err() {
            return Ok(Done::Refused(Exception::InvalidArgument));
        }
        let mut outcome = Vec::new();
        if outcome.try_reserve_exact(message.len()).is_err() {
            return Ok(Done::Refused(Exception::Failed));
        }
        outcome.extend_from_slice(message);
        for _ in 0..self.streams.count() {
            let Some(other) = self.intake.look().map_err(Failure::of("looking for a call"))? else { break };
            match other.header.method {
                Console::FINISH => self.intake.refuse(other, Exception::Overloaded),
                _ => self.handle(other)?,
            }
        }
        let header =
            FrameHeader { stream: 0, kind: FrameKind::Outcome, length: outcome.len() as u32 }.encode();
        let mut buffer = self.wire.buffer(FRAME_HEADER_BYTES + outcome.len() + FRAME_END.len())?;
        put(&mut buffer, 0, &header)?;
        put(&mut buffer, header.len(), &outcome)?;
        put(&mut buffer, header.len() + outcome.len(), &FRAME_END)?;
        let length = header.len() + outcome.len() + FRAME_END.len();
        let chain = Chain::new().readable(buffer, length).map_err(|_| LOST)?;
        self.wire.send(To::Control, chain)?;
        // Whether the caller still waits makes no difference.
        let mut reply = [0; ConsoleFinishResults::FIXED_BYTES];
        let length = ConsoleFinishResults {}.encode(&mut reply).unwrap_or(0);
        let _ = untyped::reply(arrival.header.token, reply.get(..length).unwrap_or_default(), &[]);
        Ok(Done::Finished)
    }
}

/// Tells the host that a driver before this one may have left a frame unfinished.
fn resume(
    wire: &mut Wire<'_>,
    mut buffer: DmaBuffer,
    mut head: DmaBuffer,
) -> Result<(DmaBuffer, DmaBuffer), Failure> {
    buffer.bytes_mut().fill(0);
    let mut left = GAP_BYTES;
    while left > 0 {
        let length = left.min(FRAME_BYTES_MAX);
        let chain = Chain::new().readable(buffer, length).map_err(|_| LOST)?;
        buffer = wire.send(To::Output, chain)?.take(0).ok_or(LOST)?;
        left -= length;
    }
    put(&mut head, 0, &RESUME)?;
    let chain = Chain::new().readable(head, RESUME.len()).map_err(|_| LOST)?;
    let head = wire.send(To::Output, chain)?.take(0).ok_or(LOST)?;
    Ok((buffer, head))
}

fn put(buffer: &mut DmaBuffer, at: usize, bytes: &[u8]) -> Result<(), Failure> {
    let place = buffer.bytes_mut().get_mut(at..at + bytes.len()).ok_or(LOST)?;
    place.copy_from_slice(bytes);
    Ok(())
}
