//! QEMUs that behave badly in every way, and a `capos` that is killed at any moment: never success, and nothing left behind.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use capos_abi::host::FRAME_END;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Shown, Tree, outcome, output};

/// Runs a machine that goes wrong after, or instead of, telling that all is well.
fn show(script: &str, arguments: &[&str]) -> Shown {
    let tree = Tree::with_emulator(script);
    tree.give("outcome", &outcome(0, 0, ""));
    tree.give("frames", &output(&[(1, b"text\n")]));
    let shown = tree.run(&[arguments, &["app.wasm"]].concat());
    assert!(tree.is_quiet(), "{script}");
    assert!(tree.has_no_temporary_file(), "{script}");
    shown
}

fn fails(script: &str, told: &str) {
    let shown = show(script, &["--start-limit", "5"]);
    let line = format!("capos: internal: {told}");
    assert!(shown.status == 127 && shown.stderr.starts_with(&line), "{script}: {shown:?}");
    assert!(shown.stderr.contains("; the log is "), "{script}: {shown:?}");
}

#[test]
fn a_good_outcome_and_any_other_exit_status_is_no_success() {
    for code in [0, 1, 2, 31, 32, 34, 35, 36, 38, 65, 85, 127, 128, 255] {
        let script = format!("cat $here/outcome >&$control; exit {code}");
        assert_eq!(show(&script, &[]).status, 127, "{code}");
    }
    // The boot stage refuses an image with 37, whatever was told before.
    assert_eq!(show("cat $here/outcome >&$control; exit 37", &[]).status, 126);
    for signal in ["KILL", "SEGV", "ABRT", "TERM", "PIPE"] {
        let script = format!("cat $here/outcome >&$control; kill -{signal} $$; sleep 5");
        assert_eq!(show(&script, &[]).status, 127, "{signal}");
    }
}

#[test]
fn a_second_outcome_makes_no_sense() {
    let told = "the machine's outcome makes no sense: something follows the outcome on the control port";
    fails("cat $here/outcome $here/outcome >&$control; exit 33", told);
    fails("cat $here/outcome >&$control; sleep 0.2; printf x >&$control; exit 33", told);
}

#[test]
fn a_kind_of_outcome_that_nobody_knows_makes_no_sense() {
    let tree = Tree::with_emulator("cat $here/outcome >&$control; exit 33");
    tree.give("outcome", &outcome(99, 0, ""));
    let shown = tree.run(&["app.wasm"]);
    let line =
        "capos: internal: the machine's outcome makes no sense: outcome kind 99 is unknown; the log is ";
    assert!(shown.status == 127 && shown.stderr.starts_with(line), "{shown:?}");
    let whole = outcome(0, 0, "");
    let mut short = whole[..8].to_vec();
    short[4..8].copy_from_slice(&8u32.to_le_bytes());
    short.extend([0xff; 8]);
    short.extend(FRAME_END);
    tree.give("outcome", &short);
    let shown = tree.run(&["app.wasm"]);
    let line = "capos: internal: the machine's outcome makes no sense: the outcome message: ";
    assert!(shown.status == 127 && shown.stderr.starts_with(line), "{shown:?}");
    let mut cut = whole;
    *cut.last_mut().unwrap() = 0;
    tree.give("outcome", &cut);
    let shown = tree.run(&["app.wasm"]);
    let line =
        "the machine's outcome makes no sense: [65, 6e, 64, 00] at the end of a frame on the control port";
    assert!(shown.status == 127 && shown.stderr.contains(line), "{shown:?}");
}

#[test]
fn output_that_makes_no_sense_ends_the_run() {
    fails(
        "cat /dev/zero >&$output; sleep 1000",
        "the machine's output makes no sense: a frame is cut, and no driver goes on",
    );
    fails(
        "printf '\\000\\000\\000\\000\\001\\000\\000\\000xend\\n' >&$output; exec sleep 1000",
        "the machine's output makes no sense: stream 0 was never declared",
    );
    fails(
        "printf '\\001\\000\\001\\000\\001\\000\\000\\000\\007end\\n' >&$output; exec sleep 1000",
        "the machine's output makes no sense: stream 1 is declared as Some(7)",
    );
    fails(
        "head -c 1000 /dev/urandom | tr '\\000-\\377' '\\252' >&$output; exec sleep 1000",
        "the machine's output makes no sense: frame header",
    );
}

#[test]
fn a_machine_that_does_not_power_off_is_ended() {
    let script = "cat $here/frames >&$output; cat $here/outcome >&$control; exec sleep 1000";
    fails(script, "the machine told the outcome and did not power off");
    fails("echo nonsense >&$control; exec sleep 1000", "the machine's outcome makes no sense: frame header");
}

#[test]
fn a_machine_that_closes_its_channels_and_goes_on_is_ended() {
    let script = "eval \"exec $output>&- $control>&- $log>&- >&- 2>&-\"; exec sleep 1000";
    fails(script, "QEMU closed all that it could be heard by, and goes on");
}

