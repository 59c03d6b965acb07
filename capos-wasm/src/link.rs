//! From the table to the engine: which functions a module is linked with, and what happens around a call.
//!
//! Called by [`crate::engine`] before a module is instantiated; calls [`crate::p1`].
//!
//! Invariant: only what the module imports is linked, each name once however often it is imported; a row that is not
//! served answers `ENOSYS` without a look at its arguments.

use alloc::string::ToString;
use core::fmt;

use wasmi::errors::{HostError, LinkerError};
use wasmi::{Caller, Error, ExternType, ImportType, Linker, Module};

use crate::context::Context;
use crate::errno::{Errno, Failure};
use crate::memory::{Fd, Fdstat, GuestMemory, Pointer, Vector};
use crate::p1::{self, Call};
use crate::refusal::Refusal;
use crate::table::{self, MODULES};

/// A trap that the host raised.
#[derive(Debug)]
pub(crate) struct HostTrap {
    /// The function of the table.
    function: &'static str,
    /// What it found: a bad pointer or an impossible reply.
    failure: Failure,
}

impl HostError for HostTrap {}

impl fmt::Display for HostTrap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.function)?;
        match &self.failure {
            Failure::BadPointer(pointer) => pointer.fmt(formatter),
            Failure::Impossible(what) => write!(formatter, "impossible reply: {what}"),
            Failure::Errno(errno) => write!(formatter, "{errno:?}"),
            Failure::Exit(code) => write!(formatter, "exit {code}"),
        }
    }
}

/// Links everything that the module imports.
///
/// # Errors
/// The refusal for the first import that is not in the table or has another type there.
pub(crate) fn link(linker: &mut Linker<Context>, module: &Module) -> Result<(), Refusal> {
    let mut linked = [[false; ROWS_MAX]; MODULES.len()];
    for import in module.imports() {
        let (namespace, number) = check(&import)?;
        if !core::mem::replace(&mut linked[namespace][number], true) {
            DEFINITIONS[number](linker, MODULES[namespace])
                .map_err(|error| Refusal::Malformed(error.to_string()))?;
        }
    }
    Ok(())
}

/// Room for the marks of [`link`].
const ROWS_MAX: usize = 46;

/// Finds the row of an import: index into [`MODULES`], index into [`table::ROWS`].
fn check(import: &ImportType<'_>) -> Result<(usize, usize), Refusal> {
    let unknown = |kind| Refusal::UnknownImport(import.module().to_string(), import.name().to_string(), kind);
    let found = match import.ty() {
        ExternType::Func(found) => found,
        ExternType::Global(_) => return Err(unknown("a global")),
        ExternType::Memory(_) => return Err(unknown("a memory")),
        ExternType::Table(_) => return Err(unknown("a table")),
    };
    let namespace = MODULES.iter().position(|module| *module == import.module());
    let (Some(namespace), Some((number, row))) = (namespace, table::find(import.name())) else {
        return Err(unknown("a function"));
    };
    let expected = row.func_type();
    if *found != expected {
        let module = import.module().to_string();
        return Err(Refusal::WrongSignature { module, name: row.name, expected, found: found.clone() });
    }
    Ok((namespace, number))
}

/// Serves one call: opens the guest's memory, runs `serve`, and translates its failure.
fn answer(
    caller: &mut Caller<'_, Context>,
    function: &'static str,
    serve: impl FnOnce(&mut Call<'_>) -> Result<(), Failure>,
) -> Result<Errno, Error> {
    let (bytes, context) = match Context::memory(caller) {
        Some(memory) => {
            let (bytes, context) = memory.data_and_store_mut(&mut *caller);
            (Some(bytes), context)
        }
        None => (None, caller.data_mut()),
    };
    let mut call = Call { memory: GuestMemory::new(bytes), instance: &mut context.instance };
    match serve(&mut call) {
        Ok(()) => Ok(Errno::Success),
        Err(Failure::Errno(errno)) => Ok(errno),
        Err(Failure::Exit(code)) => Err(Error::i32_exit(code.cast_signed())),
        Err(failure) => Err(Error::host(HostTrap { function, failure })),
    }
}

/// An argument type of the table: how it comes out of a wasm value.
trait Argument {
    /// The wasm value.
    type Wasm;
    /// The argument named `name`.
    fn decode(value: Self::Wasm, name: &'static str) -> Self;
}

impl Argument for u32 {
    type Wasm = u32;
    fn decode(value: u32, _name: &'static str) -> u32 {
        value
    }
}

impl Argument for u64 {
    type Wasm = u64;
    fn decode(value: u64, _name: &'static str) -> u64 {
        value
    }
}

impl Argument for Fd {
    type Wasm = u32;
    fn decode(value: u32, _name: &'static str) -> Fd {
        Fd(value)
    }
}

impl<T> Argument for Pointer<T> {
    type Wasm = u32;
    fn decode(value: u32, name: &'static str) -> Pointer<T> {
        Pointer::new(value, name)
    }
}

/// Adds one function of the table under a module name.
type Define = fn(&mut Linker<Context>, &str) -> Result<(), LinkerError>;

macro_rules! definitions {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $result:ident = $state:ident $($area:ident::$function:ident)?;)+) => {
        /// One per row, in the order of [`table::ROWS`].
        static DEFINITIONS: [Define; ROWS_MAX] = [$(
            |linker, module| {
                definitions!(@$state $result linker module $name ($($argument: $kind),*) $($area::$function)?);
                Ok(())
            },
        )+];
    };
    (@served errno $linker:ident $module:ident $name:ident ($($argument:ident: $kind:ty),*) $area:ident::$function:ident) => {
        $linker.func_wrap($module, stringify!($name),
            |mut caller: Caller<'_, Context>, $($argument: <$kind as Argument>::Wasm),*| -> Result<i32, Error> {
                answer(&mut caller, stringify!($name), |call| {
                    p1::$area::$function(call, $(<$kind as Argument>::decode($argument, stringify!($argument))),*)
                })
                .map(|errno| errno as i32)
            })?;
    };
    (@served never $linker:ident $module:ident $name:ident ($($argument:ident: $kind:ty),*) $area:ident::$function:ident) => {
        $linker.func_wrap($module, stringify!($name),
            |mut caller: Caller<'_, Context>, $($argument: <$kind as Argument>::Wasm),*| -> Result<(), Error> {
                answer(&mut caller, stringify!($name), |call| {
                    p1::$area::$function(call, $(<$kind as Argument>::decode($argument, stringify!($argument))),*)
                })
                .map(drop)
            })?;
    };
    (@absent errno $linker:ident $module:ident $name:ident ($($argument:ident: $kind:ty),*)) => {
        $linker.func_wrap($module, stringify!($name),
            |$(_: <$kind as Argument>::Wasm),*| -> i32 { Errno::Nosys as i32 })?;
    };
}

crate::for_each_preview1_function!(definitions);
