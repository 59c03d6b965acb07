//! The run of one module, from its bytes to its ending.
//!
//! Called by the `capos-wasm` program and by tests; calls [`crate::refusal`], [`crate::link`] and wasmi.
//!
//! Invariant: everything that can be refused is refused before the first instruction of the guest runs; after that a run
//! ends with an [`Ending`], never with a panic.

use alloc::format;
use alloc::string::ToString;

use wasmi::errors::{ErrorKind, InstantiationError, MemoryError, TableError};
use wasmi::{CompilationMode, Config, Engine, Error, ExternType, Instance, Linker, Module, Store};

use crate::context::Context;
use crate::ending::Ending;
use crate::launch::{Launch, RECURSION_LIMIT_DEFAULT, STACK_BYTES_DEFAULT, STACK_BYTES_MAX};
use crate::limits::Limits;
use crate::link;
use crate::p1;
use crate::places;
use crate::port::Ports;
use crate::refusal::{self, Refusal};

/// Bytes of the engine's value stack at its start; it grows by doubling.
const STACK_BYTES_FIRST: usize = 1024;
/// Functions that a report names: the one that trapped and those that led to it.
const CALLS_TOLD: usize = 4;

/// Runs a module with what it was granted, until it ends.
#[must_use]
pub fn run(bytes: &[u8], launch: Launch, ports: Ports) -> Ending {
    match Prepared::new(bytes, launch, ports) {
        Ok(prepared) => prepared.run(),
        Err(refusal) => Ending::Invalid(refusal),
    }
}

/// Looks at everything about a module that can be refused whatever it is launched with: its beginning, every function, its
/// imports and its entry. The host command asks this when it makes an image, with the engine that will run the module.
///
/// # Errors
/// Why no instance of it starts.
pub fn check(bytes: &[u8]) -> Result<(), Refusal> {
    refusal::inspect(bytes)?;
    let engine = Engine::new(&config(&Launch::default()));
    linked(&engine, bytes).map(drop)
}

/// A module that may start.
pub struct Prepared<'m> {
    bytes: &'m [u8],
    module: Module,
    linker: Linker<Context>,
    store: Store<Context>,
    memory_limit: u64,
}

impl<'m> Prepared<'m> {
    /// Looks at everything that can be refused.
    ///
    /// # Errors
    /// Why the module does not start.
    pub fn new(bytes: &'m [u8], launch: Launch, ports: Ports) -> Result<Prepared<'m>, Refusal> {
        launch.check().map_err(Refusal::Launch)?;
        refusal::inspect(bytes)?;
        let engine = Engine::new(&config(&launch));
        let (module, linker) = linked(&engine, bytes)?;
        let memory_limit = launch.memory_limit;
        let mut ports = ports;
        let limits = Limits::new(memory_limit, ports.growth.take());
        let instance = p1::Instance::new(launch.arguments, launch.environment, ports);
        let mut store = Store::new(&engine, Context::new(instance, limits));
        store.limiter(|context| &mut context.limits);
        if let Some(fuel) = launch.fuel {
            store.set_fuel(fuel).map_err(|error| Refusal::Malformed(error.to_string()))?;
        }
        Ok(Prepared { bytes, module, linker, store, memory_limit })
    }

    /// True for a module that imports nothing and exports nothing but its entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.module.imports().len() == 0 && self.module.exports().count() == 1
    }

    /// Instantiates the module and calls its entry.
    #[must_use]
    pub fn run(mut self) -> Ending {
        let instance = match self.linker.instantiate_and_start(&mut self.store, &self.module) {
            Ok(instance) => instance,
            Err(error) => return self.not_instantiated(&error),
        };
        for entry in ["_initialize", "_start"] {
            if let Err(error) = call(&mut self.store, instance, entry) {
                return self.failed(&error);
            }
        }
        Ending::Returned
    }

