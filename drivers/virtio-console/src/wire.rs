//! The device: its control queues, and the two ports that lead to the host command.
//!
//! Called by `serve`; calls `capos_rt::device` and, for what is said on the control queues, `ports`.
//!
//! Invariant: at most one chain is with the device on each port, and as many receive buffers on the control queue as it can
//! need at a time: QEMU drops what finds none. Every wait during the set-up has an end.

use alloc::vec::Vec;

use capos_rt::device::{Chain, Completed, DmaBuffer, Queue, VirtioDevice};
use capos_rt::schema::device::Device;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, Deadline};

use capos_rt::abi::host::{CONTROL_PORT, OUTPUT_PORT};

use crate::failure::Failure;
use crate::ports::{Message, PORTS_MAX, Ports, READY, transmit_queue};

/// Several ports.
const FEATURE_MULTIPORT: u64 = 1 << 1;
/// Offset of the number of ports in the device's configuration.
const CONFIGURATION_PORTS: usize = 4;
const CONTROL_RECEIVE: u16 = 2;
const CONTROL_TRANSMIT: u16 = 3;
/// Messages of the device that are not looked at yet.
const HEARD_MAX: usize = 8;
/// Descriptors of a port's queue: a head and the bytes behind it.
const PORT_ENTRIES: usize = 4;
const PAGE: usize = 4096;
/// Memory for the device: two pages for each queue, one for each message of the control queues and for heads and outcomes, and
/// the buffer into which calls are received.
const DMA_BYTES: usize = (2 * (2 + PORTS_MAX) + HEARD_MAX + 2) * PAGE + INTAKE_BYTES;
/// Bytes of the buffer for calls: the longest with what stands before it, and a frame's end.
pub const INTAKE_BYTES: usize = 17 * PAGE;
/// How long the device may take to name its ports, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

const LOST: Failure = Failure::Device("a buffer was lost");
const FULL: Failure = Failure::Device("a queue takes nothing");

/// A port that the host command listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The streams.
    Output,
    /// The outcome.
    Control,
}

/// The device with its queues.
pub struct Wire<'m> {
    device: VirtioDevice<'m>,
    hears: Queue<HEARD_MAX>,
    says: Queue<2>,
    ports: Vec<Queue<PORT_ENTRIES>>,
    /// The places of the two in `ports`.
    output: usize,
    control: usize,
}

