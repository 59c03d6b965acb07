//! What the engine keeps for an instance beside its wasm state.
//!
//! Made by [`crate::engine`], opened for each call by [`crate::link`].
//!
//! Invariant: the guest's memory is looked up once, after the instance exists, because exports do not change.

use wasmi::{Caller, Extern, Memory};

use crate::limits::Limits;
use crate::p1::Instance;

/// The engine's store data.
pub struct Context {
    /// What the calls can reach.
    pub instance: Instance,
    /// What memories and tables may grow to.
    pub limits: Limits,
    memory: Lookup,
}

/// The exported memory.
#[derive(Clone, Copy)]
enum Lookup {
    NotYet,
    Done(Option<Memory>),
}

impl Context {
    /// A context before the first call.
    #[must_use]
    pub fn new(instance: Instance, limits: Limits) -> Context {
        Context { instance, limits, memory: Lookup::NotYet }
    }

    /// The memory that the calling module exports as `memory`.
    pub(crate) fn memory(caller: &mut Caller<'_, Context>) -> Option<Memory> {
        if let Lookup::Done(memory) = caller.data().memory {
            return memory;
        }
        let memory = caller.get_export("memory").and_then(Extern::into_memory);
        caller.data_mut().memory = Lookup::Done(memory);
        memory
    }
}
