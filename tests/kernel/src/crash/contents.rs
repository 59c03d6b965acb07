//! A service on generated stubs: a memory object in a process, with the largest messages that there are.
//!
//! Called by `main`; has the receive side `endpoint` and a heap.
//!
//! Invariant: what was written is what is read.

extern crate alloc;

use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Exception};
use capos_rt::abi::message::MESSAGE_BYTES_MAX;
use capos_rt::abi::ring::RECEIVED_HEADER_BYTES;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::memory_object::{MemoryObject, MemoryObjectInfoResults};
use capos_rt::server::{
    Answer, Call, Loop, MemoryObjectInfo, MemoryObjectRead, MemoryObjectSeal, MemoryObjectServer,
    MemoryObjectWrite, Server, Sizes,
};
use capos_rt::{Cap, CapSet};

struct Contents(Vec<u8>);

impl Server for Contents {
    type Interfaces = MemoryObject;
}

impl MemoryObjectServer for Contents {
    fn info(&mut self, _: Call<'_, MemoryObjectInfo>) -> Answer<MemoryObjectInfoResults> {
        Ok(MemoryObjectInfoResults { bytes: self.0.len() as u64, is_sealed: false })
    }

    fn read(&mut self, _: Call<'_, MemoryObjectRead>, offset: u64, length: u32) -> Answer<&[u8]> {
        let start = usize::try_from(offset).map_err(|_| Exception::InvalidArgument)?;
        let rest = self.0.get(start..).ok_or(Exception::InvalidArgument)?;
        rest.get(..length as usize).ok_or(Exception::InvalidArgument.into())
    }

    fn write(&mut self, _: Call<'_, MemoryObjectWrite>, offset: u64, bytes: &[u8]) -> Answer<()> {
        let start = usize::try_from(offset).map_err(|_| Exception::InvalidArgument)?;
        if start > self.0.len() {
            return Err(Exception::InvalidArgument.into());
        }
        self.0.truncate(start);
        self.0.try_reserve(bytes.len()).map_err(|_| Exception::Overloaded)?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn seal(&mut self, _: Call<'_, MemoryObjectSeal>) -> Answer<()> {
        Err(Exception::Unimplemented.into())
    }
}

/// Serves until nobody can call any more.
pub(crate) fn serve(capabilities: &CapSet) -> u32 {
    let Ok(endpoint) = capabilities.get("endpoint") else { return 1 };
    u32::from(run(&endpoint).is_err())
}

fn run(endpoint: &Cap<Endpoint>) -> Result<(), CallError> {
    let most = MESSAGE_BYTES_MAX - RECEIVED_HEADER_BYTES;
    let mut serving = Loop::new::<Contents>(endpoint, Sizes { request: most, reply: most })?;
    serving.run(&mut Contents(Vec::new()))?;
    Ok(())
}
