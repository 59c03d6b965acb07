//! What is refused before a machine starts: exact text, exact status.

use std::fs;

use crate::support::{Tree, shown};

/// A QEMU that must not be started.
const NEVER: &str = "touch $here/started; exit 0";

fn refused(tree: &Tree, arguments: &[&str]) -> String {
    let shown = tree.run(arguments);
    assert_eq!(shown.status, 126, "{shown:?}");
    assert!(!tree.path("path/started").exists());
    assert_eq!(shown.stdout, "");
    shown.stderr
}

#[test]
fn files_that_are_no_modules() {
    let tree = Tree::with_emulator(NEVER);
    fs::write(tree.path("work/empty"), "").unwrap();
    fs::write(tree.path("work/program"), "\x7fELF").unwrap();
    fs::write(tree.path("work/text"), "hello").unwrap();
    let table = [
        ("missing", "missing: there is no such file"),
        (".", ".: is a folder; expected a .wasm or .wat module, a .cue manifest or a boot image"),
        (
            "/dev/null",
            "/dev/null: is empty; expected a .wasm or .wat module, a .cue manifest or a boot image",
        ),
        ("-", "-: does not stand for standard input; write /dev/stdin, or ./- for a file of this name"),
        ("empty", "empty: is empty; expected a .wasm or .wat module, a .cue manifest or a boot image"),
        ("program", "program: is an ELF program, not a WebAssembly module; compile it for wasm32-wasip1"),
        (
            "text",
            "text: is not a WebAssembly module: it starts with the bytes 68 65 6c 6c; a module starts with 00 61 73 6d",
        ),
    ];
    for (file, message) in table {
        assert_eq!(refused(&tree, &[file]), format!("capos: invalid: {message}\n"));
    }
}

#[test]
fn text_that_is_no_module() {
    let tree = Tree::with_emulator(NEVER);
    fs::write(tree.path("work/wrong.wat"), "(module (func $f (unknown)))").unwrap();
    let line = refused(&tree, &["wrong.wat"]);
    assert_eq!(line, "capos: invalid: wrong.wat:1:19: unknown operator or unexpected token\n");
}

#[test]
fn modules_that_could_not_start() {
    let tree = Tree::with_emulator(NEVER);
    let table = [
        (
            "(module (func $f (export \"_start\") i32.const 1))",
            "the module is not valid: type mismatch: values remaining on stack at end of block (at offset 0x25), in function \"f\"",
        ),
        ("(module)", "nothing to run: the module exports no function named _start"),
        (
            "(module (import \"env\" \"puts\" (func (param i32))) (func (export \"_start\")))",
            "unknown import env.puts (a function); only the functions of wasi_snapshot_preview1 are there",
        ),
    ];
    for (text, message) in table {
        fs::write(tree.path("work/wrong.wat"), text).unwrap();
        assert_eq!(refused(&tree, &["wrong.wat"]), format!("capos: invalid: {message}\n"));
    }
}

#[test]
fn options_that_mean_nothing() {
    let tree = Tree::with_emulator(NEVER);
    let table: [(&[&str], &str); 10] = [
        (&[], "FILE is missing; see `capos run --help`"),
        (
            &["--deny", "tmier", "app.wasm"],
            "--deny tmier: no such grant; expected one of stdout, stderr, timer, random",
        ),
        (&["--env", "=x", "app.wasm"], "--env =x: expected NAME=VALUE or NAME, with a name in UTF-8"),
        (&["--kernel-option", "x", "app.wasm"], "kernel option \"x\": expected KEY=VALUE"),
        (
            &["--fuel", "0", "app.wasm"],
            "invalid value '0' for '--fuel <N>': 0 is not in 1..18446744073709551615; see `capos run --help`",
        ),
        (
            &["--memory", "1X", "app.wasm"],
            "invalid value '1X' for '--memory <SIZE>': '1X' is no size: expected bytes, or a number with KiB, MiB or GiB (K, M, G), such as 64MiB; see `capos run --help`",
        ),
        (
            &["--timeout", "soon", "app.wasm"],
            "invalid value 'soon' for '--timeout <TIME>': 'soon' is no time: expected seconds, such as 2 or 0.5, or a number with ms, s, m or h; see `capos run --help`",
        ),
        (
            &["--memory", "65GiB", "app.wasm"],
            "invalid value '65GiB' for '--memory <SIZE>': '65GiB' is too large: 64GiB at most; see `capos run --help`",
        ),
        (
            &["--timeout", "1000001h", "app.wasm"],
            "invalid value '1000001h' for '--timeout <TIME>': '1000001h' is too long: 1000000h at most; without the option there is no limit; see `capos run --help`",
        ),
        (
            &["--fule", "1", "app.wasm"],
            "unexpected argument '--fule' found; tip: a similar argument exists: '--fuel'; see `capos run --help`",
        ),
    ];
    for (arguments, message) in table {
        assert_eq!(refused(&tree, arguments), format!("capos: invalid: {message}\n"));
    }
}

