//! Drivers that die: started again, and the end of the run if that does not help.
//!
//! Rows of `checks`. The program that dies leaves a request in the hands of its device each time.
//!
//! Invariant: every start finds the device reset: its exit code says so. Where the device holds its answer back, it never comes.

use super::record::ends;
use super::{Tools, holds, status};
use crate::case::Run;

const STARTS: usize = 4;
const SAID: &str = "init: process \"broken\" ended: exited with code 2: it ";
const END: &str = "the driver \"broken\" is lost: process \"broken\" ended: exited with code 2";

pub(super) fn started_again(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.place.tests().join("kernel/driver.cue"), &Run::plain())?;
    status(&shown, 127)?;
    let records = ends(&shown.log)?;
    let starts = records.iter().filter(|end| end.name == "broken").count();
    holds(starts == STARTS, &format!("it ended {starts} times, expected {STARTS}"), &shown)?;
    let text = shown.stderr_text();
    holds(text.matches(SAID).count() == STARTS, "init did not say of each end what it was", &shown)?;
    holds(text.contains(END), &format!("stderr lacks {END:?}"), &shown)?;
    Ok(format!("{starts} starts"))
}

/// Bytes that the random source gives in a second of the machine's time: those of one request.
const LIMITS: [&str; 2] = ["virtio-rng-device.max-bytes=64", "virtio-rng-device.period=1000"];

/// The memory of a dead driver lives on in another process, for longer than the device held its answer back.
pub(super) fn nothing_written(tools: &Tools<'_>) -> Result<String, String> {
    let qemu = LIMITS.iter().flat_map(|limit| ["-global".to_owned(), (*limit).to_owned()]).collect();
    let shown = tools.show(&tools.place.tests().join("kernel/heir.cue"), &Run { qemu, ..Run::plain() })?;
    status(&shown, 0)?;
    let text = shown.stdout_text();
    let words: Vec<&str> = text.split_whitespace().collect();
    let ["requests", asked, "answered", answered, "bytes", "changed", changed] = words[..] else {
        return holds(false, "its line cannot be read", &shown).map(|()| String::new());
    };
    let number = |word: &str| word.parse::<u32>().unwrap_or(u32::MAX);
    holds(number(asked) == number(answered) + 1, "no request was left with the device", &shown)?;
    holds(changed == "0", "the device wrote into memory of another process", &shown)?;
    Ok(text.trim_end().to_owned())
}
