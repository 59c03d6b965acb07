//! One WASI instance as a whole system: what `capos run app.wasm` boots.
//!
//! Called by the host command with its flags; builds the same [`Document`] that a person would have written, so
//! `--print-manifest` prints what runs.
//!
//! Invariant: `document().to_cue()` evaluates to `document()`.

use std::path::PathBuf;
use std::time::Duration;

use crate::blob::Library;
use crate::document::Document;
use crate::refusal::Refusals;
use crate::system::System;

/// A module to run, and everything that it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The module's file, `.wasm` or `.wat`.
    pub binary: PathBuf,
    /// argv\[0\]; none for the file's name.
    pub argument0: Option<Vec<u8>>,
    /// argv\[1\] and the rest.
    pub arguments: Vec<Vec<u8>>,
    /// Keys and values, in order; of equal keys the last one counts.
    pub environment: Vec<(String, Vec<u8>)>,
    /// Of `stdout`, `stderr`, `timer` and `random` those that are not granted.
    pub denied: Vec<String>,
    /// Bytes of linear memory at most; none for the default.
    pub memory: Option<u64>,
    /// Fuel units at most.
    pub fuel: Option<u64>,
    /// Time from start to end at most.
    pub time: Option<Duration>,
    /// Bytes of the engine's value stack at most.
    pub stack: Option<u64>,
    /// Depth of wasm calls at most.
    pub recursion: Option<u32>,
}
