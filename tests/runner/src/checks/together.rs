//! Processes that end while init does not look: of each that failed init says so, whichever it looks at first.
//!
//! A row of `checks`. Under the instruction clock each of the three processes ends within its first time slice, and init
//! comes after them.
//!
//! Invariant: the run ends as the main process did, and nothing is said twice.

use super::record::ends;
use super::{Tools, holds, status};
use crate::case::Run;

const SAID: &str = "init: process \"bad\" ended: trap: unreachable instruction executed in function 0\n";

pub(super) fn all_told(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.system("together.cue"), &Run::plain())?;
    status(&shown, 0)?;
    let order: Vec<String> = ends(&shown.log)?.into_iter().map(|end| end.name).collect();
    holds(order[..] == ["first", "bad", "main"], &format!("they ended in the order {order:?}"), &shown)?;
    holds(shown.stderr_text() == SAID, "init should say of the bad one alone that it failed", &shown)?;
    Ok(String::new())
}