#[test]
fn options_of_a_module_given_to_an_image() {
    let tree = Tree::with_emulator(NEVER);
    fs::write(tree.path("work/system.img"), "capOSimg").unwrap();
    for (arguments, name) in [
        (&["--fuel", "1", "system.img"][..], "--fuel"),
        (&["system.img", "word"][..], "arguments"),
        (&["--deny", "timer", "system.img"][..], "--deny"),
    ] {
        let message =
            format!("system.img: {name} cannot be given here; a manifest states what its processes get");
        assert_eq!(refused(&tree, arguments), format!("capos: invalid: {message}\n"));
    }
}

#[test]
fn what_is_never_granted_can_be_denied() {
    let tree = Tree::with_emulator("exit 37");
    let shown = tree.run(&["--deny", "stdin", "app.wasm"]);
    let note = "capos: note: --deny stdin changes nothing: no program is granted that yet\n";
    assert!(shown.stderr.starts_with(note), "{}", shown.stderr);
}

#[test]
fn a_tree_without_its_files_is_named() {
    let tree = Tree::with_emulator(NEVER);
    fs::remove_file(tree.path("lib/capos/system.pvh")).unwrap();
    let result = tree.run(&["app.wasm"]);
    assert_eq!(result.status, 127);
    assert!(result.stderr.contains("lib/capos/system.pvh is missing from this installation"), "{result:?}");
    fs::remove_dir_all(tree.path("lib")).unwrap();
    let result = tree.run(&["app.wasm"]);
    assert_eq!(result.status, 127);
    assert!(result.stderr.starts_with("capos: internal: the files of capOS are missing"), "{result:?}");
}

#[test]
fn usage_of_the_other_verbs() {
    let tree = Tree::new();
    let status = |arguments: &[&str]| shown(tree.command(arguments).output().unwrap()).status;
    assert_eq!(status(&["frobnicate"]), 2);
    assert_eq!(status(&["build"]), 2);
    assert_eq!(status(&["check", "missing"]), 1);
    assert_eq!(status(&["--help"]), 0);
    assert_eq!(status(&["run", "--help"]), 0);
    assert_eq!(status(&["--version"]), 0);
}

#[test]
fn images_are_verified() {
    let tree = Tree::new();
    let check = |file: &str| shown(tree.command(&["check", file]).output().unwrap());
    fs::write(tree.path("work/short.img"), "capOSimg").unwrap();
    let result = check("short.img");
    assert_eq!(
        (result.status, &*result.stderr),
        (1, "capos: short.img: boot image: too short for a header\n")
    );
    fs::write(tree.path("work/empty.img"), "").unwrap();
    fs::write(tree.path("work/flipped.img"), "dapOSimg").unwrap();
    let takes = "`capos check` takes a .cue manifest or a boot image";
    assert_eq!(check("empty.img").stderr, format!("capos: empty.img: is empty; {takes}\n"));
    let result = check("flipped.img");
    assert_eq!(
        (result.status, &*result.stderr),
        (
            1,
            "capos: flipped.img: is not a boot image, or a damaged one: it starts with the bytes 64 61 70 4f 53 69 6d 67; a boot image starts with 63 61 70 4f 53 69 6d 67\n"
        )
    );
    let result = check("app.wasm");
    let message = "capos: app.wasm: is a module; `capos check` takes a .cue manifest or a boot image\n";
    assert_eq!((result.status, &*result.stderr), (1, message));
}

#[test]
fn build_says_what_is_no_manifest() {
    let tree = Tree::new();
    fs::write(tree.path("work/whole.img"), capos_abi::image::MAGIC).unwrap();
    for (name, what) in
        [("app.wasm", "a module; `capos run` takes it as it is"), ("whole.img", "a boot image already")]
    {
        let result = shown(tree.command(&["build", name, "-o", "out.img"]).output().unwrap());
        let message = format!("capos: {name}: is {what}; `capos build` takes a .cue manifest\n");
        assert_eq!((result.status, &*result.stderr), (1, &*message));
        assert!(!tree.path("work/out.img").exists());
    }
}
