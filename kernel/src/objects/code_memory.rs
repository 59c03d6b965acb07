//! CodeMemory: the right to make pages of a running process executable.
//!
//! Specified by `schema/interfaces/code_memory.capnp`. Called by `invoke`; the mapping is `memory::mapping`'s.
//!
//! Invariant: only a sealed object is mapped so: it has no writable mapping and never will, in any process. The frames' own
//! counts hold the same a second time.

use crate::calls::message::{SMALL, malformed};
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::memory::mapping::Wanted;
use crate::objects::Object;
use crate::objects::virtual_memory::whole_pages;
use crate::processes::layout::PAGE;
use capos_abi::error::{CallError, Transport};
use capos_kernel_hal::paging::Access;
use capos_schema::code_memory::{CodeMemory, CodeMemoryMapParams, CodeMemoryMapResults};
use capos_schema::memory_object::MemoryObject;
use capos_schema::virtual_memory::VirtualMemory;

impl Kernel {
    pub(crate) fn call_code_memory(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            CodeMemory::MAP => self.map_code(call),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn map_code(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let CodeMemoryMapParams { memory, object, offset, length } =
            CodeMemoryMapParams::decode(message.bytes()).map_err(malformed)?;
        let (memory, code) = (self.sent(call, memory)?, self.sent(call, object)?);
        let (Object::VirtualMemory(process), Object::MemoryObject(object)) = (memory.object, code.object)
        else {
            return Err(Transport::WrongInterface.into());
        };
        if !memory.permits(VirtualMemory::MAP) || !code.permits(MemoryObject::READ) {
            return Err(Transport::MethodDenied.into());
        }
        self.arranged_process(process)?;
        let pages = whole_pages(offset, length)?;
        self.prepare_reply(call, CodeMemoryMapResults::FIXED_BYTES, 0)?;
        let right = Some(call.capability.node);
        let wanted = Wanted { object, pages, access: Access::Execute, node: code.node, code: right };
        let mapped = self.map_object(process, &wanted)?;
        let address = mapped.start * PAGE;
        self.reply(call.origin, |out| CodeMemoryMapResults { address }.encode(out))
    }
}
