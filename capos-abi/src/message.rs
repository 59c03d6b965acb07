//! The bounds of a message.
//!
//! A message is one Cap'n Proto segment with its root pointer at word 0 and no far pointers. Checked by the kernel before
//! it reads anything, by the generated codecs of `capos-schema`, and by `capos-rt` before it submits.
//!
//! Invariant: what these constants admit fits the kernel's per-call buffers, so a message never needs an allocation.

/// Bytes of bulk data that one call carries at most (law 3: longer transfers are one call per chunk).
pub const DATA_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a message at most: the data and room for the structures around it.
pub const MESSAGE_BYTES_MAX: usize = DATA_BYTES_MAX + 256;

/// Capabilities that one message carries at most, in each direction.
pub const CAPABILITIES_MAX: usize = 16;

/// Bytes of a Cap'n Proto word.
pub const WORD_BYTES: usize = 8;
