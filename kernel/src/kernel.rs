//! Everything that the kernel knows, in one owned value.
//!
//! Made by `start`; every other module adds methods to it. Values that refer to each other do so by ids of pools.
//!
//! Invariant: all pools, queues and stores are made here, once; afterwards memory comes from frames and, for a few
//! variable sizes, from the heap, each with a refusal.

use crate::billing::Billing;
use crate::calls::operation::Operation;
use crate::devices::{self, DmaMemory, Driven};
use crate::endpoints::{Endpoint, Minted};
use crate::memory::mapping::Mapping;
use crate::memory::object::MemoryObject;
use crate::objects::Object;
use crate::objects::notification::Notification;
use crate::processes::Process;
use crate::processes::layout::PAGE;
use crate::processes::thread::Thread;
use crate::work::Work;
use alloc::vec::Vec;
use capos_abi::package::Package;
use capos_kernel_core::account::Pot;
use capos_kernel_core::capability::{CHUNK_SLOTS, SlotStore};
use capos_kernel_core::derivation::{NODE_BYTES, Tree};
use capos_kernel_core::entropy::Generator;
use capos_kernel_core::fair_queue::FairQueues;
use capos_kernel_core::list::{Links, List};
use capos_kernel_core::pool::Pool;
use capos_kernel_core::run_queue::RunQueue;
use capos_kernel_core::sizes::Sizes;
use capos_kernel_core::storage::AllocationRefused;
use capos_kernel_core::timer_queue::TimerQueue;
use capos_kernel_hal::frames::{self, Frame, SharedFrame};
use capos_kernel_hal::ramdisk::Ramdisk;
use capos_kernel_hal::time::Clock;
use capos_kernel_hal::user::Processor;
use capos_kernel_hal::{Hardware, heap};

/// Pieces of memory for devices at most, in the whole machine.
const DMA_MEMORIES: u32 = 64;
/// Capabilities in the whole machine at most: slots and nodes. A machine with less memory for the heap has as many as half
/// of that holds.
const CAPABILITIES: usize = 131_072;

/// The state of the machine.
pub(crate) struct Kernel {
    pub(crate) clock: Clock,
    pub(crate) processor: Processor,
    pub(crate) ramdisk: Ramdisk,
    pub(crate) package: Package<'static>,
    /// Frames that nobody has set aside.
    pub(crate) pot: Pot,
    pub(crate) processes: Pool<Process>,
    pub(crate) threads: Pool<Thread>,
    pub(crate) operations: Pool<Operation>,
    pub(crate) memory_objects: Pool<MemoryObject>,
    pub(crate) mappings: Pool<Mapping>,
    pub(crate) endpoints: Pool<Endpoint>,
    pub(crate) minted: Pool<Minted>,
    pub(crate) notifications: Pool<Notification>,
    pub(crate) devices: Vec<Driven>,
    pub(crate) dma: Pool<DmaMemory>,
    pub(crate) slots: SlotStore<Object>,
    pub(crate) nodes: Tree,
    /// The page that every revoked read-only mapping shows.
    pub(crate) zeros: SharedFrame,
    /// Operations, in the list of their thread.
    pub(crate) operation_links: Links,
    /// Operations, in the list of what they wait for.
    pub(crate) wait_links: Links,
    /// The queues of endpoints; see [`Kernel::element_owner`].
    pub(crate) fair: FairQueues,
    pub(crate) run_queue: RunQueue,
    pub(crate) billing: Billing,
    /// The thread that runs next, without standing in the queue, if the one that woke it waits now: the other side of a call.
    pub(crate) handed: Option<u32>,
    pub(crate) timers: TimerQueue,
    /// What the alarm is set to, so that it is set only when that changes.
    pub(crate) alarm: Option<u64>,
    pub(crate) work: Work,
    pub(crate) generator: Generator,
    /// A process has fed the generator.
    pub(crate) is_fed: bool,
    /// The operation that waits for the generator's seed, if one does, over [`Kernel::wait_links`].
    pub(crate) seed_waiter: Waiters,
    /// The number of the next process; numbers are never reused.
    pub(crate) next_number: u64,
    /// The number of the next object of an endpoint.
    pub(crate) next_mint: u64,
    /// The process whose end is the machine's, if nobody has finished the run before.
    pub(crate) first_process: Option<capos_kernel_core::pool::Id<Process>>,
}

