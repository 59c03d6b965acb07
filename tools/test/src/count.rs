//! How many tests a step ran, read from what its runner printed.
//!
//! Called by `step`. Understands the closing lines of `cargo test`, the lines of `go test -v`, of `capos-check`, and the
//! `N passed, N failed` of this project's own runners.

use std::ops::Add;

/// Tests that passed and that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// The sum of all counts in an output; zeros if there is none.
pub(crate) fn in_output(output: &str) -> Count {
    output.lines().filter_map(in_line).fold(Count::default(), Count::add)
}

/// The count that one line states.
fn in_line(line: &str) -> Option<Count> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["test", "result:", _, passed, "passed;", failed, "failed;", ..] => pair(passed, failed),
        [passed, "passed,", failed, "failed"] => pair(passed, failed),
        ["check", _, "ok", ..] | ["---", "PASS:", ..] => Some(Count { passed: 1, failed: 0 }),
        ["check", _, "FAILED", ..] | ["---", "FAIL:", ..] => Some(Count { passed: 0, failed: 1 }),
        _ => None,
    }
}

fn pair(passed: &str, failed: &str) -> Option<Count> {
    Some(Count { passed: passed.parse().ok()?, failed: failed.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_is_understood() {
        let output = "running 3 tests\n\
            test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            check format        ok        0.3 s\n\
            check words         FAILED    0.0 s  wanted: x\n\
            --- PASS: TestA (0.00s)\n    --- FAIL: TestA/b (0.00s)\n\
            10 passed, 4 failed\n";
        assert_eq!(in_output(output), Count { passed: 14, failed: 7 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(
            in_output("5 passed, 1 failed, maybe\ncheck out ok-ish\nx passed, y failed\n"),
            Count::default()
        );
    }
}
