//! The typed model of a system: manifests read, checked, printed and encoded.
//!
//! Called by the host command `capos`; calls `capos-manifest` (the CUE evaluator in `tools/manifest`), `capos-schema`
//! (interfaces and the Cap'n Proto form) and nothing else. The way down: CUE file -> [`document::Document`] with positions
//! -> checks -> [`System`] = [`SystemManifest`] + [`Blob`]s -> the parts of a boot image.
//!
//! Invariant: a [`System`] exists only after every check has passed; what it grants is exactly what
//! [`describe`] prints, from a manifest and from an image alike.
//!
//! ```text
//! let library = Library::new(folder);                    // lib/capos: *.elf and capos-manifest
//! let system = load(&library, Path::new("x.cue"))?;      // Err(Refusals): Display = one line for each
//! let system = Instance { .. }.system(&library)?;        // what `capos run app.wasm` boots
//! print!("{}", instance.document().to_cue());            // --print-manifest
//! let message = system.manifest.encode()?;               // image part "manifest"
//! for blob in &system.blobs { (&blob.part, blob.read()?); }  // every other part except kernel, init, options
//! let manifest = SystemManifest::decode(&message)?;      // from an image
//! manifest.verify(&part_names)?;                         // an image's manifest against schema and part table
//! print!("{}", describe(&manifest));                     // `capos check`
//! manifest.memory_total();                               // bytes that all processes together may use: size the machine
//! ```
#![forbid(unsafe_code)]

mod blob;
mod cue;
mod describe;
pub mod document;
mod instance;
mod interfaces;
mod load;
mod quantity;
mod refusal;
mod resolve;
mod system;
mod wire;

pub use blob::{Blob, BlobKind, Library};
pub use describe::describe;
pub use instance::{Instance, InstanceError};
pub use load::load;
pub use quantity::{parse_duration, parse_size};
pub use refusal::{Position, Refusal, Refusals};
pub use system::{Grant, Launch, Preopen, Process, Source, System, SystemManifest};
pub use wire::WireError;
