//! Every way in which a run can end: exit status, standard error and the outcome file.

use crate::support::{Tree, outcome, shown};

/// A machine that tells an outcome and powers off.
const FINISHES: &str = "cat $here/outcome >&$control; exit 33";

fn finishes(kind: u16, code: u32, report: &str) -> Tree {
    let tree = Tree::with_emulator(FINISHES);
    tree.give("outcome", &outcome(kind, code, report));
    tree
}

#[test]
fn outcomes_become_statuses_and_lines() {
    let table = [
        (0, 0, "", 0, ""),
        (0, 7, "", 7, ""),
        (0, 125, "", 125, ""),
        (0, 126, "", 1, "exited: with code 126, which is above 125: the exit status is 1"),
        (1, 0, "unreachable in \"main\"", 134, "trap: unreachable in \"main\""),
        (2, 0, "", 152, "fuel: the fuel is used up; --fuel sets the limit"),
        (3, 0, "", 137, "memory: the memory limit is reached; --memory sets it"),
        (4, 0, "", 142, "wall clock: the time limit passed; --timeout sets it"),
        (5, 0, "", 153, "output: the limit of output bytes is reached"),
        (6, 0, "unknown import \"env.f\"", 126, "invalid: unknown import \"env.f\""),
        (7, 0, "vector 14", 127, "fault: process \"app\": vector 14; the log is"),
        (7, 0, "", 127, "fault: process \"app\": a processor exception; the log is"),
        (8, 0, "", 143, "killed: ended by the holder of its process handle"),
        (9, 0, "", 143, "revoked: a capability that it needs was revoked"),
        (10, 0, "panic\nat line 1", 127, "internal: panic | at line 1; the log is"),
    ];
    for (kind, code, report, status, line) in table {
        let tree = finishes(kind, code, report);
        let mut shown = tree.run(&["app.wasm"]);
        if status == 127 {
            assert!(tree.kept_log().contains("[kernel] stand-in"), "a failure of capOS keeps the log");
            shown.stderr = format!("{}\n", shown.stderr.rsplit_once(' ').unwrap().0);
        }
        let expected = if line.is_empty() { String::new() } else { format!("capos: {line}\n") };
        assert_eq!((shown.status, shown.stderr), (status, expected), "kind {kind}");
        assert_eq!(shown.stdout, "");
    }
}

#[test]
fn the_outcome_file_has_the_same() {
    let tree = finishes(1, 3, "a \"trap\"");
    tree.run(&["--outcome", "end.json", "app.wasm"]);
    let text = std::fs::read_to_string(tree.path("work/end.json")).unwrap();
    assert_eq!(
        text,
        "{\"kind\":\"trap\",\"code\":3,\"process\":\"app\",\"report\":\"a \\\"trap\\\"\",\"status\":134}\n"
    );
    let shown = tree.run(&["--outcome", "end.json", "missing.wasm"]);
    assert_eq!(shown.status, 126);
    let text = std::fs::read_to_string(tree.path("work/end.json")).unwrap();
    assert!(text.contains("\"status\":126"), "{text}");
    let shown = tree.run(&["--outcome", "no/such/folder", "app.wasm"]);
    assert_eq!(shown.status, 126);
    assert!(shown.stderr.starts_with("capos: invalid: --outcome no/such/folder: cannot be written"));
}

/// Runs a machine that ends wrongly; returns the line without the path of the log, and the log.
fn failure(script: &str) -> (String, String) {
    let tree = Tree::with_emulator(script);
    tree.give("outcome", &outcome(0, 0, ""));
    let shown = tree.run(&["app.wasm"]);
    assert_eq!(shown.status, 127, "{shown:?}");
    let (line, path) = shown.stderr.trim_end().split_once("; the log is ").expect("a log is named");
    let log = std::fs::read_to_string(path).unwrap();
    assert_eq!(log, tree.kept_log());
    (line.to_owned(), log)
}

#[test]
fn an_unforeseen_end_is_never_success() {
    let words = "the last words were: [kernel] stand-in";
    let table = [
        ("exit 0", "QEMU ended with status 0 before the machine told an outcome"),
        ("exit 33", "QEMU ended with status 33 before the machine told an outcome"),
        ("cat $here/outcome >&$control; exit 0", "QEMU ended with status 0 after it told the outcome"),
        ("cat $here/outcome >&$control; exit 1", "QEMU ended with status 1 after it told the outcome"),
        (
            "head -c 20 $here/outcome >&$control; exit 33",
            "QEMU ended with status 33 before the machine told an outcome",
        ),
        ("kill -KILL $$", "QEMU ended by signal 9 before the machine told an outcome"),
    ];
    for (script, how) in table {
        let (line, log) = failure(script);
        assert_eq!(line, format!("capos: internal: {how}; {words}"), "{script}");
        assert!(log.contains("[kernel] stand-in"), "{log}");
        assert!(log.contains("qemu-system-x86_64 -M microvm"), "{log}");
    }
}

