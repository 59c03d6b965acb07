//! What is said where something cannot be had: descriptors, memory, rights, and files that are not what they should be.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{Shown, Tree, outcome, shown};

/// Runs `capos` in a shell with a limit of its own.
fn limited(tree: &Tree, limit: &str, words: &str) -> Shown {
    let environment = tree.command(&["x"]);
    let mut shell = Command::new("/bin/bash");
    shell.args(["-c", &format!("{limit} && exec {} {words}", tree.path("bin/capos").display())]);
    shell.current_dir(tree.path("work")).env_clear().stdin(Stdio::null());
    shell.envs(environment.get_envs().filter_map(|(key, value)| Some((key, value?))));
    shown(shell.output().unwrap())
}

#[test]
fn a_host_without_descriptors_is_told_by_what_could_not_be_made() {
    let tree = Tree::with_emulator("cat $here/outcome >&$control; exit 33");
    tree.give("outcome", &outcome(0, 0, ""));
    let mut told: Vec<String> = Vec::new();
    for count in 3..40 {
        let shown = limited(&tree, &format!("ulimit -n {count}"), "run --accel tcg app.wasm");
        if shown.status == 0 {
            assert!(count > 12, "{count}");
            break;
        }
        told.push(shown.stderr);
    }
    assert!(tree.is_quiet());
    let error = "Too many open files (os error 24)";
    for text in [
        "standard output cannot be duplicated",
        "standard error cannot be duplicated",
        "signal handlers cannot be installed",
        "a channel to QEMU cannot be made",
        "a pipe cannot be made",
        "a pipe cannot be duplicated",
        "QEMU cannot be started",
    ] {
        assert!(told.contains(&format!("capos: internal: {text}: {error}\n")), "{text} is not in {told:#?}");
    }
    assert!(told.iter().all(|line| line.lines().count() == 1 && !line.contains("panicked")), "{told:#?}");
}

#[test]
fn files_without_rights_are_named() {
    let tree = Tree::with_emulator("exit 3");
    fs::remove_file(tree.path("lib/capos/capos-wasm.elf")).unwrap();
    fs::create_dir(tree.path("lib/capos/capos-wasm.elf")).unwrap();
    let shown = tree.run(&["app.wasm"]);
    assert_eq!(shown.status, 127);
    assert!(shown.stderr.contains("capos-wasm.elf is missing from this installation; install capOS again"));
    let shown = tree.run(&["/proc/self/mem"]);
    assert_eq!(shown.status, 126);
    assert!(
        shown.stderr.starts_with("capos: invalid: /proc/self/mem: cannot be read: Input/output error"),
        "{shown:?}"
    );
}

#[test]
fn an_outcome_that_cannot_be_written_in_the_end_is_told() {
    let tree = Tree::with_emulator("cat $here/outcome >&$control; exit 33");
    tree.give("outcome", &outcome(0, 6, ""));
    // A descriptor, so that no device of the machine's own is named.
    let shown = limited(&tree, "exec 9>/dev/full", "run --accel tcg --outcome /dev/fd/9 app.wasm");
    let line = "capos: the outcome cannot be written: No space left on device (os error 28)\n";
    assert_eq!((shown.status, shown.stderr.as_str()), (6, line));
}

#[test]
fn a_log_that_cannot_be_written_on_the_way_is_told_once() {
    let tree = Tree::with_emulator("echo more >&$log; sleep 0.1; cat $here/outcome >&$control; exit 33");
    tree.give("outcome", &outcome(0, 6, ""));
    let shown = limited(&tree, "exec 9>/dev/full", "run --accel tcg --kernel-log /dev/fd/9 app.wasm");
    let line = "capos: the kernel's log cannot be written: No space left on device (os error 28)\n";
    assert_eq!((shown.status, shown.stderr.as_str()), (6, line));
}

