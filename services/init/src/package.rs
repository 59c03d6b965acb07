//! The boot image as init uses it: parts by name, opened and checked once.
//!
//! Called by `run` and `spawn`; calls BootPackage and maps parts.
//!
//! Invariant: a part is handed out only if it was prepared or after its CRC-32C was found right.

use alloc::string::String;
use alloc::vec::Vec;

use capos_rt::abi::image::ImageError;
use capos_rt::schema::boot_package::BootPackage;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, Mapping};

use crate::end::Refusal;

/// A row of the image's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is called.
    pub name: String,
    /// Bytes of its contents.
    pub bytes: u64,
    /// CRC-32C of its contents.
    pub checksum: u32,
    /// It came in the boot stage's own file and is not checked again.
    pub is_prepared: bool,
}

/// The boot image.
pub struct Package<'a> {
    boot: &'a Cap<BootPackage>,
    memory: &'a Cap<VirtualMemory>,
    parts: Vec<Part>,
    /// The checked parts among them.
    checked: Vec<Option<Cap<MemoryObject>>>,
}

impl<'a> Package<'a> {
    /// Reads the table.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(boot: &'a Cap<BootPackage>, memory: &'a Cap<VirtualMemory>) -> Result<Package<'a>, Refusal> {
        let fail = |error| Refusal::failed("reading the boot image's table", error);
        let mut parts = Vec::new();
        for index in 0..boot.count().map_err(fail)? {
            let row = boot.part(index).map_err(fail)?;
            parts.push(Part {
                name: row.name,
                bytes: row.bytes,
                checksum: row.checksum,
                is_prepared: row.prepared,
            });
        }
        let checked = parts.iter().map(|_| None).collect();
        Ok(Package { boot, memory, parts, checked })
    }

    /// The table.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The part with this name as a memory object, checked.
    ///
    /// # Errors
    /// A missing or corrupt part, by its name.
    pub fn object(&mut self, name: &str) -> Result<&Cap<MemoryObject>, Refusal> {
        let place = self.place(name)?;
        if self.checked[place].is_none() {
            self.checked[place] = Some(self.check(place)?);
        }
        self.checked[place].as_ref().ok_or_else(|| refused(ImageError::Missing(name)))
    }

    /// The contents of the part with this name, checked and mapped.
    ///
    /// # Errors
    /// A missing or corrupt part, by its name.
    pub fn contents(&mut self, name: &str) -> Result<Mapping<'a>, Refusal> {
        let memory = self.memory;
        Mapping::new(memory, self.object(name)?)
            .map_err(|error| Refusal::of_init(format_args!("mapping part \"{name}\": {error}")))
    }

    fn place(&self, name: &str) -> Result<usize, Refusal> {
        let place = self.parts.iter().position(|part| part.name == name);
        place.ok_or_else(|| refused(ImageError::Missing(name)))
    }

    fn check(&self, place: usize) -> Result<Cap<MemoryObject>, Refusal> {
        let part = &self.parts[place];
        let fail = |error| Refusal::of_init(format_args!("opening part \"{}\": {error}", part.name));
        let object = self.boot.open(place as u32).map_err(fail)?;
        if part.is_prepared {
            return Ok(object);
        }
        let contents = Mapping::new(self.memory, &object).map_err(fail)?;
        if contents.len() as u64 != part.bytes || capos_rt::crc32c(&contents) != part.checksum {
            return Err(refused(ImageError::PartCorrupt(&part.name)));
        }
        drop(contents);
        Ok(object)
    }
}

fn refused(error: ImageError<'_>) -> Refusal {
    Refusal::invalid(crate::end::INIT, format_args!("{error}"))
}
