//! Instructions by program and by function, for `make profile`.
//!
//! Called by `main`; runs what `capos run` takes with the plugin's profile on.
//!
//! Invariant: a block of code counts for the function that it starts in. Programs share addresses, so a block belongs to the
//! first program that has the block's code there; every instruction of the run is in one line of the programs.

use std::collections::BTreeMap;
use std::path::Path;

use crate::machine::{Block, Machine};
use crate::symbols::Program;

/// Functions that are printed.
const LINES: usize = 50;
/// The programs of a run, by their folders in `target/capos`: the parts of the system, and what only benches start.
const PROGRAMS: [(&str, &str); 7] = [
    ("lib/capos", "kernel"),
    ("lib/capos", "capos-wasm"),
    ("lib/capos", "init"),
    ("lib/capos", "boot"),
    ("lib/capos", "smoke"),
    ("tests", "counts"),
    ("tests", "first"),
];
/// What no program has: firmware, and code of programs that are not listed.
const OTHER: &str = "(other)";

/// Runs what `words` say and prints events, programs, and the functions that took most.
///
/// # Errors
/// It does not run, or a program is not built.
pub(crate) fn profile(root: &Path, words: &[&str]) -> Result<(), String> {
    let machine = Machine::new(root)?;
    let ran = machine.run(words, &[], true)?;
    let read = |(folder, name)| {
        let path = root.join("target/capos").join(folder).join(format!("{name}.elf.debug"));
        Program::read(path).map(|program| (name, program))
    };
    let programs: Result<Vec<_>, String> = PROGRAMS.into_iter().map(read).collect();
    let programs = programs?;
    for (name, times) in &ran.events {
        println!("{times:>12}  {name}");
    }
    println!();
    print!("{}", text(ran.total, &ran.blocks, |block| place(&programs, block)));
    Ok(())
}

/// The program and the function that a block is in.
fn place(programs: &[(&'static str, Program)], block: &Block) -> (&'static str, String) {
    let found = programs.iter().find(|(_, program)| program.has_code(block.address, &block.code));
    let Some((program_name, program)) = found else { return (OTHER, String::new()) };
    let function = program.function_at(block.address);
    // Code in front of a program's first function is its entries, which are written in assembly.
    let demangled = |name| format!("{:#}", rustc_demangle::demangle(name));
    let name = function.map_or_else(|| "(assembly)".to_owned(), demangled);
    (*program_name, name)
}

/// Both lists, the largest first.
fn text(total: u64, blocks: &[Block], place: impl Fn(&Block) -> (&'static str, String)) -> String {
    let mut by_program: BTreeMap<String, u64> = BTreeMap::new();
    let mut by_function: BTreeMap<String, u64> = BTreeMap::new();
    for block in blocks {
        let (program, function) = place(block);
        *by_program.entry(program.to_owned()).or_default() += block.count;
        *by_function.entry(format!("{program:10}  {function}")).or_default() += block.count;
    }
    let mut out = String::new();
    let line = |(name, count): (String, u64)| {
        let share = count as f64 * 100.0 / total.max(1) as f64;
        format!("{count:>12}  {share:5.1} %  {name}\n")
    };
    out.push_str(&line(("all".to_owned(), total)));
    out.extend(sorted(by_program).into_iter().map(line));
    out.push('\n');
    out.extend(sorted(by_function).into_iter().take(LINES).map(line));
    out
}

fn sorted(counts: BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_add_up_by_program_and_by_function() {
        let block = |address, count| Block { address, count, code: Vec::new() };
        let blocks = [block(1, 5), block(2, 30), block(3, 15)];
        let place = |block: &Block| match block.address {
            1 => ("init", "main".to_owned()),
            2 => ("kernel", "enter".to_owned()),
            _ => ("init", "read".to_owned()),
        };
        let expected = "          50  100.0 %  all\n          30   60.0 %  kernel\n          20   40.0 %  init\n\n\
            \u{20}         30   60.0 %  kernel      enter\n          15   30.0 %  init        read\n\
            \u{20}          5   10.0 %  init        main\n";
        assert_eq!(text(50, &blocks, place), expected);
    }
}
