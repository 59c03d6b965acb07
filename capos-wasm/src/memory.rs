//! Guest memory: pointers that only claim, and ranges that were checked.
//!
//! [`crate::link`] makes [`Pointer`]s out of wasm arguments and opens the [`GuestMemory`] of the call; [`crate::p1`] turns
//! a pointer into a [`Claim`] before the first effect and then reads or writes through it.
//!
//! Invariant: a claim lies inside the memory for the whole call: a memory never shrinks, and the guest does not run while
//! its call is served. No byte is read twice with the guest in between.

use core::fmt;
use core::marker::PhantomData;

/// A type with a fixed layout in guest memory.
pub trait GuestType {
    /// Bytes that it takes.
    const BYTES: u32;
    /// Its alignment, a power of two.
    const ALIGNMENT: u32;
}

/// A type that is written to guest memory, little-endian.
pub trait GuestValue: GuestType {
    /// Puts the value into `to`, which has [`GuestType::BYTES`] bytes.
    fn put(&self, to: &mut [u8]);
}

macro_rules! integers {
    ($($kind:ident $bytes:literal;)+) => {$(
        impl GuestType for $kind {
            const BYTES: u32 = $bytes;
            const ALIGNMENT: u32 = $bytes;
        }

        impl GuestValue for $kind {
            fn put(&self, to: &mut [u8]) {
                to.copy_from_slice(&self.to_le_bytes());
            }
        }
    )+};
}

integers! {
    u8 1;
    u32 4;
    u64 8;
}

/// The type `ciovec` (and `iovec`): an address and a length, both u32.
#[derive(Clone, Copy, Debug)]
pub struct Vector;

impl GuestType for Vector {
    const BYTES: u32 = 8;
    const ALIGNMENT: u32 = 4;
}

/// The type `fdstat`: what `fd_fdstat_get` tells about a descriptor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fdstat {
    /// The type `filetype`: 0 unknown.
    pub file_type: u8,
    /// The type `fdflags`.
    pub flags: u16,
    /// The type `rights`: what may be done with it.
    pub rights_base: u64,
    /// What may be done with descriptors opened through it.
    pub rights_inheriting: u64,
}

impl GuestType for Fdstat {
    const BYTES: u32 = 24;
    const ALIGNMENT: u32 = 8;
}

impl GuestValue for Fdstat {
    fn put(&self, to: &mut [u8]) {
        to.fill(0);
        to[0] = self.file_type;
        to[2..4].copy_from_slice(&self.flags.to_le_bytes());
        to[8..16].copy_from_slice(&self.rights_base.to_le_bytes());
        to[16..24].copy_from_slice(&self.rights_inheriting.to_le_bytes());
    }
}

/// A descriptor's number as the guest passed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fd(pub u32);

/// An address that the guest passed as the argument with this name: a claim and no more.
#[derive(Debug)]
pub struct Pointer<T> {
    address: u32,
    argument: &'static str,
    target: PhantomData<T>,
}

impl<T> Clone for Pointer<T> {
    fn clone(&self) -> Pointer<T> {
        *self
    }
}

impl<T> Copy for Pointer<T> {}

impl<T> Pointer<T> {
    /// The pointer at `address`, passed as `argument`.
    #[must_use]
    pub const fn new(address: u32, argument: &'static str) -> Pointer<T> {
        Pointer { address, argument, target: PhantomData }
    }

    /// The address.
    #[must_use]
    pub const fn address(&self) -> u32 {
        self.address
    }
}

/// A range of guest memory that holds values of `T`, checked against the memory of the call.
#[derive(Debug)]
pub struct Claim<T> {
    start: usize,
    bytes: usize,
    target: PhantomData<T>,
}

impl<T> Clone for Claim<T> {
    fn clone(&self) -> Claim<T> {
        *self
    }
}

impl<T> Copy for Claim<T> {}

impl Claim<u8> {
    /// Bytes of the range.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes
    }

    /// True for a range of no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The part of the range from `offset` on, `length` bytes at most.
    #[must_use]
    pub fn part(&self, offset: usize, length: usize) -> Claim<u8> {
        let offset = offset.min(self.bytes);
        Claim { start: self.start + offset, bytes: length.min(self.bytes - offset), target: PhantomData }
    }
}

/// What is wrong with a pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The range ends past the memory, which has this many bytes.
    OutOfRange(u64),
    /// The address is no multiple of this alignment.
    Misaligned(u32),
    /// The module exports no memory named `memory`.
    NoMemory,
}

