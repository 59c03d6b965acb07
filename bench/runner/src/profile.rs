//! Instructions by function, for `make profile`.
//!
//! Called by `main`; boots a manifest with the plugin's profile on.
//!
//! Invariant: a block of code counts for the function that it starts in; addresses of ring 3 are looked up in the programs
//! below, of which the first that has a function there wins, because programs share addresses.

use std::collections::BTreeMap;
use std::path::Path;

use crate::machine::Machine;
use crate::symbols::Program;

/// Functions that are printed.
const LINES: usize = 50;
/// Ring 0's addresses begin here.
const KERNEL: u64 = 1 << 63;

/// Boots `manifest` and prints the functions that took most.
///
/// # Errors
/// It does not run.
pub(crate) fn profile(root: &Path, manifest: &Path) -> Result<(), String> {
    let machine = Machine::new(root)?;
    let ran = machine.run(manifest, &[], true)?;
    let library = root.join("target/capos/lib/capos");
    let kernel = Program::read(library.join("kernel.elf.debug"))?;
    let user = if manifest.ends_with("counts.cue") {
        Program::read(root.join("target/capos/tests/counts.elf.debug"))?
    } else {
        Program::read(library.join("capos-wasm.elf.debug"))?
    };
    let mut by_function: BTreeMap<&str, u64> = BTreeMap::new();
    for (address, instructions, times) in &ran.blocks {
        let program = if *address >= KERNEL { &kernel } else { &user };
        let at = program.functions.partition_point(|(start, _)| start <= address);
        let name = at.checked_sub(1).map_or("(no function)", |at| program.functions[at].1.as_str());
        *by_function.entry(name).or_default() += instructions * times;
    }
    let mut functions: Vec<_> = by_function.into_iter().collect();
    functions.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    println!("{:>12}  100.0 %  all", ran.total);
    for (name, count) in functions.into_iter().take(LINES) {
        println!("{count:>12}  {:5.1} %  {name}", count as f64 * 100.0 / ran.total as f64);
    }
    Ok(())
}
