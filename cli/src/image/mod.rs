//! Boot images: writing them and looking into them.
//!
//! Called by the verbs; the layout is `capos-abi`'s.
//!
//! Invariant: what [`write`] makes, [`capos_abi::image::Image::parse`] accepts and [`verify`] finds whole.

mod file;
mod verify;
mod write;

pub use file::{memory_file, memory_file_path};
pub use verify::{PartRow, verify};
pub use write::{NamedPart, write};
