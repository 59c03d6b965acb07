//! The device: one request at a time, and a feed every few minutes.
//!
//! Called by `main`; calls `capos_rt::device`, EntropySink and Timer.
//!
//! Invariant: the buffer of a request is the device's until the device has given it back.

use core::convert::Infallible;
use core::fmt::{Display, Formatter};

use capos_rt::abi::error::CallError;
use capos_rt::device::{Chain, DmaBuffer, Queue, VirtioDevice};
use capos_rt::schema::device::Device;
use capos_rt::schema::entropy_sink::EntropySink;
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, CapSetError};

use crate::collect::{Collector, Distrust, PORTION_BYTES};

/// The queue of requests. Virtio 1.2, section 5.4.2.
const REQUESTS: u16 = 0;
/// Descriptors: one request is with the device at a time.
const QUEUE_ENTRIES: usize = 2;
/// Memory for the device: two pages for the queue, one for the buffer.
const DMA_BYTES: usize = 3 * 4096;
/// Nanoseconds from one feed to the next.
const INTERVAL: u64 = 300_000_000_000;

/// Why the driver ends.
#[derive(Clone, Copy, Debug)]
pub enum Failure {
    /// A capability was not granted.
    NotGranted(&'static str, CapSetError),
    /// A call failed that has to work.
    Call(&'static str, CallError),
    /// The device does not do what the specification says.
    Device(&'static str),
    /// Its bytes cannot be random.
    Distrust(Distrust),
}

impl Display for Failure {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> core::fmt::Result {
        match self {
            Failure::NotGranted(name, error) => write!(formatter, "capability \"{name}\": {error}"),
            Failure::Call(what, error) => write!(formatter, "{what}: {error}"),
            Failure::Device(what) => formatter.write_str(what),
            Failure::Distrust(distrust) => write!(formatter, "{distrust}"),
        }
    }
}

fn call(what: &'static str) -> impl Fn(CallError) -> Failure {
    move |error| Failure::Call(what, error)
}

/// Drives the device. Returns only if that is impossible.
///
/// # Errors
/// [`Failure`], which becomes the process's report.
pub fn run(capabilities: &CapSet) -> Result<Infallible, Failure> {
    fn get<T: capos_rt::schema::interface::Interface>(
        capabilities: &CapSet,
        name: &'static str,
    ) -> Result<Cap<T>, Failure> {
        capabilities.get(name).map_err(|error| Failure::NotGranted(name, error))
    }
    let device: Cap<Device> = get(capabilities, "device")?;
    let sink: Cap<EntropySink> = get(capabilities, "entropy-sink")?;
    let timer: Cap<Timer> = get(capabilities, "timer")?;
    let memory: Cap<VirtualMemory> = get(capabilities, "memory")?;
    let mut source = Source::open(&device, &memory)?;
    let mut collector = Collector::new();
    loop {
        let portion = loop {
            let collected = source.request(|bytes| collector.add(bytes))?;
            if let Some(portion) = collected.map_err(Failure::Distrust)? {
                break portion;
            }
        };
        sink.feed(&portion).map_err(call("feeding the generator"))?;
        let now = timer.now().map_err(call("reading the clock"))?;
        timer.sleep(now.saturating_add(INTERVAL)).map_err(call("waiting for the next feed"))?;
    }
}

/// The device with its queue.
struct Source<'m> {
    device: VirtioDevice<'m>,
    queue: Queue<QUEUE_ENTRIES>,
    /// `None` while a request is with the device.
    buffer: Option<DmaBuffer>,
}

impl<'m> Source<'m> {
    fn open(device: &Cap<Device>, memory: &'m Cap<VirtualMemory>) -> Result<Source<'m>, Failure> {
        let mut device = VirtioDevice::open(device, memory, DMA_BYTES).map_err(call("opening the device"))?;
        device.negotiate(0).ok_or(Failure::Device("the device does not agree on its features"))?;
        let queue = device.queue(REQUESTS).ok_or(Failure::Device("the device has no queue"))?;
        let buffer = device.buffer(PORTION_BYTES).ok_or(Failure::Device("no memory for the request"))?;
        device.finish();
        // The line is masked until here.
        device.acknowledge().map_err(call("acknowledging the interrupt"))?;
        Ok(Source { device, queue, buffer: Some(buffer) })
    }

    /// Asks for bytes, waits for the device, and shows `use_bytes` what it wrote; they are wiped behind it.
    fn request<R>(&mut self, use_bytes: impl FnOnce(&[u8]) -> R) -> Result<R, Failure> {
        let lost = Failure::Device("the buffer was lost");
        let buffer = self.buffer.take().ok_or(lost)?;
        let chain = Chain::new().writable(buffer, PORTION_BYTES).map_err(|_| lost)?;
        self.queue.submit(chain).map_err(|_| Failure::Device("the queue takes no request"))?;
        self.device.notify(&self.queue);
        let mut completed = loop {
            if let Some(completed) = self.queue.take() {
                break completed;
            }
            self.device.interrupt().wait().map_err(call("waiting for the device"))?;
            self.device.acknowledge().map_err(call("acknowledging the interrupt"))?;
        };
        let mut buffer = completed.chain.take(0).ok_or(lost)?;
        let used = use_bytes(buffer.bytes().get(..completed.written).unwrap_or_default());
        buffer.bytes_mut().fill(0);
        self.buffer = Some(buffer);
        Ok(used)
    }
}
