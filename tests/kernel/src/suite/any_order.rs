//! Memory in any order: thousands of steps of every kind against a model that holds bytes and nothing else.
//!
//! Called by `main`. Objects are made, written, read, sealed, derived from, revoked and dropped while they are mapped; pages are
//! mapped, also as code, committed, touched and given up. A seed repeats the run.
//!
//! Invariant: the model knows what each byte must be and which requests must be refused; when everything has been given up, the
//! account is what it was.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_kernel_suite::random::Random;
use capos_rt::abi::error::{CallError, Exception};
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::{Cap, hostile};

use crate::context::Context;
use crate::harness::{Harness, Outcome, done, equal, exception};

const PAGE: u64 = 4096;
/// Pages of an object, and of a mapping, at most.
const PAGES: usize = 3;
/// Objects and mappings that are there at once, at most.
const OBJECTS: usize = 6;
const MAPPINGS: usize = 12;
/// Where in a page the model has its byte, and where it must be zero always.
const PLACE: u64 = 5;
const EMPTY: u64 = PAGE - 1;
const STEPS: usize = 12_000;
const SEED: u64 = 5;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject("memory in any order", &[("every byte is the one that is due", every_byte)]);
}

/// An object, while it has a capability or a mapping.
struct Object {
    /// The capability that made it, until it is dropped.
    root: Option<Cap<MemoryObject>>,
    /// One derived from that.
    below: Option<Cap<MemoryObject>>,
    pages: usize,
    bytes: [u8; PAGES],
    is_sealed: bool,
}

/// What stands behind a range of addresses.
enum Behind {
    /// The object of this number, mapped through the derived capability or not.
    Object { number: usize, is_below: bool },
    /// The process's own pages: reserved, or of a mapping that was revoked.
    Own([u8; PAGES]),
}

struct Range {
    address: u64,
    pages: usize,
    is_writable: bool,
    /// It came from `reserve`: pages can be given back one by one.
    is_reserved: bool,
    behind: Behind,
}

struct Model<'c> {
    context: &'c Context,
    random: Random,
    /// By number; gone ones leave their place empty.
    objects: Vec<Option<Object>>,
    ranges: Vec<Range>,
    /// Steps that were refused as they must be.
    refusals: usize,
}

fn every_byte(context: &Context) -> Outcome {
    // One round before the one that counts: lists grow to the size that they keep.
    play(context, SEED + 1, STEPS / 10)?;
    let before = usage(context)?;
    let refusals = play(context, SEED, STEPS)?;
    equal("usage", usage(context)?, before)?;
    if refusals < 100 { Err(format!("only {refusals} requests had to be refused")) } else { Ok(()) }
}

fn usage(context: &Context) -> Result<u64, String> {
    // Releases are handed over with the next call: the first call brings them, the second counts.
    done("usage", context.memory.usage())?;
    Ok(done("usage", context.memory.usage())?.committed)
}

/// Takes the steps, gives everything up, and returns how many were refused.
fn play(context: &Context, seed: u64, steps: usize) -> Result<usize, String> {
    let random = Random::new(seed);
    let (objects, ranges) = (Vec::new(), Vec::with_capacity(MAPPINGS));
    let mut model = Model { context, random, objects, ranges, refusals: 0 };
    for number in 0..steps {
        model.step().map_err(|error| format!("seed {seed} step {number}: {error}"))?;
    }
    while !model.ranges.is_empty() {
        model.unmap(0)?;
    }
    Ok(model.refusals)
}

