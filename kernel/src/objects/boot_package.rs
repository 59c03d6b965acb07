//! BootPackage: the parts of the boot image.
//!
//! Specified by `schema/interfaces/boot_package.capnp`. Called by `invoke`.
//!
//! Invariant: a part is given out in place and sealed; its contents are the holder's to check.

use crate::calls::message::{SMALL, WITH_NAME, malformed};
use crate::calls::transfer::Gift;
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::objects::Object;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::image::Part;
use capos_schema::boot_package::{
    BootPackage, BootPackageCountResults, BootPackageOpenParams, BootPackageOpenResults,
    BootPackagePartParams, BootPackagePartResults,
};
use capos_schema::memory_object::MemoryObject;

/// What the holder of a part may do: everything but write.
pub(crate) const PART_METHODS: u64 = MemoryObject::ALL_METHODS & !(1 << MemoryObject::WRITE);

impl Kernel {
    pub(crate) fn call_boot_package(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            BootPackage::COUNT => {
                let parts = self.package.parts().count() as u32;
                self.reply(call.origin, |out| BootPackageCountResults { parts }.encode(out))
            }
            BootPackage::PART => self.describe_part(call),
            BootPackage::OPEN => self.open_part(call),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn part(&self, index: u32) -> Result<Part<'static>, CallError> {
        Ok(self.package.part(index as usize).ok_or(Exception::InvalidArgument)?)
    }

    fn describe_part(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let BootPackagePartParams { index } =
            BootPackagePartParams::decode(message.bytes()).map_err(malformed)?;
        let part = self.part(index)?;
        let prepared = self.package.is_prepared(&part);
        let Part { name, length, checksum, .. } = part;
        let results = BootPackagePartResults { name, bytes: length, checksum, prepared };
        let mut bytes = [0; WITH_NAME];
        let length = results.encode(&mut bytes).map_err(|_| Transport::TooLarge)?;
        self.write_result(call.origin, 0, bytes.get(..length).unwrap_or(&[]))?;
        Ok(Answer::reply(length))
    }

    fn open_part(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let BootPackageOpenParams { index } =
            BootPackageOpenParams::decode(message.bytes()).map_err(malformed)?;
        let part = self.part(index)?;
        let process = call.origin.process;
        self.prepare_reply(call, BootPackageOpenResults::FIXED_BYTES, 1)?;
        let object = match self.create_part_object(Some(process), part.offset, part.length) {
            Ok(object) => object,
            Err(error) => {
                self.cancel_slots(process, 1);
                return Err(error.into());
            }
        };
        self.give(call, 0, Gift::of::<MemoryObject>(Object::MemoryObject(object), PART_METHODS))?;
        let answer = self.reply(call.origin, |out| BootPackageOpenResults { object: Some(0) }.encode(out))?;
        Ok(answer.with_capabilities(1))
    }
}