#[test]
fn what_qemu_started_ends_with_it() {
    let script =
        "sleep 1000 & sleep 1001 & cat $here/frames >&$output; cat $here/outcome >&$control; exit 33";
    let shown = show(script, &[]);
    assert_eq!((shown.status, shown.stdout.as_str(), shown.stderr.as_str()), (0, "text\n", ""));
}

#[test]
fn an_end_without_a_word_is_told_as_such() {
    let tree = Tree::new();
    tree.set_emulator("");
    std::fs::write(tree.path("path/qemu-system-x86_64"), "#!/bin/bash\nexit 3\n").unwrap();
    let shown = tree.run(&["app.wasm"]);
    let line = "capos: internal: QEMU ended with status 3 before the machine told an outcome, without a word; the log is ";
    assert!(shown.status == 127 && shown.stderr.starts_with(line), "{shown:?}");
    for (script, line) in
        [("exit 1", "QEMU cannot run the machine: it does not say why"), ("exit 35", "the kernel failed")]
    {
        std::fs::write(tree.path("path/qemu-system-x86_64"), format!("#!/bin/bash\n{script}\n")).unwrap();
        let shown = tree.run(&["app.wasm"]);
        let line = format!("capos: internal: {line}; the log is ");
        assert!(shown.status == 127 && shown.stderr.starts_with(&line), "{shown:?}");
    }
    std::fs::write(tree.path("path/qemu-system-x86_64"), "#!/bin/bash\nexit 37\n").unwrap();
    let shown = tree.run(&["app.wasm"]);
    assert_eq!(
        (shown.status, shown.stderr.as_str()),
        (126, "capos: invalid: the machine refused the boot image\n")
    );
}

#[test]
fn a_qemu_that_gives_up_in_pieces_is_heard() {
    for words in ["KVM internal error", "kvm run failed", "emulation failure"] {
        let (first, second) = words.split_at(7);
        let script = format!("printf '{first}' >&2; sleep 0.2; echo '{second}' >&2; exec sleep 1000");
        fails(&script, &format!("the accelerator cannot run the machine ({words}); --accel tcg can"));
    }
}

/// Starts a run whose QEMU, the probe's and the machine's, never ends.
fn start(tree: &Tree) -> Child {
    let mut command = tree.command(&["run", "--kvm-device", "/dev/null", "app.wasm"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_command_that_is_killed_at_any_moment_leaves_nothing() {
    let tree = Tree::with_emulator("exec sleep 1000");
    // The command's own start, the launcher, the probe.
    for delay in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610] {
        let mut child = start(&tree);
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree.is_quiet(), "killed after {delay} ms");
        assert!(tree.has_no_temporary_file(), "killed after {delay} ms");
    }
    // The machine.
    tree.set_emulator("[ -n \"$log\" ] || exit 85; exec sleep 1000");
    for delay in [55, 144, 377, 610, 987] {
        let mut child = start(&tree);
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree.is_quiet(), "killed after {delay} ms");
    }
}

#[test]
fn a_signal_that_nobody_handles_leaves_nothing_either() {
    for signal in [Signal::USR1, Signal::ALARM, Signal::ABORT] {
        let tree = Tree::with_emulator("[ -n \"$log\" ] || exit 85; touch $here/started; exec sleep 1000");
        let mut child = start(&tree);
        while !tree.path("path/started").exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()));
        assert!(tree.is_quiet(), "{signal:?}");
    }
}

#[test]
fn sigpipe_is_no_reason_to_end() {
    let tree = Tree::with_emulator(
        "[ -n \"$log\" ] || exit 85; touch $here/started; until [ -e $here/go ]; do sleep 0.01; done
         cat $here/outcome >&$control; exit 33",
    );
    tree.give("outcome", &outcome(0, 9, ""));
    let mut child = start(&tree);
    while !tree.path("path/started").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_child(&child), Signal::PIPE).unwrap();
    tree.give("go", b"");
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

#[test]
fn a_line_that_nobody_reads_does_not_outlast_a_signal() {
    let tree = Tree::with_emulator("cat $here/outcome >&$control; exit 33");
    tree.give("outcome", &outcome(1, 0, &"x".repeat(60_000)));
    let (_reader, mut writer) = std::io::pipe().unwrap();
    // Two pages of 16 are taken: the line does not fit.
    std::io::Write::write_all(&mut writer, &[b'y'; 8192]).unwrap();
    let words = ["run", "--accel", "tcg", "--outcome", "end.json", "app.wasm"];
    let mut child = tree.command(&words).stderr(writer).spawn().unwrap();
    while std::fs::read(tree.path("work/end.json")).unwrap_or_default().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // The outcome is written, so the run is over; its line is under way, or will be.
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
}