impl Kernel {
    /// The kernel without processes.
    ///
    /// # Errors
    /// [`AllocationRefused`]: the machine has too little memory.
    pub(crate) fn new(hardware: Hardware, package: Package<'static>) -> Result<Kernel, AllocationRefused> {
        let capabilities = capabilities();
        let sizes = Sizes::of_machine(frames::total_count() as u64 * PAGE);
        let zeros = Frame::new().map_err(|_| AllocationRefused)?.share();
        Ok(Kernel {
            clock: hardware.clock,
            processor: hardware.processor,
            ramdisk: hardware.ramdisk,
            package,
            pot: Pot::new(0),
            processes: Pool::with_capacity(sizes.processes)?,
            threads: Pool::with_capacity(sizes.processes)?,
            operations: Pool::with_capacity(sizes.operations)?,
            memory_objects: Pool::with_capacity(sizes.memory_objects)?,
            mappings: Pool::with_capacity(sizes.mappings)?,
            endpoints: Pool::with_capacity(sizes.endpoints)?,
            minted: Pool::with_capacity(sizes.minted)?,
            notifications: Pool::with_capacity(sizes.notifications)?,
            devices: devices::list(hardware.devices)?,
            dma: Pool::with_capacity(DMA_MEMORIES)?,
            slots: SlotStore::with_chunks((capabilities / CHUNK_SLOTS as usize) as u16)?,
            nodes: Tree::with_capacity(capabilities as u32, USE_KINDS * sizes.operations)?,
            zeros,
            operation_links: Links::with_capacity(sizes.operations)?,
            wait_links: Links::with_capacity(sizes.operations)?,
            fair: FairQueues::with_capacity(2 * sizes.operations.max(sizes.minted))?,
            run_queue: RunQueue::with_capacity(sizes.processes, sizes.processes)?,
            billing: Billing::new(),
            handed: None,
            timers: TimerQueue::with_capacity(Kernel::share_timer(sizes.operations))?,
            alarm: None,
            work: Work::with_capacity(sizes.processes, sizes.memory_objects, sizes.endpoints)?,
            generator: Generator::new(),
            is_fed: false,
            seed_waiter: List::EMPTY,
            next_number: 1,
            next_mint: 1,
            first_process: None,
        })
    }

    /// The timer that gives a revocation its next turn.
    pub(crate) const REVOCATION_TIMER: u32 = 0;

    /// The timer of a thread's `enter` deadline.
    pub(crate) const fn thread_timer(thread: u32) -> u32 {
        FIRST_TIMER + TIMER_KINDS * thread
    }

    /// The timer of an operation.
    pub(crate) const fn operation_timer(operation: u32) -> u32 {
        FIRST_TIMER + TIMER_KINDS * operation + 1
    }

    /// The timer that renews the budget of a share of the processor.
    pub(crate) const fn share_timer(share: u32) -> u32 {
        FIRST_TIMER + TIMER_KINDS * share + 2
    }

    /// The element of [`Kernel::fair`] for the operation at this pool index.
    pub(crate) fn operation_element(operation: u32) -> u32 {
        2 * operation
    }

    /// The element of [`Kernel::fair`] for the object of an endpoint at this pool index.
    pub(crate) fn minted_element(minted: u32) -> u32 {
        2 * minted + 1
    }

    /// What an element stands for.
    pub(crate) fn element_owner(element: u32) -> ElementOwner {
        if element.is_multiple_of(2) {
            ElementOwner::Operation(element / 2)
        } else {
            ElementOwner::Minted(element / 2)
        }
    }

    /// What a timer number stands for.
    pub(crate) const fn timer_owner(timer: u32) -> TimerOwner {
        let numbered = timer.saturating_sub(FIRST_TIMER);
        let index = numbered / TIMER_KINDS;
        match (timer, numbered % TIMER_KINDS) {
            (Kernel::REVOCATION_TIMER, _) => TimerOwner::Revocation,
            (_, 0) => TimerOwner::Thread(index),
            (_, 1) => TimerOwner::Operation(index),
            _ => TimerOwner::Share(index),
        }
    }
}

/// Kinds of timers that there is one of for each entry of a pool. Their numbers alternate, as those of uses do; the first
/// is single.
const TIMER_KINDS: u32 = 3;
const FIRST_TIMER: u32 = 1;

/// What stands in a queue of an endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ElementOwner {
    /// The operation at this pool index.
    Operation(u32),
    /// The object at this pool index.
    Minted(u32),
}

/// Who set a timer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TimerOwner {
    /// The `enter` of the thread at this pool index.
    Thread(u32),
    /// The operation at this pool index.
    Operation(u32),
    /// The revocations in progress.
    Revocation,
    /// The budget of the share with this number.
    Share(u32),
}

/// What uses a node of the derivation tree: the numbers of its uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NodeUse {
    /// The operation at this pool index, or its revocation.
    Operation(u32),
    /// The finite deadline of the `enter` of the thread at this pool index.
    Deadline(u32),
    /// The mapping at this pool index, of its object.
    Mapping(u32),
    /// The mapping at this pool index, of the right to execute it.
    Code(u32),
}

/// Kinds of uses. Their numbers alternate, so that what is used first has the lowest ones; there are as many of each kind as
/// the largest pool has entries, which is that of operations.
const USE_KINDS: u32 = 4;

impl NodeUse {
    /// Its number in the tree.
    pub(crate) const fn number(self) -> u32 {
        match self {
            NodeUse::Operation(index) => USE_KINDS * index,
            NodeUse::Deadline(index) => USE_KINDS * index + 1,
            NodeUse::Mapping(index) => USE_KINDS * index + 2,
            NodeUse::Code(index) => USE_KINDS * index + 3,
        }
    }

    /// What a number stands for.
    pub(crate) const fn from_number(number: u32) -> NodeUse {
        let index = number / USE_KINDS;
        match number % USE_KINDS {
            0 => NodeUse::Operation(index),
            1 => NodeUse::Deadline(index),
            2 => NodeUse::Mapping(index),
            _ => NodeUse::Code(index),
        }
    }
}

/// The number of capabilities that this machine can have.
fn capabilities() -> usize {
    let bytes = (SlotStore::<Object>::chunk_bytes() / u64::from(CHUNK_SLOTS) + NODE_BYTES) as usize;
    (heap::free_bytes() / 2 / bytes).min(CAPABILITIES)
}

/// The head of what waits for one thing: a list over [`Kernel::wait_links`].
pub(crate) type Waiters = List;