    /// Limits that a module passes from the start are refusals; all else happened while it ran.
    fn not_instantiated(&self, error: &Error) -> Ending {
        let refusal = match error.kind() {
            ErrorKind::Instantiation(InstantiationError::TooManyMemories) => Some(Refusal::Memories),
            ErrorKind::Instantiation(
                InstantiationError::TooManyTables
                | InstantiationError::FailedToInstantiateTable(TableError::ResourceLimiterDeniedAllocation),
            ) => Some(Refusal::Tables),
            ErrorKind::Instantiation(InstantiationError::FailedToInstantiateMemory(
                MemoryError::ResourceLimiterDeniedAllocation,
            )) => {
                self.store.data().limits.refused().map(|asked| Refusal::MemoryLimit(asked, self.memory_limit))
            }
            _ => None,
        };
        refusal.map_or_else(|| self.failed(error), Ending::Invalid)
    }

    /// The ending for what happened while the module ran, with the functions in which it did.
    fn failed(&self, error: &Error) -> Ending {
        if let ErrorKind::Wasm(_) = error.kind() {
            // The module is not what the image states, and a function of it was called. All of it tells more than the rest.
            let refusal = check(self.bytes).err();
            return Ending::Invalid(refusal.unwrap_or_else(|| Refusal::Malformed(error.to_string())));
        }
        let imported =
            self.module.imports().filter(|import| matches!(import.ty(), ExternType::Func(_))).count();
        let mut functions = self.module.engine().last_functions(CALLS_TOLD);
        for function in &mut functions {
            *function += imported as u32;
        }
        Ending::of(error, &places::calls(self.bytes, &functions))
    }
}

/// The module, and everything that it imports.
fn linked(engine: &Engine, bytes: &[u8]) -> Result<(Module, Linker<Context>), Refusal> {
    let module = Module::new(engine, bytes).map_err(|error| invalid(&error, bytes))?;
    let mut linker = Linker::new(engine);
    link::link(&mut linker, &module)?;
    check_entry(&module)?;
    Ok((module, linker))
}

/// Calls the export of this name, if there is one.
fn call(store: &mut Store<Context>, instance: Instance, name: &str) -> Result<(), Error> {
    match instance.get_func(&*store, name) {
        Some(function) => function.typed::<(), ()>(&*store)?.call(store, ()),
        None => Ok(()),
    }
}

/// How the engine is set up, on the host and in the machine alike. Without a limit no fuel is counted: the kernel's time
/// slices and the limit of time do not need it.
fn config(launch: &Launch) -> Config {
    let stack =
        launch.stack_bytes.unwrap_or(STACK_BYTES_DEFAULT).clamp(STACK_BYTES_FIRST as u64, STACK_BYTES_MAX);
    let mode = if launch.is_validated { CompilationMode::Lazy } else { CompilationMode::LazyTranslation };
    let mut config = Config::default();
    config
        .consume_fuel(launch.fuel.is_some())
        .compilation_mode(mode)
        .ignore_custom_sections(true)
        .set_min_stack_height(STACK_BYTES_FIRST)
        .set_max_stack_height(stack as usize)
        .set_max_recursion_depth(launch.recursion_limit.unwrap_or(RECURSION_LIMIT_DEFAULT) as usize)
        .set_max_cached_stacks(1);
    config
}

/// A command exports `_start`, a function without parameters and results. `_initialize`, where it is there too, runs first.
fn check_entry(module: &Module) -> Result<(), Refusal> {
    let mut found = [false; 2];
    for (index, name) in ["_start", "_initialize"].into_iter().enumerate() {
        match module.get_export(name) {
            None => {}
            Some(ExternType::Func(kind)) if kind.params().is_empty() && kind.results().is_empty() => {
                found[index] = true;
            }
            Some(_) => return Err(Refusal::WrongEntry(name)),
        }
    }
    match found {
        [true, _] => Ok(()),
        [false, true] => Err(Refusal::Reactor),
        [false, false] => Err(Refusal::NoEntry),
    }
}

/// The refusal for an error of validation: a feature that is off, or a module that no engine takes.
fn invalid(error: &Error, module: &[u8]) -> Refusal {
    let text = match error.kind() {
        ErrorKind::Wasm(why) => format!("{error}{}", places::body(module, why.offset())),
        _ => error.to_string(),
    };
    let is_feature =
        ["not enabled", "must be enabled", "not supported", "required for", "disabled", "unsupported"]
            .iter()
            .any(|words| text.contains(words));
    if is_feature { Refusal::Feature(text) } else { Refusal::Malformed(text) }
}
