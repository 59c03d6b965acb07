//! Sizes and lengths of time as texts.
//!
//! Called by `resolve` for manifests, by `cue` for printing, and by the host command for its options.
//!
//! Invariant: a text means the same in a manifest and on the command line, and a quantity that does not fit is refused.

use std::time::Duration;

/// What a size looks like, for messages.
pub(crate) const SIZE: &str = "a size: a number of bytes, or a text such as \"64MiB\" (B, KiB, MiB, GiB)";
/// What a length of time looks like, for messages.
pub(crate) const DURATION: &str = "a duration: a text such as \"10s\" (ns, us, ms, s, m, h)";

const SIZE_UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
const TIME_UNITS: [(&str, u64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A number of bytes: `65536`, `64KiB`, `16MiB`, `1GiB`.
///
/// # Errors
/// What would be accepted.
pub fn parse_size(text: &str) -> Result<u64, String> {
    parse(text, &SIZE_UNITS, 1).ok_or_else(|| format!("wrong size \"{text}\"; accepted: {SIZE}"))
}

/// A length of time: `250ms`, `10s`, `5m`; a number alone means seconds.
///
/// # Errors
/// What would be accepted.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    parse(text, &TIME_UNITS, 1_000_000_000)
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("wrong duration \"{text}\"; accepted: {DURATION}"))
}

fn parse(text: &str, units: &[(&str, u64)], plain: u64) -> Option<u64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let unit = match &text[digits.len()..] {
        "" => plain,
        suffix => units.iter().find(|(name, _)| *name == suffix)?.1,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// A number of bytes in the largest unit that it is a multiple of.
pub(crate) fn size_text(bytes: u64) -> String {
    let (unit, factor) =
        SIZE_UNITS.iter().find(|(_, factor)| bytes.is_multiple_of(*factor)).unwrap_or(&("B", 1));
    if bytes == 0 { "0B".to_owned() } else { format!("{}{unit}", bytes / factor) }
}

/// A length of time in the largest unit that it is a multiple of.
pub(crate) fn duration_text(duration: Duration) -> String {
    let nanoseconds = duration.as_nanos();
    let (unit, factor) = TIME_UNITS
        .iter()
        .rev()
        .find(|(_, factor)| nanoseconds.is_multiple_of(u128::from(*factor)))
        .unwrap_or(&("ns", 1));
    if nanoseconds == 0 { "0s".to_owned() } else { format!("{}{unit}", nanoseconds / u128::from(*factor)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in
            [("0B", 0), ("1000B", 1000), ("64KiB", 65536), ("3MiB", 3 << 20), ("2GiB", 2 << 30)]
        {
            assert_eq!(parse_size(text), Ok(bytes));
            assert_eq!(size_text(bytes), text);
        }
        assert_eq!(parse_size("65536"), Ok(65536));
        for text in [
            "",
            "MiB",
            "1.5MiB",
            "-1",
            "1 MiB",
            "1mib",
            "1s",
            "99999999999GiB",
            "99999999999999999999",
            "１B",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, nanoseconds) in
            [("7ns", 7), ("250ms", 250_000_000), ("10s", 10_000_000_000), ("2h", 7_200_000_000_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_nanos(nanoseconds)));
            assert_eq!(duration_text(Duration::from_nanos(nanoseconds)), text);
        }
        assert_eq!(parse_duration("3"), Ok(Duration::from_secs(3)));
        for text in ["", "s", "1.5s", "10 s", "10MiB", "99999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
