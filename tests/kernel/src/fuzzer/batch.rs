//! One batch: steps are written, handed over together, and their answers compared.
//!
//! Called by `main`; calls the generator and the rings by hand.
//!
//! Invariant: when a batch is over nothing of it is in flight and every answer was counted.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_kernel_suite::fuzz::{Counts, Effect, Generator, Known, SLOT_BYTES, Step};
use capos_rt::abi::ring::{Completion, Opcode, Submission, offset};
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::MemoryObject;
use capos_rt::schema::virtual_memory::{VirtualMemory, VirtualMemoryMapResults};
use capos_rt::{Cap, hostile};

/// How often a batch may enter the kernel without an answer.
const PATIENCE: u32 = 1000;

/// The rings, and how far they were used.
pub(crate) struct Rings {
    pub(crate) tail: u32,
    pub(crate) head: u32,
}

impl Rings {
    /// The rings as they are.
    pub(crate) fn new() -> Rings {
        Rings {
            tail: hostile::header(offset::SUBMISSION_HEAD),
            head: hostile::header(offset::COMPLETION_TAIL),
        }
    }

    /// Draws, submits and judges one batch.
    pub(crate) fn batch(&mut self, generator: &mut Generator, counts: &mut Counts) -> Result<(), String> {
        let size = generator.begin();
        let steps: Vec<Step> = (0..size).map(|_| generator.step()).collect();
        for (slot, step) in steps.iter().enumerate() {
            hostile::write_area(slot * SLOT_BYTES, &step.area);
            self.push(&step.words);
            counts.submitted(&step.words);
        }
        let mut answered = 0;
        for _ in 0..PATIENCE {
            hostile::enter(0, 0, 0);
            while let Some(completion) = self.pop() {
                answered += 1;
                counts.answered(completion.result);
                judge(generator, &steps, &completion)?;
            }
            if answered == size {
                return Ok(());
            }
        }
        Err(format!("{} of {size} answers never came; the batch was {}", size - answered, kinds(&steps)))
    }

    /// Writes and publishes a submission.
    pub(crate) fn push(&mut self, words: &[u64; 8]) {
        hostile::write_submission(self.tail, words);
        self.tail = self.tail.wrapping_add(1);
        hostile::set_header(offset::SUBMISSION_TAIL, self.tail);
    }

    /// The next completion, if there is one.
    pub(crate) fn pop(&mut self) -> Option<Completion> {
        if hostile::header(offset::COMPLETION_TAIL) == self.head {
            return None;
        }
        let completion = Completion::decode(&hostile::read_completion(self.head));
        self.head = self.head.wrapping_add(1);
        hostile::set_header(offset::COMPLETION_HEAD, self.head);
        Some(completion)
    }

    /// Submits one thing and waits for its completion.
    pub(crate) fn one(&mut self, submission: &Submission) -> Result<Completion, String> {
        self.push(&submission.encode());
        hostile::enter(1, u64::MAX, 0);
        self.pop().ok_or_else(|| format!("no answer to {:?}", submission.opcode))
    }

    /// Unmaps and releases everything that is left.
    pub(crate) fn give_back(
        &mut self,
        generator: &mut Generator,
        memory: &Cap<VirtualMemory>,
    ) -> Result<(), String> {
        hostile::resynchronize();
        while let Some(address) = generator.world.give_up_mapping() {
            memory
                .unmap(address, 4096)
                .map_err(|error| format!("the last unmap of {address:#x}: {error}"))?;
        }
        hostile::resynchronize();
        *self = Rings::new();
        while let Some(held) = generator.world.take() {
            let handle = capos_rt::abi::handle::Handle(held);
            let release = Submission { handle, ..Submission::new(Opcode::Release, 1) };
            let result = self.one(&release)?.result;
            if result != 0 {
                return Err(format!("the last release of {held:#x} was answered {result}"));
            }
        }
        Ok(())
    }
}

/// Compares an answer with what is due, and remembers what it brought.
fn judge(generator: &mut Generator, steps: &[Step], completion: &Completion) -> Result<(), String> {
    let step = steps.iter().find(|step| step.words[2] == completion.user_data);
    let Some(step) = step else { return Err(format!("an answer that nobody asked for: {completion:?}")) };
    if !step.expected.allows(completion.result) {
        return Err(format!(
            "{}: the answer to {:#x?} was {}, expected {:?}; the batch was {}",
            step.kind,
            step.words,
            completion.result,
            step.expected,
            kinds(steps)
        ));
    }
    let known = match step.effect {
        Effect::None => return Ok(()),
        Effect::Derived { interface, methods, source } => {
            Known { handle: completion.length, interface, methods, source }
        }
        Effect::Created => {
            let (source, description) = (generator.world.memory.handle, MemoryObject::DESCRIPTION);
            let (interface, methods) = (description.id, description.all_methods);
            Known { handle: received(step, completion)?, interface, methods, source }
        }
        Effect::Moved { before } => {
            let known = Known { handle: received(step, completion)?, ..before };
            let has_room = generator.world.come_back(before.handle, known);
            return if has_room { Ok(()) } else { Err("there is no room for what was moved".into()) };
        }
        Effect::Mapped => {
            let is_known = generator.world.remember_mapping(mapped(step)?);
            return if is_known { Ok(()) } else { Err("there is no room for a mapping".into()) };
        }
    };
    if generator.world.remember(known) { Ok(()) } else { Err("there is no room for a capability".into()) }
}

/// The handle of the one capability that has come.
fn received(step: &Step, completion: &Completion) -> Result<u32, String> {
    if completion.capability_count != 1 {
        return Err(format!("{} capabilities came with {}", completion.capability_count, step.kind));
    }
    let mut handle = [0; 4];
    hostile::read_area(step.receive_list, &mut handle);
    Ok(u32::from_le_bytes(handle))
}

/// Where a mapping is, which must show what the object holds: whatever was written there, it can be read.
fn mapped(step: &Step) -> Result<u64, String> {
    let mut bytes = [0; VirtualMemoryMapResults::FIXED_BYTES];
    hostile::read_area(step.words[5] as usize, &mut bytes);
    let results = VirtualMemoryMapResults::decode(&bytes).map_err(|_| "a mapping without an address")?;
    let _ = hostile::load(results.address);
    Ok(results.address)
}

fn kinds(steps: &[Step]) -> String {
    let kinds: Vec<&str> = steps.iter().map(|step| step.kind).collect();
    kinds.join(", ")
}
