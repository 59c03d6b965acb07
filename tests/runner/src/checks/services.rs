//! Services that a manifest names: the demo word by word, and what becomes of clients when a service ends.
//!
//! Rows of `checks`. Boot `manifests/system-services.cue` and the manifests `services-*.cue` of `tests/system`.
//!
//! Invariant: each run says exactly what it must, on both streams.

use std::fs;

use super::{Tools, holds, status};
use crate::case::Run;

/// What init says of the demo's service.
const STARTED_AGAIN: &str =
    "init: process \"key-value\" ended: exited with code 1: it is started again (1 of 3)\n";

/// The demo of the book.
pub(super) fn demo(tools: &Tools<'_>) -> Result<String, String> {
    let file = tools.system("services.expected");
    let expected = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let shown = tools.show(&tools.place.root.join("manifests/system-services.cue"), &Run::plain())?;
    status(&shown, 0)?;
    holds(shown.stdout_text() == expected, "the demo should say each step, and nothing else", &shown)?;
    holds(shown.stderr_text() == STARTED_AGAIN, "init should say that it starts the service again", &shown)?;
    let steps = expected.lines().count();
    Ok(format!("{steps} steps"))
}

/// A service that ends again and again, as its manifest has it.
pub(super) fn restarts(tools: &Tools<'_>) -> Result<String, String> {
    let gone = "stop: disconnected\ncalls: disconnected\n";
    let next = "stop: disconnected\ncalls: 1\n";
    let ended = |follows: &str| format!("init: process \"key-value\" ended: exited with code 1{follows}\n");
    let twice = [
        ended(": it is started again (1 of 2)"),
        ended(": it is started again (2 of 2)"),
        ended(": it was started again 2 times and stays ended"),
    ];
    let late = ended(": it is started again (1 of 3)");
    for (name, said, told) in [
        ("never", gone.to_owned(), ended("")),
        ("twice", format!("{next}{next}{gone}"), twice.concat()),
        ("late", "stop: disconnected\ncalls: cancelled\n".to_owned(), late),
    ] {
        let shown = tools.show(&tools.system(&format!("services-{name}.cue")), &Run::plain())?;
        status(&shown, 0)?;
        holds(shown.stdout_text() == said, &format!("{name}: the client should say {said:?}"), &shown)?;
        holds(shown.stderr_text() == told, &format!("{name}: init should say {told:?}"), &shown)?;
    }
    Ok(String::new())
}

/// A client that was not granted the service finds no trace of it.
pub(super) fn ungranted(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.system("services-ungranted.cue"), &Run::plain())?;
    status(&shown, 127)?;
    let told = "a capability is missing: not granted";
    holds(shown.stderr_text().contains(told), &format!("it should end with {told:?}"), &shown)?;
    holds(!shown.stdout_text().contains("reader"), "the reader went on", &shown)?;
    Ok(String::new())
}
