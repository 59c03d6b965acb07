//! The only folder of the runtime with `unsafe`: registers, shared memory, raw addresses.
//!
//! Used by the rest of the runtime and by nobody else. Each file wraps one thing: `system_call` the two system calls,
//! `region` the memory that is shared with the kernel, `area` the message area's owned blocks, `thread` the two rings,
//! `buffers` what the kernel may touch for an operation, `operation` the submission that goes with it, `lent` that of a long call that is waited for, `lone` the short way of most calls, `serving` that of a server, `memory` the calls
//! that the heap makes, `allocator` the heap, `checksum` an instruction, `mapping` mapped memory objects, `registers`, `dma` and `virtio` a device, `intake` calls that are received into its memory, `start` the first
//! and the last instructions of a process.
//!
//! Invariant: memory that the kernel may write is owned by an operation until its completion has been read. The runtime has
//! one thread; what is global here relies on it.

pub(crate) mod allocator;
pub(crate) mod area;
pub(crate) mod buffers;
pub(crate) mod checksum;
#[cfg(feature = "virtio")]
pub(crate) mod dma;
#[cfg(test)]
pub(crate) mod fake;
#[cfg(feature = "crash-tests")]
pub mod hostile;
#[cfg(feature = "virtio")]
pub(crate) mod intake;
pub(crate) mod lent;
pub(crate) mod lone;
pub(crate) mod mapping;
pub(crate) mod memory;
pub(crate) mod operation;
pub(crate) mod region;
pub(crate) mod registers;
pub(crate) mod serving;
pub(crate) mod start;
pub(crate) mod system_call;
pub(crate) mod thread;
#[cfg(feature = "virtio")]
pub(crate) mod virtio;
