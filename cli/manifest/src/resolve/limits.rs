//! Limits: sizes, times and numbers within their bounds.
//!
//! Called by `instance` and `native`; calls `quantity`.
//!
//! Invariant: a limit that is stated is enforced as stated or refused, never rounded.

use std::ops::RangeInclusive;
use std::time::Duration;

use capos_abi::share::PERIOD_NANOSECONDS;

use super::{At, Resolver};
use crate::document::Size;
use crate::quantity::{DURATION, SIZE, duration_text, parse_duration, parse_size, size_text};
use crate::system::ProcessorLimits;

/// Bytes that one process can be given at most.
pub(super) const MEMORY_MAX: u64 = 64 << 30;

/// The limits that both kinds of process have, as they are written.
pub(super) struct Stated<'a> {
    pub(super) reserve: Option<&'a Size>,
    pub(super) weight: Option<u32>,
    pub(super) budget: Option<&'a String>,
    pub(super) period: Option<&'a String>,
}

/// What is carved out of the machine for one process.
pub(super) struct Shares {
    pub(super) memory_reserve: u64,
    pub(super) processor: ProcessorLimits,
}

/// The weights that one process can be given, as the schema has them.
const WEIGHTS: RangeInclusive<u32> = 1..=100_000;
/// The shortest and the longest period.
const PERIODS: [Duration; 2] =
    [Duration::from_nanos(*PERIOD_NANOSECONDS.start()), Duration::from_nanos(*PERIOD_NANOSECONDS.end())];

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

    /// What a process with this memory has of the machine; `None` if it was refused.
    pub(super) fn shares(&mut self, stated: &Stated<'_>, memory: u64, at: &At) -> Option<Shares> {
        let reserve = self.size(stated.reserve, memory, 0, memory, &at.field("reserve"));
        let weight = stated.weight.unwrap_or(ProcessorLimits::WEIGHT);
        if !WEIGHTS.contains(&weight) {
            let accepted = format!("{} to {}", WEIGHTS.start(), WEIGHTS.end());
            self.refuse(&at.field("weight"), format!("the weight {weight} is out of range"), accepted);
            return None;
        }
        let rate = self.rate(stated, at)?;
        Some(Shares { memory_reserve: reserve?, processor: ProcessorLimits { weight, rate } })
    }

    /// So much of the processor in each period, budget first; `None` if it was refused.
    #[expect(clippy::option_option, reason = "none is a limit that is not there, too")]
    fn rate(&mut self, stated: &Stated<'_>, at: &At) -> Option<Option<(Duration, Duration)>> {
        let lacking = match (stated.budget, stated.period) {
            (None, None) => return Some(None),
            (Some(_), None) => Some(("budget", "a budget without a period")),
            (None, Some(_)) => Some(("period", "a period without a budget")),
            (Some(_), Some(_)) => None,
        };
        if let Some((field, message)) = lacking {
            self.refuse(&at.field(field), message, "both, as in {budget: \"10ms\", period: \"100ms\"}");
            return None;
        }
        let budget = self.time(stated.budget, &at.field("budget"));
        let period = self.time(stated.period, &at.field("period"));
        let (budget, period) = (budget?, period?);
        let [shortest, longest] = PERIODS;
        if !(shortest..=longest).contains(&period) {
            let message = format!("the period {} is out of range", duration_text(period));
            let accepted = format!("{} to {}", duration_text(shortest), duration_text(longest));
            self.refuse(&at.field("period"), message, accepted);
            return None;
        }
        if budget > period {
            let message = format!("the budget {} is longer than its period", duration_text(budget));
            self.refuse(&at.field("budget"), message, format!("1ns to {}", duration_text(period)));
            return None;
        }
        Some(Some((budget, period)))
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
