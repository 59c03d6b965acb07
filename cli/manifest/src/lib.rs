//! The typed model of a system: manifests read, checked, printed and encoded.
//!
//! Called by the host command `capos`; calls `capos-manifest` (the CUE evaluator in `tools/manifest`), `capos-schema`
//! (interfaces and the Cap'n Proto form) and nothing else. The way down: CUE file -> [`document::Document`] with positions
//! -> checks -> [`Package`] = [`System`] + the other parts of the boot image.
//!
//! Invariant: a [`Package`] exists only after every check has passed; what it grants is exactly what
//! [`describe`] prints, from a manifest and from an image alike.
//!
//! ```text
//! let library = Library::new(folder);                       // lib/capos: *.elf and capos-manifest
//! let package = load(&library, Path::new("x.cue"))?;        // Err(Refusals): Display = one line for each
//! let instance = Instance { binary, arguments, .. };        // what `capos run app.wasm` boots
//! let package = instance.package(&library)?;
//! print!("{}", instance.manifest()?);                       // --print-manifest: CUE text
//! let message: Vec<u8> = encode(&package.system);           // image part "manifest"
//! for (part, contents) in &package.parts { .. }             // every other part except kernel, init, options
//! let system = decode(&message)?;                           // from an image
//! verify(&system, &part_names)?;                            // an image's manifest against schema and part table
//! print!("{}", describe(&system));                          // `capos check`
//! system.memory_total();                                    // bytes that are set aside for all processes together
//! ```
#![forbid(unsafe_code)]

mod cue;
mod describe;
pub mod document;
mod drivers;
mod graph;
mod instance;
mod library;
mod load;
mod module;
mod quantity;
mod refusal;
mod resolve;
mod sources;
mod system;
mod verify;
mod wire;

pub use describe::{describe, describe_json};
pub use graph::graph;
pub use instance::Instance;
pub use library::Library;
pub use load::load;
pub use module::is_text_module;
pub use quantity::{parse_duration, parse_size};
pub use refusal::{Position, Refusal, Refusals};
pub use system::{
    Contents, Grant, Launch, Package, Preopen, Process, Restart, RingSizes, Service, Source, System, When,
    machine_bytes,
};
pub use verify::verify;
pub use wire::{WireError, decode, encode};