impl<'m> Wire<'m> {
    /// Sets the device up and finds the ports.
    ///
    /// # Errors
    /// [`Failure`]: also if the device does not name them in time.
    pub fn open(
        device: &Cap<Device>,
        memory: &'m Cap<VirtualMemory>,
        timer: &Cap<Timer>,
    ) -> Result<Wire<'m>, Failure> {
        let mut device =
            VirtioDevice::open(device, memory, DMA_BYTES).map_err(Failure::of("opening the device"))?;
        if device.negotiate(FEATURE_MULTIPORT).is_none_or(|agreed| agreed & FEATURE_MULTIPORT == 0) {
            return Err(Failure::Device("the device does not agree on its features"));
        }
        let count = device.configuration_u32(CONFIGURATION_PORTS).unwrap_or(0);
        let no_queue = Failure::Device("the device lacks a queue");
        let hears = device.queue(CONTROL_RECEIVE).ok_or(no_queue)?;
        let says = device.queue(CONTROL_TRANSMIT).ok_or(no_queue)?;
        let mut ports = Vec::new();
        for port in 0..PORTS_MAX.min(count as usize) {
            let mut queue: Queue<PORT_ENTRIES> = device.queue(transmit_queue(port)).ok_or(no_queue)?;
            queue.set_interrupts(false);
            ports.push(queue);
        }
        device.finish();
        // The line is masked until here.
        device.acknowledge().map_err(Failure::of("acknowledging the interrupt"))?;
        let mut wire = Wire { device, hears, says, ports, output: 0, control: 0 };
        wire.find_ports(timer)?;
        Ok(wire)
    }

    /// Memory that the device reads.
    ///
    /// # Errors
    /// If what was set aside is used up.
    pub fn buffer(&self, bytes: usize) -> Result<DmaBuffer, Failure> {
        self.device.buffer(bytes).ok_or(Failure::Device("no memory for a buffer"))
    }

    fn find_ports(&mut self, timer: &Cap<Timer>) -> Result<(), Failure> {
        let now = timer.now().map_err(Failure::of("reading the clock"))?;
        let deadline = Deadline::at(timer, now.saturating_add(PATIENCE));
        for _ in 0..HEARD_MAX {
            let buffer = self.buffer(PAGE)?;
            self.listen(buffer)?;
        }
        self.device.notify(&self.hears);
        let mut words = Some(self.buffer(PAGE)?);
        let mut known = Ports::default();
        self.say(&READY, &mut words, deadline)?;
        loop {
            while let Some(mut heard) = self.hears.take() {
                let buffer = heard.chain.take(0).ok_or(LOST)?;
                let answer = known.hear(buffer.bytes().get(..heard.written).unwrap_or_default());
                self.listen(buffer)?;
                self.device.notify(&self.hears);
                if let Some(answer) = answer {
                    self.say(&answer, &mut words, deadline)?;
                }
            }
            let is_used = |port: &usize| *port < self.ports.len();
            let found = (known.find(OUTPUT_PORT).filter(is_used), known.find(CONTROL_PORT).filter(is_used));
            if let (Some(output), Some(control)) = found {
                (self.output, self.control) = (output, control);
                // What the device says from now on is not listened to.
                self.hears.set_interrupts(false);
                self.says.set_interrupts(false);
                return Ok(());
            }
            self.wait(deadline)?;
        }
    }

    /// Gives the device room for a message.
    fn listen(&mut self, buffer: DmaBuffer) -> Result<(), Failure> {
        let chain = Chain::new().writable(buffer, PAGE).map_err(|_| LOST)?;
        self.hears.submit(chain).map(drop).map_err(|_| FULL)
    }

    /// Sends a message on the control queue, and waits until the device has acted on it.
    fn say(
        &mut self,
        message: &Message,
        words: &mut Option<DmaBuffer>,
        deadline: Deadline<'_>,
    ) -> Result<(), Failure> {
        let mut buffer = words.take().ok_or(LOST)?;
        buffer.bytes_mut().get_mut(..message.len()).ok_or(LOST)?.copy_from_slice(message);
        let chain = Chain::new().readable(buffer, message.len()).map_err(|_| LOST)?;
        self.says.submit(chain).map_err(|_| FULL)?;
        self.device.notify(&self.says);
        loop {
            if let Some(mut said) = self.says.take() {
                *words = said.chain.take(0);
                return Ok(());
            }
            self.wait(deadline)?;
        }
    }

    /// Waits for the device's interrupt.
    fn wait(&mut self, deadline: Deadline<'_>) -> Result<(), Failure> {
        let waiting = self.device.interrupt().begin_wait().and_then(|wait| wait.wait_until(deadline));
        waiting.map_err(|_| Failure::Device("the device does not name its ports"))?;
        self.device.acknowledge().map_err(Failure::of("acknowledging the interrupt"))
    }

    /// Hands a chain to the device and waits, however long the host takes, until it has been read; returns it.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn send(&mut self, to: To, chain: Chain) -> Result<Chain, Failure> {
        let place = if to == To::Output { self.output } else { self.control };
        let port = self.ports.get_mut(place).ok_or(LOST)?;
        port.submit(chain).map_err(|_| FULL)?;
        self.device.notify(port);
        // Mostly the device is done when it has been told.
        if let Some(Completed { chain, .. }) = port.take() {
            return Ok(chain);
        }
        port.set_interrupts(true);
        let sent = loop {
            if let Some(Completed { chain, .. }) = port.take() {
                break chain;
            }
            self.device.interrupt().wait().map_err(Failure::of("waiting for the device"))?;
            self.device.acknowledge().map_err(Failure::of("acknowledging the interrupt"))?;
        };
        port.set_interrupts(false);
        Ok(sent)
    }
}
