//! MemoryObject: pages, as a capability.
//!
//! Specified by `schema/interfaces/memory_object.capnp`. Called by `invoke`; the pages are `memory::object`'s.
//!
//! Invariant: bytes outside the object are neither read nor written, and nothing is written once sealed.

use crate::calls::bulk::End;
use crate::calls::message::{SMALL, malformed};
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::memory::object::MemoryObject as Pages;
use crate::processes::layout::PAGE;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::message::DATA_BYTES_MAX;
use capos_kernel_core::pool::Id;
use capos_schema::memory_object::{
    MemoryObject, MemoryObjectInfoResults, MemoryObjectReadParams, MemoryObjectReadResults,
    MemoryObjectWriteParams,
};

/// Bytes of a word, to a multiple of which a message is filled with zeros.
const WORD: usize = 8;

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
        let length = length as usize;
        if length > DATA_BYTES_MAX || !object.contains(offset, length as u64) {
            return Err(Exception::InvalidArgument.into());
        }
        let encode_head =
            |length: usize, out: &mut [u8]| MemoryObjectReadResults { bytes: &[] }.encode_head(length, out);
        let filling = self.begin_data(call.origin, length, encode_head)?;
        let mut done = 0;
        while done < length {
            let at = offset + done as u64;
            let size = rest_of_page(at).min(length - done);
            let object = self.memory_objects.get(id).ok_or(Transport::Disconnected)?;
            // A page that nobody has touched is zeros.
            let frame = object.present(at / PAGE).unwrap_or_else(|| self.zeros.clone());
            let to = End::Result(call.origin, filling.start + done);
            self.copy(to, End::Frame(&frame, (at % PAGE) as usize), size).map_err(|refused| refused.error)?;
            done += size;
        }
        let end = filling.start + length;
        let padding = [0; WORD];
        self.write_result(call.origin, end, padding.get(..filling.total() - end).unwrap_or(&[]))?;
        Ok(Answer::reply(filling.total()))
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
        let mut done = 0;
        while done < data.len() {
            let at = offset + done as u64;
            let size = rest_of_page(at).min(data.len() - done);
            let frame = self.object_frame(id, at / PAGE).map_err(|_| Transport::OutOfMemory)?;
            let frame = frame.ok_or(Transport::OutOfMemory)?;
            let from = End::Parameters(call.origin, data.start + done);
            self.copy(End::Frame(&frame, (at % PAGE) as usize), from, size)
                .map_err(|refused| refused.error)?;
            done += size;
        }
        Ok(Answer::DONE)
    }
}

/// Bytes from an offset in an object to the end of its page.
const fn rest_of_page(offset: u64) -> usize {
    (PAGE - offset % PAGE) as usize
}
