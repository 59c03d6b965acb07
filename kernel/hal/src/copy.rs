//! Copies between shared frames, whoever has them mapped.
//!
//! Called by the kernel for messages: they go straight from their sender's frames to their receiver's, through the direct
//! map, whichever address space is loaded.
//!
//! Invariant: only memory that ring 3 could have accessed itself, or that is shared with it, is touched, and no reference to
//! it is made. What a place borrows keeps its frames for as long as a copy takes.

use crate::frames::{Pinned, SharedFrame, copy_bytes};
use crate::paging::{AddressSpace, PageEntry};

/// Where bytes are, from a byte on.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// At an address of a process.
    Space(&'a AddressSpace, u64),
    /// At an offset in pinned memory.
    Pinned(&'a Pinned, usize),
    /// At an offset in a frame.
    Frame(&'a SharedFrame, usize),
}

/// One of the two places of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where the bytes are copied from.
    Source,
    /// Where they are copied to.
    Target,
}

/// A copy that came to a page that is not there, or not with the access that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Bytes that are copied.
    pub done: usize,
    /// Whose page it is: the one with byte `done` of this place.
    pub side: Side,
}

/// Where a copy is in one of its places: bytes of one frame.
struct Cursor<'a> {
    place: Place<'a>,
    side: Side,
    start: *mut u8,
    length: usize,
    /// The way to the page after this one, if that is a short one.
    next: Option<PageEntry<'a>>,
}

impl<'a> Cursor<'a> {
    const fn new(place: Place<'a>, side: Side) -> Cursor<'a> {
        Cursor { place, side, start: core::ptr::null_mut(), length: 0, next: None }
    }

    /// Makes sure that it is in a frame, of which at least one byte is left; `done` bytes are behind it.
    #[inline(always)] // Twice in a loop, and mostly there is nothing to do.
    fn enter_frame(&mut self, done: usize) -> Result<(), Stopped> {
        if self.length != 0 {
            return Ok(());
        }
        let rest = match self.place {
            Place::Space(space, address) => self.enter_page(space, address, done),
            Place::Pinned(pinned, offset) => {
                offset.checked_add(done).and_then(|offset| pinned.rest_of_frame(offset))
            }
            Place::Frame(frame, offset) => {
                offset.checked_add(done).and_then(|offset| frame.rest(offset, self.side == Side::Target))
            }
        };
        (self.start, self.length) = rest.ok_or(Stopped { done, side: self.side })?;
        Ok(())
    }

    fn enter_page(&mut self, space: &'a AddressSpace, address: u64, done: usize) -> Option<(*mut u8, usize)> {
        let address = address.checked_add(done as u64)?;
        let entry = match self.next {
            Some(entry) => entry,
            None => space.page_entry(address)?,
        };
        self.next = entry.next();
        entry.rest_of_page(address, self.side == Side::Target)
    }

    fn advance(&mut self, bytes: usize) {
        self.start = self.start.wrapping_add(bytes);
        self.length -= bytes;
    }
}

/// Copies `length` bytes, the first ones first.
///
/// # Errors
/// [`Stopped`]; what comes before is copied.
pub fn copy(to: Place<'_>, from: Place<'_>, length: usize) -> Result<(), Stopped> {
    let (mut source, mut target) = (Cursor::new(from, Side::Source), Cursor::new(to, Side::Target));
    let mut done = 0;
    while done < length {
        source.enter_frame(done)?;
        target.enter_frame(done)?;
        let part = (length - done).min(source.length).min(target.length);
        // SAFETY: so many bytes are in both frames. They are shared, so no reference to them exists unless they are sealed;
        // what is written is not, nor executable: the target's entry says so, or its pin, or its counts.
        unsafe { copy_bytes(target.start, source.start, part) };
        source.advance(part);
        target.advance(part);
        done += part;
    }
    Ok(())
}
