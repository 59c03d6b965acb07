//! The console's driver: its death, where it may strike, and what one client can take from another.
//!
//! Rows of `checks`. The writer writes pieces of equal bytes and says last which of them failed.
//!
//! Invariant: the driver ends while a call is in its hands, so that each piece can be shown, or not, but never in part or twice.

use std::io::Read;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use super::pipes::{end, start_with};
use super::record::ends;
use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch::Shown;

/// No run here may take longer.
const LIMIT: Duration = Duration::from_secs(120);
/// The slow reader waits so long for each of its reads.
const PAUSE: Duration = Duration::from_millis(10);
/// Bytes of a piece, and pieces.
const PIECE: usize = 32 << 10;
const PIECES: usize = 48;
/// Lines of the steady writer, and the bytes that a flooding one writes at a time.
const LINES: usize = 200;
const LINE: &[u8] = b"steady\n";
const FLOOD: usize = 64 << 10;

fn boot(tools: &Tools<'_>, manifest: &str, run: &Run) -> Result<Shown, String> {
    tools.show(&tools.place.tests().join("kernel").join(manifest), run)
}

/// Every piece that did not fail is there, whole and once, in order; of those that failed none is there in part. Returns how
/// many failed, and how many of those are there.
fn judge(bytes: &[u8]) -> Result<(usize, usize), String> {
    // The list is there more than once if its writer had to repeat it until it knew.
    let (pieces, lists) = bytes.split_at(bytes.len() - bytes.len() % PIECE);
    let (copies, odd) = lists.as_chunks::<PIECES>();
    let Some(failed) = copies.last().filter(|_| odd.is_empty()) else {
        return Err(format!("{} bytes, and no list at their end", bytes.len()));
    };
    let mut found = Vec::new();
    for piece in pieces.chunks(PIECE) {
        if piece.len() != PIECE || piece.iter().any(|byte| *byte != piece[0]) {
            return Err(format!("the piece behind {found:?} is cut"));
        }
        found.push(usize::from(piece[0]));
    }
    if !found.is_sorted_by(|one, next| one < next) {
        return Err(format!("the pieces are out of order: {found:?}"));
    }
    let failures = failed.iter().filter(|byte| **byte != 0).count();
    let is_lost = |number: &usize| failed[number - 1] == 0 && !found.contains(number);
    if let Some(number) = (1..=PIECES).find(is_lost) {
        return Err(format!("piece {number} is not there"));
    }
    Ok((failures, found.len() + failures - PIECES))
}

/// A driver that ends over every fifth call, the first time before the bytes are out, then behind that: its writer is told of a
/// failure, and no other call notices anything.
pub(super) fn mortal(tools: &Tools<'_>) -> Result<String, String> {
    let shown = boot(tools, "console-mortal.cue", &Run::plain())?;
    status(&shown, 0)?;
    let (failures, shown_nevertheless) = judge(&shown.stdout)?;
    let records = ends(&shown.log)?;
    let deaths = records.iter().filter(|end| end.name == "mortal").count();
    holds(deaths >= PIECES / 5, &format!("the driver ended {deaths} times only"), &shown)?;
    holds(failures >= 5, &format!("{failures} pieces failed only"), &shown)?;
    holds(shown_nevertheless + 1 == failures, "another piece than the fifth is not there", &shown)?;
    let said = shown.stderr_text().matches("init: process \"mortal\" ended: exited with code 5").count();
    holds(said > 0, "init did not say that the driver ended", &shown)?;
    Ok(format!("{deaths} deaths, {failures} pieces failed"))
}

/// A driver that is ended by the clock, wherever it is: mostly while its device is in the middle of a frame, since the reader is
/// slow.
pub(super) fn hunted(tools: &Tools<'_>) -> Result<String, String> {
    let mut started =
        start_with(tools, &[], "../kernel/console-hunted.cue", |command| _ = command.stdout(Stdio::piped()))?;
    let mut stdout = started.child.stdout.take().ok_or("no pipe")?;
    let reader = thread::spawn(move || {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 16 << 10]);
        while let Ok(count) = stdout.read(&mut buffer)
            && count > 0
        {
            bytes.extend_from_slice(&buffer[..count]);
            thread::sleep(PAUSE);
        }
        bytes
    });
    let (found, told) = end(started, LIMIT)?;
    let bytes = reader.join().map_err(|_| "the reader panicked")?;
    let told_of = told.matches("init: process \"hunted\" ended: wall clock").count();
    if found != 0 || told_of == 0 {
        return Err(format!("status {found}; the driver was ended {told_of} times\n{told}"));
    }
    let (failures, shown_nevertheless) = judge(&bytes)?;
    if failures == 0 {
        return Err(format!("no piece failed, and the driver was ended {told_of} times"));
    }
    Ok(format!("{told_of} deaths, {failures} pieces failed, {shown_nevertheless} of them shown"))
}

/// A driver that is lost: the outcome comes over the kernel's log, with its status and its line.
pub(super) fn lost(tools: &Tools<'_>) -> Result<String, String> {
    let shown = boot(tools, "console-lost.cue", &Run::plain())?;
    status(&shown, 127)?;
    let line = "capos: internal: the driver \"mortal\" is lost: process \"mortal\" ended: exited with code 5";
    holds(shown.stderr_text().contains(line), &format!("stderr lacks {line:?}"), &shown)?;
    let last = shown.log.lines().last().unwrap_or_default();
    holds(
        last.starts_with("[kernel] machine: internal(0) by process \"init\": "),
        "another last line",
        &shown,
    )?;
    Ok(String::new())
}

/// A machine without the device: who writes gets an error, and the outcome comes nevertheless.
pub(super) fn absent(tools: &Tools<'_>) -> Result<String, String> {
    let run = Run { without: vec!["virtio-serial".to_owned(), "virtserialport".to_owned()], ..Run::plain() };
    let guest = tools.guests.file(&tools.system("steady.wat"))?;
    let shown = tools.show(&guest, &run)?;
    // The guest traps when its first write fails.
    status(&shown, 134)?;
    holds(shown.stdout.is_empty(), "bytes came out", &shown)?;
    Ok(String::new())
}

/// Two that flood the console: a third one's writes get their turns, so that it is done when each of them has written at most twice
/// as often. Where time is the number of instructions, since what else the three do takes its time from all.
pub(super) fn flooded(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.system("flooded.cue"), &Run::plain())?;
    status(&shown, 0)?;
    let lines = shown.stdout.windows(LINE.len()).filter(|window| *window == LINE).count();
    holds(lines == LINES, &format!("{lines} lines of {LINES}"), &shown)?;
    let rest = shown.stdout.len() - LINES * LINE.len();
    // The end of the run may cut the one that is under way.
    let writes = rest.div_ceil(FLOOD);
    // Two of them, two turns each for each line: what the third one does between its lines takes its time as well.
    let most = 2 * 2 * LINES;
    holds(writes <= most, &format!("{writes} writes of the flood for {LINES} lines"), &shown)?;
    Ok(format!("{writes} writes of the flood for {LINES} lines"))
}
