//! Boot images: writing them and looking into them.
//!
//! Called by the verbs; calls `capos-image-writer`; the layout is `capos-abi`'s.
//!
//! Invariant: what [`write`] makes, [`capos_abi::image::Image::parse`] accepts and [`verify`] finds whole.

mod file;
mod prepared;
mod verify;

pub use capos_image_writer::{NamedPart, write};
pub use file::{memory_file, memory_file_path};
pub use prepared::verify_prepared;
pub use verify::{PartRow, verify};