#[test]
fn options_that_cannot_be_followed_are_refused() {
    let tree = Tree::with_emulator("touch $here/started; exit 3");
    fs::write(tree.path("work/system.img"), "capOSimg").unwrap();
    let table: [(&[&str], &str); 6] = [
        (
            &["--print-manifest", "system.img"],
            "system.img: is a boot image; `capos check` prints what it grants",
        ),
        (
            &["--memory", "0", "app.wasm"],
            "invalid value '0' for '--memory <SIZE>': '0' is no size: it has to be at least one byte; see `capos run --help`",
        ),
        (
            &["--timeout", "0", "app.wasm"],
            "invalid value '0' for '--timeout <TIME>': '0' is no time: it has to be more than nothing; see `capos run --help`",
        ),
        (
            &["--kernel-log", "no/such", "app.wasm"],
            "--kernel-log no/such: cannot be written: No such file or directory (os error 2)",
        ),
        (
            &["--print-qemu", "--gdb", "app.wasm"],
            "the argument '--print-qemu' cannot be used with '--gdb[=<PORT>]'; see `capos run --help`",
        ),
        (&["--kernel-option", "a=b", "system.img"], "system.img: boot image: too short for a header"),
    ];
    for (arguments, message) in table {
        let shown = tree.run(arguments);
        assert_eq!((shown.status, shown.stderr), (126, format!("capos: invalid: {message}\n")));
        assert!(!tree.path("path/started").exists());
    }
    let shown = tree.run(&["--memory", "64GiB", "app.wasm"]);
    if shown.status == 126 {
        let start = "capos: invalid: the memory limits need a machine of ";
        let end = "three quarters of this host's memory: choose a lower --memory\n";
        assert!(shown.stderr.starts_with(start) && shown.stderr.ends_with(end), "{shown:?}");
    }
}

#[test]
fn a_stream_without_an_end_is_not_read_to_it() {
    let tree = Tree::with_emulator("exit 3");
    let words = "run --accel tcg <(printf '\\0asm'; exec cat /dev/zero)";
    let shown = limited(&tree, "true", words);
    assert_eq!(shown.status, 126);
    assert!(
        shown.stderr.ends_with(": has more than 1 GiB; write it into a regular file first\n"),
        "{shown:?}"
    );
}

#[test]
fn notes_are_notes() {
    let tree = Tree::with_emulator("cat $here/outcome >&$control; exit 33");
    tree.give("outcome", &outcome(0, 0, ""));
    let shown = tree.run(&["-v", "--env", "NOT_SET_HERE", "app.wasm"]);
    let line = "capos: --env NOT_SET_HERE: is not set here, and not in the guest\n";
    assert!(shown.status == 0 && shown.stderr.starts_with(line), "{shown:?}");
    assert_eq!(tree.run(&["--env", "NOT_SET_HERE", "app.wasm"]).stderr, "");
    let shown = tree.run(&["--print-qemu", "app.wasm"]);
    let note = "capos: note: IMAGE is made for each run; `capos build MANIFEST -o IMAGE` writes it to a file \
                (--print-manifest prints the manifest of a module)\n";
    assert_eq!((shown.status, shown.stderr.as_str()), (0, note));
    let mut command = tree.command(&["run", "--accel", "tcg", "--gdb", "app.wasm"]);
    let shown = crate::support::shown(command.env("TMPDIR", "/nonexistent").output().unwrap());
    let line = "capos: internal: a folder for the debugger's socket cannot be made: ";
    assert!(shown.status == 127 && shown.stderr.starts_with(line), "{shown:?}");
}

#[test]
fn an_image_has_bounds() {
    use capos_cli::image::{NamedPart, write};
    let nameless = write(&[NamedPart { name: String::new(), contents: Vec::new() }], &mut Vec::new());
    assert_eq!(nameless.unwrap_err().to_string(), "part name \"\" has 0 bytes; expected 1 to 64");
    let parts = (0..10_000).map(|index| NamedPart { name: format!("p{index}"), contents: Vec::new() });
    let text = write(&parts.collect::<Vec<_>>(), &mut Vec::new()).unwrap_err().to_string();
    assert!(
        text.starts_with("a boot image has ") && text.ends_with(" parts at most; this one has 10000"),
        "{text}"
    );
}
