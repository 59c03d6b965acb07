//! Limits: sizes, times and numbers within their bounds.
//!
//! Called by `instance` and `native`; calls `quantity`.
//!
//! Invariant: a limit that is stated is enforced as stated or refused, never rounded.

use std::time::Duration;

use super::{At, Resolver};
use crate::document::Size;
use crate::quantity::{DURATION, SIZE, parse_duration, parse_size, size_text};

/// Bytes that one process can be given at most: more than the machines that capOS is meant for have.
pub(super) const MEMORY_MAX: u64 = 64 << 30;

impl Resolver<'_> {
    /// A size between bounds, or the default. `None` only if it was refused.
    pub(super) fn size(
        &mut self,
        size: Option<&Size>,
        default: u64,
        from: u64,
        to: u64,
        at: &At,
    ) -> Option<u64> {
        let bytes = match size {
            None => return Some(default),
            Some(Size::Bytes(bytes)) => Ok(*bytes),
            Some(Size::Text(text)) => parse_size(text),
        };
        match bytes {
            Ok(bytes) if (from..=to).contains(&bytes) => Some(bytes),
            Ok(bytes) => {
                let accepted = format!("{} to {}", size_text(from), size_text(to));
                self.refuse(at, format!("the size {} is out of range", size_text(bytes)), accepted);
                None
            }
            Err(_) => {
                let message = match size {
                    Some(Size::Text(text)) => format!("wrong size \"{text}\""),
                    _ => "wrong size".to_owned(),
                };
                self.refuse(at, message, SIZE);
                None
            }
        }
    }

    /// A length of time of at least a nanosecond. `None` if there is none, or it was refused.
    pub(super) fn time(&mut self, text: Option<&String>, at: &At) -> Option<Duration> {
        let text = text?;
        match parse_duration(text) {
            Ok(Duration::ZERO) => {
                self.refuse(at, "a limit of no time", "more than 0; no limit at all is to leave it out");
                None
            }
            Ok(duration) => Some(duration),
            Err(_) => {
                self.refuse(at, format!("wrong duration \"{text}\""), DURATION);
                None
            }
        }
    }
}
