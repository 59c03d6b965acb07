//! The kernel's tests from ring 3: the suite and the ring fuzz, with what only the kernel's record shows.
//!
//! Rows of `checks`. Boot the manifests of `tests/kernel`.
//!
//! Invariant: a suite passes only if its last line counts what was expected, the kernel says why each hostile image was
//! refused, and teardown left the machine's free frames equal.

use capos_kernel_suite::elf::HOSTILE;

use super::record::{Ended, ends};
use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch::{self, Shown};

/// Tests in the suite. Adding one means changing this: a suite that ends early, or skips some, fails.
const TESTS: usize = 461;
/// Pages of its image's data that the process "write data" writes, and "read data" does not.
const WRITTEN_PAGES: u64 = 4;
/// Submissions of the fuzzer's long run.
const SUBMISSIONS: u32 = 1_000_000;
/// Processes of the longest row of equal ones that teardown makes.
const EQUAL_ENDS: usize = 90;

pub(super) fn suite(tools: &Tools<'_>) -> Result<String, String> {
    let file = tools.place.tests().join("kernel/suite.cue");
    let shown = tools.show(&file, &Run::plain())?;
    let text = shown.stdout_text();
    let failed: Vec<&str> = text.lines().filter(|line| line.starts_with("FAILED")).collect();
    if !failed.is_empty() {
        return Err(format!("{}\n{}", failed.join("\n"), launch::last_lines(&shown.log)));
    }
    status(&shown, 0)?;
    let last = text.lines().last().unwrap_or_default();
    let expected = format!("{TESTS} passed, 0 failed");
    holds(last == expected, &format!("the last line is {last:?}, expected {expected:?}"), &shown)?;
    for hostile in HOSTILE {
        let line = format!("[kernel] process \"{}\" is refused: {}", hostile.name, hostile.reason);
        holds(shown.log.lines().any(|one| one == line), &format!("the log lacks {line:?}"), &shown)?;
    }
    let records = ends(&shown.log)?;
    let row = equal_row(&records);
    holds(row >= EQUAL_ENDS, &format!("free frames are equal for {row} ends in a row only"), &shown)?;
    let own = |name| records.iter().filter(move |end| end.name == name).map(|end| end.memory.1);
    let (read, written): (Vec<u64>, Vec<u64>) = (own("read data").collect(), own("write data").collect());
    let is_shared = !read.is_empty() && read.iter().all(|pages| written == [pages + WRITTEN_PAGES]);
    holds(is_shared, &format!("own pages: {read:?} where data is read, {written:?} where written"), &shown)?;
    no_panic(&shown)?;
    Ok(format!("{last}; {} images refused; free frames equal for {row} ends in a row", HOSTILE.len()))
}

/// The longest row of ends of equal processes with equal free frames.
fn equal_row(records: &[Ended]) -> usize {
    let (mut longest, mut current) = (0, 0);
    for pair in records.windows(2) {
        let is_equal = pair[0].name == pair[1].name && pair[0].free_frames == pair[1].free_frames;
        current = if is_equal { current + 1 } else { 0 };
        longest = longest.max(current);
    }
    longest
}

pub(super) fn fuzz(tools: &Tools<'_>) -> Result<String, String> {
    let shown = tools.show(&tools.place.tests().join("kernel/fuzz.cue"), &Run::plain())?;
    status(&shown, 0)?;
    let text = shown.stdout_text();
    let said = |line: &str| text.lines().filter(|one| *one == line).count();
    holds(said(&format!("seed {}", tools.seed)) == 2, "the seed is not the one that was given", &shown)?;
    holds(said("every answer was the one that was due") == 2, "a round is missing", &shown)?;
    let records = ends(&shown.log)?;
    let free: Vec<u64> = records.iter().filter(|end| end.name == "fuzz").map(|end| end.free_frames).collect();
    holds(free.len() == 2 && free[0] == free[1], &format!("free frames: {free:?}"), &shown)?;
    no_panic(&shown)?;
    let submissions =
        text.lines().filter_map(|line| line.split_once(" submissions, ")?.0.parse::<u32>().ok());
    holds(submissions.max() >= Some(SUBMISSIONS), "too few submissions", &shown)?;
    let counts =
        text.rsplit("seed ").next().and_then(|last| last.split("account:").next()).unwrap_or_default();
    Ok(format!("twice, free frames {} after each\nseed {}", free[0], counts.trim_end()))
}

fn no_panic(shown: &Shown) -> Result<(), String> {
    holds(!shown.log.contains(launch::PANIC), "the kernel's log has a panic", shown)
}
