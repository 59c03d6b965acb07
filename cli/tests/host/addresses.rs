//! Addresses in the log as function and line: this command stands in for the kernel and for the WASI host, because it has
//! symbols and a build id.

use std::fs;
use std::path::Path;

use object::{Object, ObjectSymbol};

use crate::support::{Tree, outcome};

/// A function of the command, which is in its symbols in every profile that tests are built in.
const FUNCTION: &str = "become_program";

/// Puts the command in place of this program, with its unstripped file; returns an address in a function of it.
fn stand_in(tree: &Tree, program: &str) -> u64 {
    let command = Path::new(env!("CARGO_BIN_EXE_capos"));
    for name in [program.to_owned(), format!("{program}.debug")] {
        let path = tree.path("lib/capos").join(name);
        let _ = fs::remove_file(&path);
        fs::copy(command, path).unwrap();
    }
    let bytes = fs::read(command).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let is_it = |symbol: &object::Symbol<'_, '_>| symbol.name().is_ok_and(|name| name.contains(FUNCTION));
    file.symbols().find(is_it).unwrap().address()
}

fn check_line(line: &str) {
    assert!(line.starts_with("capos:   in capos_cli::qemu::launcher::become_program ("), "{line}");
    assert!(line.contains(FUNCTION) && line.contains("cli/src/qemu/launcher.rs:"), "{line}");
}

#[test]
fn a_kernel_that_fails_names_the_calls() {
    let tree = Tree::new();
    let address = stand_in(&tree, "kernel.elf");
    let log = format!("[kernel] panic: panicked at a.rs:1:2:\nwhy\n[kernel] called from {:#x}", address + 1);
    tree.set_emulator(&format!("echo '{log}' >&$log; exit 35"));
    let shown = tree.run(&["app.wasm"]);
    assert_eq!(shown.status, 127);
    let lines: Vec<&str> = shown.stderr.lines().collect();
    assert!(
        lines[0].starts_with("capos: internal: panic: panicked at a.rs:1:2: why; the log is "),
        "{lines:?}"
    );
    check_line(lines.last().unwrap());
    let kept = tree.kept_log();
    assert!(
        kept.contains(&log) && kept.split("--- addresses ---").nth(1).unwrap().contains(FUNCTION),
        "{kept}"
    );
    // Another version's symbols say nothing.
    fs::write(tree.path("lib/capos/kernel.elf.debug"), "\x7fELF other").unwrap();
    let without = tree.run(&["app.wasm"]).stderr;
    let [_, absence] = without.lines().collect::<Vec<_>>()[..] else { panic!("{without}") };
    let start = "capos:   no names for its addresses: no file *.debug in ";
    assert!(absence.starts_with(start) && absence.contains("/lib/capos has its build id "), "{absence}");
    let verbose = tree.run(&["-v", "app.wasm"]).stderr;
    assert!(verbose.contains("capos:   no names: no file *.debug in "), "{verbose}");
}

#[test]
fn a_fault_names_the_function() {
    let tree = Tree::new();
    let address = stand_in(&tree, "capos-wasm.elf");
    let words = format!("vector 14 (#PF) error 0x6 address 0x0 rip {address:#x}");
    tree.give("outcome", &outcome(7, 0, ""));
    tree.set_emulator(&format!(
        "echo '[kernel] process 2 \"app\": fault {words}' >&$log; cat $here/outcome >&$control; exit 33"
    ));
    let shown = tree.run(&["app.wasm"]);
    let line = shown.stderr.lines().next().unwrap();
    assert!(line.starts_with(&format!("capos: fault: process \"app\": {words} in ")), "{line}");
    assert!(line.contains(FUNCTION) && line.contains("cli/src/qemu/launcher.rs:"), "{line}");
    let verbose = tree.run(&["--verbose", "app.wasm"]);
    let at = verbose.stderr.lines().position(|line| line.starts_with("capos: [kernel] process 2")).unwrap();
    check_line(verbose.stderr.lines().nth(at + 1).unwrap());
}
