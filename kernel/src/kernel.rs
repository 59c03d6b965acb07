//! Everything that the kernel knows, in one owned value.
//!
//! Made by `start`; every other module adds methods to it. Values that refer to each other do so by ids of pools.
//!
//! Invariant: all pools, queues and stores are made here, once; afterwards memory comes from frames and, for a few
//! variable sizes, from the heap, each with a refusal.

use crate::calls::operation::Operation;
use crate::memory::object::MemoryObject;
use crate::objects::Object;
use crate::objects::console::{ConsoleDevice, Stream};
use crate::processes::Process;
use crate::processes::thread::Thread;
use crate::work::Work;
use capos_abi::package::Package;
use capos_kernel_core::capability::SlotStore;
use capos_kernel_core::derivation::Tree;
use capos_kernel_core::entropy::Generator;
use capos_kernel_core::list::{Links, List};
use capos_kernel_core::pool::Pool;
use capos_kernel_core::run_queue::RunQueue;
use capos_kernel_core::storage::AllocationRefused;
use capos_kernel_core::timer_queue::TimerQueue;
use capos_kernel_hal::Hardware;
use capos_kernel_hal::ramdisk::Ramdisk;
use capos_kernel_hal::time::Clock;
use capos_kernel_hal::user::Processor;

/// Processes, and so threads, at most.
const PROCESSES: u32 = 128;
/// Operations in progress at most, in the whole machine.
const OPERATIONS: u32 = 2048;
/// Memory objects at most.
const MEMORY_OBJECTS: u32 = 2048;
/// Consoles at most; their numbers on the wire have 16 bits.
const STREAMS: u32 = 512;
/// Chunks of 64 capability slots: 16,384 capabilities in the whole machine.
const SLOT_CHUNKS: u16 = 256;
/// Nodes of the derivation tree: one for each capability.
const NODES: u32 = 16_384;

/// The state of the machine.
pub(crate) struct Kernel {
    pub(crate) clock: Clock,
    pub(crate) processor: Processor,
    pub(crate) ramdisk: Ramdisk,
    pub(crate) package: Package<'static>,
    pub(crate) processes: Pool<Process>,
    pub(crate) threads: Pool<Thread>,
    pub(crate) operations: Pool<Operation>,
    pub(crate) memory_objects: Pool<MemoryObject>,
    pub(crate) streams: Pool<Stream>,
    pub(crate) slots: SlotStore<Object>,
    pub(crate) nodes: Tree,
    /// Operations, in the list of their thread.
    pub(crate) operation_links: Links,
    /// Operations, in the list of what they wait for.
    pub(crate) wait_links: Links,
    pub(crate) run_queue: RunQueue,
    pub(crate) timers: TimerQueue,
    /// What the alarm is set to, so that it is set only when that changes.
    pub(crate) alarm: Option<u64>,
    pub(crate) work: Work,
    pub(crate) console: ConsoleDevice,
    pub(crate) generator: Generator,
    /// The number of the next process; numbers are never reused.
    pub(crate) next_number: u64,
    /// The process whose end is the machine's, if nobody has finished the run before.
    pub(crate) first_process: Option<capos_kernel_core::pool::Id<Process>>,
}

impl Kernel {
    /// The kernel without processes.
    ///
    /// # Errors
    /// [`AllocationRefused`]: the machine has too little memory.
    pub(crate) fn new(hardware: Hardware, package: Package<'static>) -> Result<Kernel, AllocationRefused> {
        Ok(Kernel {
            clock: hardware.clock,
            processor: hardware.processor,
            ramdisk: hardware.ramdisk,
            package,
            processes: Pool::with_capacity(PROCESSES)?,
            threads: Pool::with_capacity(PROCESSES)?,
            operations: Pool::with_capacity(OPERATIONS)?,
            memory_objects: Pool::with_capacity(MEMORY_OBJECTS)?,
            streams: Pool::with_capacity(STREAMS)?,
            slots: SlotStore::with_chunks(SLOT_CHUNKS)?,
            nodes: Tree::with_capacity(NODES)?,
            operation_links: Links::with_capacity(OPERATIONS)?,
            wait_links: Links::with_capacity(OPERATIONS)?,
            run_queue: RunQueue::with_capacity(PROCESSES)?,
            timers: TimerQueue::with_capacity(PROCESSES + OPERATIONS + 1)?,
            alarm: None,
            work: Work::with_capacity(PROCESSES, MEMORY_OBJECTS)?,
            console: ConsoleDevice::new(hardware.console)?,
            generator: Generator::new(),
            next_number: 1,
            first_process: None,
        })
    }

    /// The timer of a thread's `enter` deadline.
    pub(crate) fn thread_timer(thread: u32) -> u32 {
        thread
    }

    /// The timer of an operation.
    pub(crate) fn operation_timer(operation: u32) -> u32 {
        PROCESSES + operation
    }

    /// The timer that polls a console whose host is slow.
    pub(crate) const CONSOLE_TIMER: u32 = PROCESSES + OPERATIONS;

    /// What a timer number stands for.
    pub(crate) fn timer_owner(timer: u32) -> TimerOwner {
        match timer {
            Kernel::CONSOLE_TIMER => TimerOwner::Console,
            thread if thread < PROCESSES => TimerOwner::Thread(thread),
            operation => TimerOwner::Operation(operation - PROCESSES),
        }
    }
}

/// Who set a timer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TimerOwner {
    /// The `enter` of the thread at this pool index.
    Thread(u32),
    /// The operation at this pool index.
    Operation(u32),
    /// The console's poll.
    Console,
}

/// The head of the console's waiting operations and the like: a list over [`Kernel::wait_links`].
pub(crate) type Waiters = List;