impl Model<'_> {
    fn step(&mut self) -> Outcome {
        let object = self.any_object();
        let range = self.any_range();
        match (self.random.below(14), object, range) {
            (0, ..) if self.count() < OBJECTS => self.create(),
            (1, Some(number), _) => self.write(number),
            (2, Some(number), _) => self.read(number),
            (3 | 4, Some(number), _) if self.ranges.len() < MAPPINGS => self.map(number),
            (5, Some(number), _) if self.ranges.len() < MAPPINGS => self.map_code(number),
            (6, Some(number), _) if self.random.once_in(3) => self.seal(number),
            (7, Some(number), _) => self.derive(number),
            (8, Some(number), _) if self.random.once_in(2) => self.revoke(number),
            (9, Some(number), _) if self.random.once_in(2) => {
                if let Some(object) = &mut self.objects[number] {
                    (object.root, object.below) = (None, None);
                }
                self.forget();
                Ok(())
            }
            (10, ..) if self.ranges.len() < MAPPINGS => self.reserve(),
            (11, _, Some(range)) => self.store(range),
            (12, _, Some(range)) if self.random.once_in(2) => self.unmap(range),
            (13, _, Some(range)) => self.decommit(range),
            (_, _, Some(range)) => self.look(range),
            _ => Ok(()),
        }
    }

    fn count(&self) -> usize {
        self.objects.iter().flatten().count()
    }

    /// An object that has a capability.
    fn any_object(&mut self) -> Option<usize> {
        let start = self.random.below(OBJECTS as u64) as usize;
        let has_root = |number: &usize| self.objects[*number].as_ref().is_some_and(|one| one.root.is_some());
        let count = self.objects.len();
        (0..count).map(|step| (start + step) % count).find(has_root)
    }

    fn any_range(&mut self) -> Option<usize> {
        let count = self.ranges.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    /// Takes objects without capability and mapping out of the model.
    fn forget(&mut self) {
        for number in 0..self.objects.len() {
            let is_mapped = self.ranges.iter().any(|range| range.is_of(number));
            if self.objects[number].as_ref().is_some_and(|one| one.root.is_none()) && !is_mapped {
                self.objects[number] = None;
            }
        }
    }

    fn create(&mut self) -> Outcome {
        let pages = 1 + self.random.below(PAGES as u64) as usize;
        let root = Some(done("create", self.context.memory.create_object(pages as u64 * PAGE))?);
        let object = Object { root, below: None, pages, bytes: [0; PAGES], is_sealed: false };
        match self.objects.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(object),
            None => self.objects.push(Some(object)),
        }
        Ok(())
    }

    fn write(&mut self, number: usize) -> Outcome {
        let (page, byte) = (self.random.below(PAGES as u64) as usize, self.random.next() as u8);
        let Some(Object { root: Some(root), pages, bytes, is_sealed, .. }) = &mut self.objects[number] else {
            return Ok(());
        };
        let page = page % *pages;
        let written = root.write(page as u64 * PAGE + PLACE, &[byte]);
        if *is_sealed {
            return self.must_fail("write", written);
        }
        bytes[page] = byte;
        done("write", written).map(drop)
    }

    fn read(&mut self, number: usize) -> Outcome {
        let Some(Object { root: Some(root), pages, bytes, .. }) = &self.objects[number] else {
            return Ok(());
        };
        for (page, expected) in bytes.iter().enumerate().take(*pages) {
            for (place, expected) in [(PLACE, *expected), (EMPTY, 0)] {
                let mut byte = [0];
                done("read", root.read(page as u64 * PAGE + place, 1, &mut byte))?;
                equal("read byte", byte[0], expected)?;
            }
        }
        Ok(())
    }

    fn map(&mut self, number: usize) -> Outcome {
        let is_writable = self.random.once_in(2);
        let Some(Object { root: Some(root), below, pages, is_sealed, .. }) = &self.objects[number] else {
            return Ok(());
        };
        let (by, is_below) = (below.as_ref().unwrap_or(root), below.is_some());
        let mapped = self.context.memory.map(by, 0, *pages as u64 * PAGE, is_writable);
        if *is_sealed && is_writable {
            return self.must_fail("map", mapped);
        }
        let (address, pages) = (done("map", mapped)?, *pages);
        let behind = Behind::Object { number, is_below };
        self.ranges.push(Range { address, pages, is_writable, is_reserved: false, behind });
        Ok(())
    }

    /// A sealed object's pages can be executable, nobody else's.
    fn map_code(&mut self, number: usize) -> Outcome {
        let Some(Object { root: Some(root), pages, is_sealed, .. }) = &self.objects[number] else {
            return Ok(());
        };
        let mapped = self.context.code.map(&self.context.memory, root, 0, *pages as u64 * PAGE);
        if !*is_sealed {
            return self.must_fail("map code", mapped);
        }
        let (address, pages) = (done("map code", mapped)?, *pages);
        let behind = Behind::Object { number, is_below: false };
        self.ranges.push(Range { address, pages, is_writable: false, is_reserved: false, behind });
        Ok(())
    }

    fn seal(&mut self, number: usize) -> Outcome {
        let is_mapped = self.ranges.iter().any(|range| range.is_writable && range.is_of(number));
        let Some(Object { root: Some(root), is_sealed, .. }) = &mut self.objects[number] else {
            return Ok(());
        };
        let sealed = root.seal();
        if is_mapped {
            return self.must_fail("seal", sealed);
        }
        *is_sealed = true;
        done("seal", sealed)
    }

    fn derive(&mut self, number: usize) -> Outcome {
        let Some(Object { root: Some(root), below, .. }) = &mut self.objects[number] else { return Ok(()) };
        if below.is_none() {
            *below = Some(done("derive", root.derive(MemoryObject::ALL_METHODS))?);
        }
        Ok(())
    }

    /// What was mapped through the derived capability shows zeros from now on, and can be written if it could before.
    fn revoke(&mut self, number: usize) -> Outcome {
        let Some(Object { root: Some(root), below, .. }) = &mut self.objects[number] else { return Ok(()) };
        done("revoke", root.revoke())?;
        *below = None;
        for range in &mut self.ranges {
            if matches!(range.behind, Behind::Object { number: of, is_below: true } if of == number) {
                range.behind = Behind::Own([0; PAGES]);
            }
        }
        self.look_at_all()
    }

    fn reserve(&mut self) -> Outcome {
        let length = PAGES as u64 * PAGE;
        let address = done("reserve", self.context.memory.reserve(length))?;
        done("commit", self.context.memory.commit(address, length))?;
        let behind = Behind::Own([0; PAGES]);
        self.ranges.push(Range { address, pages: PAGES, is_writable: true, is_reserved: true, behind });
        Ok(())
    }

    fn store(&mut self, range: usize) -> Outcome {
        let (page, byte) = (self.random.below(PAGES as u64) as usize, self.random.next() as u8);
        let range = &mut self.ranges[range];
        if !range.is_writable {
            return Ok(());
        }
        let page = page % range.pages;
        hostile::store_byte(range.address + page as u64 * PAGE + PLACE, byte);
        match &mut range.behind {
            Behind::Own(bytes) => bytes[page] = byte,
            Behind::Object { number, .. } => {
                if let Some(object) = &mut self.objects[*number] {
                    object.bytes[page] = byte;
                }
            }
        }
        Ok(())
    }

    /// A page that was given back and comes again is empty.
    fn decommit(&mut self, range: usize) -> Outcome {
        let page = self.random.below(PAGES as u64) as usize;
        let Range { address, is_reserved: true, behind: Behind::Own(bytes), .. } = &mut self.ranges[range]
        else {
            return Ok(());
        };
        let at = *address + page as u64 * PAGE;
        bytes[page] = 0;
        done("decommit", self.context.memory.decommit(at, PAGE))?;
        done("commit", self.context.memory.commit(at, PAGE))
    }

    fn unmap(&mut self, range: usize) -> Outcome {
        self.look(range)?;
        let range = self.ranges.swap_remove(range);
        done("unmap", self.context.memory.unmap(range.address, range.pages as u64 * PAGE))?;
        self.forget();
        Ok(())
    }

    fn look_at_all(&self) -> Outcome {
        (0..self.ranges.len()).try_for_each(|range| self.look(range))
    }

    /// Compares every page of a range.
    fn look(&self, range: usize) -> Outcome {
        let range = &self.ranges[range];
        let bytes = match &range.behind {
            Behind::Own(bytes) => *bytes,
            Behind::Object { number, .. } => {
                self.objects[*number].as_ref().map_or([0; PAGES], |one| one.bytes)
            }
        };
        for (page, expected) in bytes.iter().enumerate().take(range.pages) {
            let at = range.address + page as u64 * PAGE;
            equal("byte", (hostile::load(at + PLACE), hostile::load(at + EMPTY)), (*expected, 0))?;
        }
        Ok(())
    }

    fn must_fail<T>(&mut self, what: &str, result: Result<T, CallError>) -> Outcome {
        self.refusals += 1;
        exception(what, result, Exception::Failed)
    }
}

impl Range {
    fn is_of(&self, object: usize) -> bool {
        matches!(self.behind, Behind::Object { number, .. } if number == object)
    }
}
