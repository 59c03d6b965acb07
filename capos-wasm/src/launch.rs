//! What an instance is told at its start.
//!
//! Decoded by the `capos-wasm` program from the message `launch`, made by hand in tests; read by [`crate::engine`].
//!
//! Invariant: a launch that passed [`Launch::check`] has no string that WASI's NUL-terminated lists would cut.

use alloc::vec::Vec;

/// Depth of wasm calls unless the launch parameters say otherwise.
pub const RECURSION_LIMIT_DEFAULT: u32 = 50_000;
/// Bytes of the engine's value stack unless the launch parameters say otherwise: 160 bytes for each of the nested calls.
pub const STACK_BYTES_DEFAULT: u64 = 8 << 20;
/// Bytes of the engine's value stack at most: it lies on the heap and is paid for by the process.
pub const STACK_BYTES_MAX: u64 = 1 << 30;

/// The launch parameters, decoded. Fields as in `schema/launch.capnp`.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// argv.
    pub arguments: Vec<Vec<u8>>,
    /// `KEY=VALUE` each.
    pub environment: Vec<Vec<u8>>,
    /// Fuel units at most; `None` = no limit.
    pub fuel: Option<u64>,
    /// Bytes of linear memory at most.
    pub memory_limit: u64,
    /// Depth of wasm calls at most; `None` = [`RECURSION_LIMIT_DEFAULT`].
    pub recursion_limit: Option<u32>,
    /// Bytes of the engine's value stack at most; `None` = [`STACK_BYTES_DEFAULT`].
    pub stack_bytes: Option<u64>,
}

/// What is wrong with a launch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchError {
    /// The argument at this index holds a NUL.
    NulInArgument(usize),
    /// The environment entry at this index holds a NUL.
    NulInEnvironment(usize),
    /// The environment entry at this index is not `KEY=VALUE` with a key that is not empty.
    NoKey(usize),
}

impl core::fmt::Display for LaunchError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            LaunchError::NulInArgument(index) => write!(formatter, "argument {index} holds a NUL byte"),
            LaunchError::NulInEnvironment(index) => {
                write!(formatter, "environment entry {index} holds a NUL byte")
            }
            LaunchError::NoKey(index) => {
                write!(formatter, "environment entry {index} is not KEY=VALUE with a key")
            }
        }
    }
}

impl Launch {
    /// Checks the strings.
    ///
    /// # Errors
    /// See [`LaunchError`].
    pub fn check(&self) -> Result<(), LaunchError> {
        let has_nul = |entry: &Vec<u8>| entry.contains(&0);
        if let Some(index) = self.arguments.iter().position(has_nul) {
            return Err(LaunchError::NulInArgument(index));
        }
        if let Some(index) = self.environment.iter().position(has_nul) {
            return Err(LaunchError::NulInEnvironment(index));
        }
        let has_key = |entry: &Vec<u8>| entry.iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0);
        match self.environment.iter().position(|entry| !has_key(entry)) {
            Some(index) => Err(LaunchError::NoKey(index)),
            None => Ok(()),
        }
    }
}