#[test]
fn nonsense_from_the_machine_is_never_success() {
    let (line, _) = failure("head -c 64 /dev/zero | tr '\\0' 'x' >&$control; exit 33");
    assert!(
        line.starts_with("capos: internal: the machine's outcome makes no sense: frame header"),
        "{line}"
    );
    let (line, _) = failure("cat $here/outcome >&$output; cat $here/outcome >&$control; exit 33");
    assert!(line.contains("an outcome came through the output port"), "{line}");
}

#[test]
fn a_kernel_that_fails_says_why() {
    let panic = "[kernel] panic: panicked at kernel/src/a.rs:1:2:\nout of frames\n[kernel] called from 0x1";
    let table = [
        (panic, "panic: panicked at kernel/src/a.rs:1:2: out of frames"),
        (
            "[kernel] exception 14 in ring 0: error 0\n[kernel] called from 0x1",
            "exception 14 in ring 0: error 0",
        ),
        ("[kernel] cannot start: no memory", "cannot start: no memory"),
        ("[kernel] something else", "something else"),
    ];
    for (words, reason) in table {
        let (line, log) = failure(&format!("echo '{words}' >&$log; echo more >&2; exit 35"));
        assert_eq!(line, format!("capos: internal: {reason}"));
        assert!(log.contains("more") && log.contains(words), "{log}");
    }
}

#[test]
fn an_image_that_the_boot_stage_refuses_is_refused() {
    let tree =
        Tree::with_emulator("echo '[boot] refused: boot image: part \"kernel\" is corrupt' >&$log; exit 37");
    let shown = tree.run(&["app.wasm"]);
    assert_eq!(shown.status, 126);
    assert_eq!(shown.stderr, "capos: invalid: boot image: part \"kernel\" is corrupt\n");
    assert!(tree.has_no_temporary_file());
}

#[test]
fn a_qemu_that_cannot_start_is_quoted() {
    let (line, log) = failure("echo 'first' >&2; echo 'qemu: cannot set up guest memory' >&2; exit 1");
    assert_eq!(line, "capos: internal: QEMU cannot run the machine: qemu: cannot set up guest memory");
    assert!(log.contains("first"), "{log}");
}

#[test]
fn an_accelerator_that_gives_up_is_not_waited_for() {
    let (line, _) = failure("echo 'KVM internal error. Suberror: 1' >&2; sleep 1000");
    assert_eq!(
        line,
        "capos: internal: the accelerator cannot run the machine (KVM internal error. Suberror: 1); --accel tcg can"
    );
}

#[test]
fn a_machine_that_says_nothing_is_given_up() {
    let tree = Tree::new();
    tree.set_emulator("");
    let path = tree.path("path/qemu-system-x86_64");
    std::fs::write(&path, "#!/bin/bash\nsleep 1000\n").unwrap();
    let shown = tree.run(&["--start-limit", "200ms", "app.wasm"]);
    assert_eq!(shown.status, 127);
    assert!(
        shown.stderr.starts_with("capos: internal: the machine was started and says nothing; the log is ")
    );
}

#[test]
fn a_missing_qemu_is_named_with_what_to_install() {
    let tree = Tree::new();
    let mut command = tree.command(&["run", "--accel", "tcg", "app.wasm"]);
    let shown = shown(command.env("PATH", tree.path("path")).output().unwrap());
    assert_eq!(shown.status, 127);
    assert_eq!(
        shown.stderr,
        "capos: internal: qemu-system-x86_64 is in no folder of PATH; install QEMU (Debian: apt install \
         qemu-system-x86; Fedora: dnf install qemu-system-x86-core; Arch: pacman -S qemu-system-x86)\n"
    );
}

#[test]
fn a_machine_that_runs_too_long_is_ended_by_the_host() {
    let tree = finishes(0, 0, "");
    std::fs::write(tree.path("work/system.img"), b"capOSimg: nothing that can be parsed").unwrap();
    tree.set_emulator("sleep 1000");
    let shown = tree.run(&["--timeout", "200ms", "system.img"]);
    assert_eq!(shown.status, 142);
    assert_eq!(
        shown.stderr,
        "capos: wall clock: the time limit passed, and the machine did not end by itself\n"
    );
    assert!(tree.emulator_is_gone());
}
