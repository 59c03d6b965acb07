//! Sizes and times on the command line.
//!
//! Called by `options`; calls nobody.
//!
//! Invariant: a text is accepted with exactly one meaning, and a refusal says what would be accepted.

use std::time::Duration;

/// Bytes at most: what a manifest can state too, and more than the machines that capOS is meant for have.
const SIZE_MAX: u64 = 64 << 30;
/// Hours at most: what fits into nanoseconds, with room for the host's own patience.
const HOURS_MAX: u64 = 1_000_000;

/// Reads a size: a number of bytes, or with one of the units KiB, MiB, GiB (`K`, `kb`, `M` and so on mean the same).
///
/// # Errors
/// What would be accepted.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let refusal = || {
        format!(
            "'{text}' is no size: expected bytes, or a number with KiB, MiB or GiB (K, M, G), such as 64MiB"
        )
    };
    let too_large = || format!("'{text}' is too large: 64GiB at most");
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(refusal()),
    };
    if number.is_empty() || number.contains('.') {
        return Err(refusal());
    }
    // Digits alone: what cannot be read is too much.
    let bytes = number.parse().ok().and_then(|number: u64| number.checked_mul(factor));
    match bytes {
        Some(0) => Err(format!("'{text}' is no size: it has to be at least one byte")),
        Some(bytes) if bytes <= SIZE_MAX => Ok(bytes),
        _ => Err(too_large()),
    }
}

/// Reads a time: seconds, with decimals, or with one of the units ms, s, m, h.
///
/// # Errors
/// What would be accepted.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let refusal =
        || format!("'{text}' is no time: expected seconds, such as 2 or 0.5, or a number with ms, s, m or h");
    let (number, unit) = split(text);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(refusal()),
    };
    let number: f64 = number.parse().map_err(|_| refusal())?;
    let most = Duration::from_hours(HOURS_MAX);
    let time = match Duration::try_from_secs_f64(number * factor) {
        Ok(time) if time <= most => time,
        _ => {
            return Err(format!(
                "'{text}' is too long: {HOURS_MAX}h at most; without the option there is no limit"
            ));
        }
    };
    if time.is_zero() {
        Err(format!("'{text}' is no time: it has to be more than nothing"))
    } else {
        Ok(time)
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table =
            [("1", 1), ("64k", 65_536), ("64KiB", 65_536), ("512M", 512 << 20), ("2G", 2 << 30), ("7B", 7)];
        for (text, bytes) in table {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        assert_eq!(parse_size("64GiB"), Ok(64 << 30));
        for text in ["", "0", "M", "-1", "1.5G", "1T", "1 M", "64MiBs"] {
            assert!(parse_size(text).unwrap_err().contains("is no size"), "{text}");
        }
        for text in ["65GiB", "68719476737", "99999999999G", "99999999999999999999999"] {
            assert_eq!(parse_size(text), Err(format!("'{text}' is too large: 64GiB at most")));
        }
    }

    #[test]
    fn times() {
        let table =
            [("2", 2000), ("0.5", 500), ("250ms", 250), ("1.5s", 1500), ("2m", 120_000), ("1h", 3_600_000)];
        for (text, milliseconds) in table {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "0", "s", "-1", "1d", "1e3", "inf", "nan", ".", "1.2.3"] {
            assert!(parse_time(text).unwrap_err().contains("is no time"), "{text}");
        }
        assert!(parse_time("1000000h").is_ok());
        for text in ["1000001h", "99999999999999999999999999"] {
            assert!(parse_time(text).unwrap_err().contains("is too long: 1000000h at most"), "{text}");
        }
    }
}
