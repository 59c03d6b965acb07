//! The calls that the heap makes: reserve, commit, decommit and unmap, without any allocation.
//!
//! Called by `allocator`; calls `thread`. They use a slot and a piece of the message area of their own, so that an
//! allocation works however much else is in flight.
//!
//! Invariant: one such call at a time, begun and ended inside an allocation.

use capos_abi::error::{CallError, Transport};
use capos_abi::handle::Handle;
use capos_abi::ring::{FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA, Opcode, Submission};
use capos_schema::virtual_memory::{
    VirtualMemoryCommitParams, VirtualMemoryDecommitParams, VirtualMemoryReserveParams,
    VirtualMemoryReserveResults, VirtualMemoryUnmapParams,
};
use capos_schema::wire::EncodeError;

use super::thread::{self, HEAP_SLOT, WaitLimit};
use crate::heap::MemoryInterface;

/// Bytes of the parameters, and of the results behind them, in the heap's piece of the area.
const HALF: usize = 64;

/// The right to arrange this process's address space.
#[derive(Clone, Copy)]
pub(crate) struct Memory(pub(crate) Handle);

impl Memory {
    /// Sets `length` bytes of addresses aside.
    pub(crate) fn reserve(self, length: usize) -> Result<usize, CallError> {
        let parameters = VirtualMemoryReserveParams { length: length as u64 };
        let reply = self.call(MemoryInterface::RESERVE, |out| parameters.encode(out))?;
        let results = VirtualMemoryReserveResults::decode(&reply).map_err(|_| Transport::BadMessage)?;
        usize::try_from(results.address).map_err(|_| Transport::BadMessage.into())
    }

    /// Makes reserved pages usable.
    pub(crate) fn commit(self, address: usize, length: usize) -> Result<(), CallError> {
        let parameters = VirtualMemoryCommitParams { address: address as u64, length: length as u64 };
        self.call(MemoryInterface::COMMIT, |out| parameters.encode(out)).map(|_| ())
    }

    /// Gives frames back.
    pub(crate) fn decommit(self, address: usize, length: usize) -> Result<(), CallError> {
        let parameters = VirtualMemoryDecommitParams { address: address as u64, length: length as u64 };
        self.call(MemoryInterface::DECOMMIT, |out| parameters.encode(out)).map(|_| ())
    }

    /// Gives a reservation back.
    pub(crate) fn unmap(self, address: usize, length: usize) -> Result<(), CallError> {
        let parameters = VirtualMemoryUnmapParams { address: address as u64, length: length as u64 };
        self.call(MemoryInterface::UNMAP, |out| parameters.encode(out)).map(|_| ())
    }

    fn call(
        self,
        method: u16,
        encode: impl FnOnce(&mut [u8]) -> Result<usize, EncodeError>,
    ) -> Result<[u8; 16], CallError> {
        let thread = thread::current();
        let mut message = [0; 32];
        let length = encode(&mut message).map_err(|_| Transport::TooLarge)?;
        let area = thread.region().area();
        // SAFETY: the first units of the area belong to this module, and no call of it is in flight.
        unsafe { area.cast::<[u8; 32]>().write(message) };
        let mut submission = Submission::new(Opcode::Call, 0);
        submission.handle = self.0;
        submission.interface = MemoryInterface::ID;
        submission.method = method;
        submission.flags = FLAG_PARAMETERS_IN_AREA | FLAG_RESULT_IN_AREA;
        submission.length = length as u32;
        submission.result_address = HALF as u64;
        submission.result_capacity = 16;
        // SAFETY: the buffers are in the heap's piece of the area, which nobody else uses until the wait below is over.
        unsafe { thread.submit(HEAP_SLOT, submission) }?;
        let completion = loop {
            if let Some(completion) = thread.wait(HEAP_SLOT, WaitLimit::NEVER)? {
                break completion;
            }
        };
        CallError::check(completion.result)?;
        if completion.length == 0 {
            return Ok([0; 16]);
        }
        // SAFETY: inside the heap's piece of the area.
        let result = unsafe { area.byte_add(HALF) };
        // SAFETY: as above; the call is over, so the kernel does not write here any more.
        Ok(unsafe { result.cast::<[u8; 16]>().read() })
    }
}
