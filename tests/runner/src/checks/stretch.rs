//! How long ring 0 has interrupts off, and how late it serves a timer.
//!
//! A row of `checks`. Under `-icount shift=0` one instruction takes one nanosecond, so the figures are exact. What the program
//! `stretch` notes are its own delays; the stretches of ring 0 are counted by the bench's plugin in QEMU, from outside, over
//! the whole run.
//!
//! Invariant: the work that must not keep others waiting was done, all of it, and in many pieces.

use std::path::Path;
use std::process::Command;

use super::record::ends;
use super::{Tools, holds, status};
use crate::case::Run;
use crate::launch::Shown;
use crate::setting::Build;

/// Instructions of the longest stretch with interrupts off: a pass of submissions, the last one of 64 KiB, and the first piece
/// of what is left over.
const LONGEST: u64 = 50_000;
/// Instructions that a timer waits at most while nothing but the kernel's own work is in its way, waking included.
const WORST: u64 = 50_000;
/// The program's scenes, and what each must have brought about. A process that ends by itself is of kind 0.
const SCENES: [(&str, &str); 5] = [
    ("revocation", "dead 10000 sleeps 8"),
    ("end", "kind 0 code 0"),
    ("hoard", "kind 0 code 0 of 10000 left 2500"),
    ("calls", ""),
    ("together", "dead 10000 sleeps 8 kind 0 code 0"),
];
/// Processes that the one with ten thousand things has created.
const CHILDREN: usize = 100;
/// Scenes in which nobody else wants the processor, so a sleep ends when its time has come.
const QUIET: [&str; 3] = ["revocation", "end", "hoard"];
/// Sleeps that end during such a scene at least.
const NAPS: u64 = 100;
/// QEMU's CPU: without the fast string instructions, of which the instruction clock counts every round.
const CPU: &str = "max,-erms,-fsrm";

pub(super) fn stretches(tools: &Tools<'_>) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (plugin, counted) = (folder.path().join("count.so"), folder.path().join("counted"));
    build(&tools.place.root.join("bench/profile/count.c"), &plugin)?;
    let argument = format!("file={},out={},stretches=on", plugin.display(), counted.display());
    let qemu = vec!["-plugin".to_owned(), argument];
    let run = Run { cpu: Some(CPU.to_owned()), qemu, ..Run::plain() };
    let shown = tools.show(&tools.place.tests().join("kernel/stretch.cue"), &run)?;
    status(&shown, 0)?;
    let text = shown.stdout_text();
    let lines: Vec<&str> = text.lines().collect();
    holds(lines.len() == SCENES.len(), "a scene is missing", &shown)?;
    for ((name, result), line) in SCENES.iter().zip(&lines) {
        scene(name, result, line, tools.ground.setting.build, &shown)?;
    }
    let records = ends(&shown.log)?;
    let children = records.iter().filter(|end| end.name == "held" && end.outcome == "killed").count();
    holds(children == CHILDREN, &format!("{children} children ended with theirs"), &shown)?;
    let counted =
        std::fs::read_to_string(&counted).map_err(|error| format!("the plugin wrote nothing: {error}"))?;
    let longest = longest(&counted).ok_or_else(|| format!("the plugin wrote: {counted}"))?;
    let is_short = longest <= LONGEST || tools.ground.setting.build == Build::Debug;
    holds(is_short, &format!("interrupts were off for {longest} instructions"), &shown)?;
    Ok(format!("interrupts off for {longest} instructions at most\n{}", text.trim_end()))
}

/// Compiles the plugin.
pub(super) fn build(source: &Path, plugin: &Path) -> Result<(), String> {
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-o"]).arg(plugin).arg(source);
    let output = compiler.output().map_err(|error| format!("cc: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Judges the line of one scene. A kernel with debug assertions takes longer for everything.
fn scene(name: &str, result: &str, line: &str, build: Build, shown: &Shown) -> Result<(), String> {
    let words: Vec<&str> = line.trim_end().splitn(8, ' ').collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    let told = |what: &str| format!("{what}: {line}");
    let (Some(naps), Some(worst)) = (number(2), number(4)) else {
        return holds(false, &told("this line cannot be read"), shown);
    };
    let found = words.get(7).copied().unwrap_or("");
    holds(words[0] == name && found == result, &told("not all has come about"), shown)?;
    if !QUIET.contains(&name) {
        return Ok(());
    }
    holds(naps >= NAPS, &told("it was one piece"), shown)?;
    holds(worst <= WORST || build == Build::Debug, &told("a timer waited"), shown)
}

/// The instructions of the longest stretch: the first line of its kind.
fn longest(counted: &str) -> Option<u64> {
    counted.lines().find_map(|line| line.strip_prefix("stretch ")?.split(' ').next()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::longest;

    #[test]
    fn the_first_stretch_is_the_longest() {
        assert_eq!(longest("total 9\nstretch 7 1 a b\nstretch 5 2 a b\n"), Some(7));
        assert_eq!(longest("total 9\n"), None);
    }
}
