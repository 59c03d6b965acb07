//! Drivers that die: started again, and the end of the run if that does not help.
//!
//! A row of `checks`. The program that dies leaves a request in the hands of its device each time.
//!
//! Invariant: every start finds the device reset: its exit code says so.

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