/// A pointer that cannot be used: it ends the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPointer {
    /// The argument's name in the Preview 1 document.
    pub argument: &'static str,
    /// The address that the guest passed.
    pub address: u32,
    /// Bytes that were to be read or written there.
    pub bytes: u64,
    /// Why not.
    pub problem: Problem,
}

impl fmt::Display for BadPointer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BadPointer { argument, address, bytes, problem } = self;
        write!(formatter, "bad pointer in argument `{argument}`: ")?;
        match problem {
            Problem::OutOfRange(size) => {
                write!(formatter, "{bytes} bytes at {address:#x} lie outside the memory of {size} bytes")
            }
            Problem::Misaligned(alignment) => {
                write!(formatter, "address {address:#x} is no multiple of {alignment}")
            }
            Problem::NoMemory => {
                write!(formatter, "address {address:#x} in a module that exports no memory named `memory`")
            }
        }
    }
}

/// The guest's memory for the time of one call.
#[derive(Debug)]
pub struct GuestMemory<'a> {
    bytes: Option<&'a mut [u8]>,
}

impl<'a> GuestMemory<'a> {
    /// Opens the memory that the module exports; `None` if it exports none.
    #[must_use]
    pub fn new(bytes: Option<&'a mut [u8]>) -> GuestMemory<'a> {
        GuestMemory { bytes }
    }

    /// Checks that `count` values of `T` can be at the pointer.
    ///
    /// # Errors
    /// [`BadPointer`] for a range that is not wholly inside the memory, also an empty one, and for a misaligned address.
    pub fn claim<T: GuestType>(&self, pointer: Pointer<T>, count: u32) -> Result<Claim<T>, BadPointer> {
        let bytes = u64::from(count) * u64::from(T::BYTES);
        let bad =
            |problem| BadPointer { argument: pointer.argument, address: pointer.address, bytes, problem };
        let Some(memory) = &self.bytes else {
            return Err(bad(Problem::NoMemory));
        };
        if !pointer.address.is_multiple_of(T::ALIGNMENT) {
            return Err(bad(Problem::Misaligned(T::ALIGNMENT)));
        }
        let size = memory.len() as u64;
        if u64::from(pointer.address) + bytes > size {
            return Err(bad(Problem::OutOfRange(size)));
        }
        Ok(Claim { start: pointer.address as usize, bytes: bytes as usize, target: PhantomData })
    }

    /// The bytes of a claim.
    #[must_use]
    pub fn bytes(&self, claim: Claim<u8>) -> &[u8] {
        self.bytes.as_deref().map_or(&[], |bytes| &bytes[claim.start..claim.start + claim.bytes])
    }

    /// The bytes of a claim, to be written.
    #[must_use]
    pub fn bytes_mut(&mut self, claim: Claim<u8>) -> &mut [u8] {
        self.raw_mut(claim.start, claim.bytes)
    }

    /// Writes the value at `index` of a claim that has as many values.
    pub fn put<T: GuestValue>(&mut self, claim: Claim<T>, index: usize, value: &T) {
        let bytes = T::BYTES as usize;
        assert!((index + 1) * bytes <= claim.bytes, "an index past its claim");
        value.put(self.raw_mut(claim.start + index * bytes, bytes));
    }

    /// The vector at `index`, as a claim on the bytes that it names; `None` past the last one.
    ///
    /// # Errors
    /// [`BadPointer`] if it names bytes outside the memory; an empty vector may name any address.
    pub fn vector(
        &self,
        vectors: Claim<Vector>,
        index: usize,
        argument: &'static str,
    ) -> Result<Option<Claim<u8>>, BadPointer> {
        let bytes = Vector::BYTES as usize;
        if (index + 1) * bytes > vectors.bytes {
            return Ok(None);
        }
        let entry = Claim::<u8> { start: vectors.start + index * bytes, bytes, target: PhantomData };
        let words = self.bytes(entry);
        let word = |at: usize| u32::from_le_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]);
        let (address, length) = (word(0), word(4));
        if length == 0 {
            return Ok(Some(Claim { start: 0, bytes: 0, target: PhantomData }));
        }
        self.claim(Pointer::new(address, argument), length).map(Some)
    }

    fn raw_mut(&mut self, start: usize, bytes: usize) -> &mut [u8] {
        self.bytes.as_deref_mut().map_or(&mut [], |memory| &mut memory[start..start + bytes])
    }
}
