//! MemoryObject: pages, as a capability.
//!
//! Specified by `schema/interfaces/memory_object.capnp`. Called by `invoke`; the pages are `memory::object`'s.
//!
//! Invariant: bytes outside the object are neither read nor written, and nothing is written once sealed.

use crate::calls::message::{SMALL, malformed};
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::memory::object::MemoryObject as Pages;
use crate::processes::layout::PAGE;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::message::DATA_BYTES_MAX;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::PAGE_BYTES;
use capos_schema::memory_object::{
    MemoryObject, MemoryObjectInfoResults, MemoryObjectReadParams, MemoryObjectReadResults,
    MemoryObjectWriteParams,
};

impl Kernel {
    pub(crate) fn call_memory_object(&mut self, call: &Call<'_>, id: Id<Pages>) -> Result<Answer, CallError> {
        let object = self.memory_objects.get_mut(id).ok_or(Transport::Disconnected)?;
        match call.origin.submission.method {
            MemoryObject::INFO => {
                let (bytes, is_sealed) = (object.bytes, object.is_sealed);
                self.reply(call.origin, |out| MemoryObjectInfoResults { bytes, is_sealed }.encode(out))
            }
            MemoryObject::READ => self.read_object(call, id),
            MemoryObject::WRITE => self.write_object(call, id),
            MemoryObject::SEAL => {
                if object.writable_mappings > 0 {
                    return Err(Exception::Failed.into());
                }
                object.is_sealed = true;
                Ok(Answer::DONE)
            }
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn read_object(&mut self, call: &Call<'_>, id: Id<Pages>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let MemoryObjectReadParams { offset, length } =
            MemoryObjectReadParams::decode(message.bytes()).map_err(malformed)?;
        let object = self.memory_objects.get(id).ok_or(Transport::Disconnected)?;
        if length as usize > DATA_BYTES_MAX || !object.contains(offset, length.into()) {
            return Err(Exception::InvalidArgument.into());
        }
        self.reply_with_data(
            call.origin,
            length as usize,
            |length, out| MemoryObjectReadResults { bytes: &[] }.encode_head(length, out),
            |kernel, at, bytes| {
                let object = kernel.memory_objects.get(id).ok_or(Transport::Disconnected)?;
                object.read(offset + at as u64, bytes).map_err(|_| Exception::InvalidArgument.into())
            },
        )
    }

    fn write_object(&mut self, call: &Call<'_>, id: Id<Pages>) -> Result<Answer, CallError> {
        let message = self.parameters_head::<SMALL>(call.origin)?;
        let message_bytes = call.origin.submission.length as usize;
        let (MemoryObjectWriteParams { offset, .. }, data) =
            MemoryObjectWriteParams::decode_head(message.bytes(), message_bytes).map_err(malformed)?;
        let object = self.memory_objects.get(id).ok_or(Transport::Disconnected)?;
        if !object.contains(offset, data.len() as u64) {
            return Err(Exception::InvalidArgument.into());
        }
        if object.is_sealed {
            return Err(Exception::Failed.into());
        }
        let mut portion = [0; PAGE_BYTES];
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let size = (PAGE_BYTES - (at % PAGE) as usize).min(data.len() - done);
            let bytes = portion.get_mut(..size).ok_or(Transport::BadMessage)?;
            self.read_parameters(call.origin, data.start + done, bytes)?;
            self.write_in_page(id, at, bytes).map_err(|_| Transport::OutOfMemory)?;
            done += size;
        }
        Ok(Answer::DONE)
    }
}
