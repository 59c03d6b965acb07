//! Standard output and standard error: exact, separate, in order; and what happens when nobody takes them.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use capos_abi::host::FrameKind;
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Tree, frame, outcome, output, shown};

/// A machine that writes frames, tells an outcome and powers off.
const WRITES: &str = "cat $here/frames >&$output; cat $here/outcome >&$control; exit 33";

fn writes(frames: &[u8]) -> Tree {
    let tree = Tree::with_emulator(WRITES);
    tree.give("frames", frames);
    tree.give("outcome", &outcome(0, 0, ""));
    tree
}

#[test]
fn bytes_come_out_as_they_were_written() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let tree = writes(&output(&[(1, &every_byte), (1, b""), (2, b"error"), (1, b"no line feed")]));
    let result = tree.command(&["run", "--accel", "tcg", "app.wasm"]).output().unwrap();
    assert_eq!(result.status.code(), Some(0));
    assert_eq!(result.stdout, [&every_byte[..], b"no line feed"].concat());
    assert_eq!(result.stderr, b"error");
}

#[test]
fn megabytes_are_whole() {
    let mut frames = output(&[]);
    let mut expected = Vec::new();
    for index in 0..200_u32 {
        let payload: Vec<u8> = (0..65_536_u32).map(|byte| (byte.wrapping_mul(index) >> 3) as u8).collect();
        frames.extend(frame(1, FrameKind::Data, &payload));
        expected.extend(payload);
    }
    let tree = writes(&frames);
    let result = tree.command(&["run", "--accel", "tcg", "app.wasm"]).output().unwrap();
    assert!(result.stdout == expected, "{} of {} bytes", result.stdout.len(), expected.len());
}

#[test]
fn two_streams_into_one_file_keep_their_order() {
    let tree = writes(&output(&[(1, b"one\n"), (2, b"two\n"), (1, b"three\n"), (2, b"four\n")]));
    let file = File::create(tree.path("work/both")).unwrap();
    let mut command = tree.command(&["run", "--accel", "tcg", "app.wasm"]);
    command.stdout(file.try_clone().unwrap()).stderr(file);
    assert!(command.status().unwrap().success());
    assert_eq!(std::fs::read_to_string(tree.path("work/both")).unwrap(), "one\ntwo\nthree\nfour\n");
}

#[test]
fn an_appended_file_keeps_what_it_had() {
    let tree = writes(&output(&[(1, b"new\n")]));
    std::fs::write(tree.path("work/log"), "old\n").unwrap();
    let file = OpenOptions::new().append(true).open(tree.path("work/log")).unwrap();
    let mut command = tree.command(&["run", "--accel", "tcg", "app.wasm"]);
    assert!(command.stdout(file).status().unwrap().success());
    assert_eq!(std::fs::read_to_string(tree.path("work/log")).unwrap(), "old\nnew\n");
}

#[test]
fn the_line_of_the_end_starts_on_a_line_of_its_own() {
    let tree = writes(&output(&[(2, b"half a line")]));
    tree.give("outcome", &outcome(1, 0, "unreachable"));
    assert_eq!(tree.run(&["app.wasm"]).stderr, "half a line\ncapos: trap: unreachable\n");
}

#[test]
fn a_full_disk_is_an_error() {
    let tree = writes(&output(&[(1, b"text")]));
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = tree.command(&["run", "--accel", "tcg", "app.wasm"]);
    let shown = shown(command.stdout(full).stderr(Stdio::piped()).output().unwrap());
    assert_eq!(shown.status, 1);
    assert_eq!(
        shown.stderr,
        "capos: output closed: standard output cannot be written: No space left on device (os error 28)\n"
    );
    assert!(tree.emulator_is_gone());
}

#[test]
fn closed_streams_disturb_nothing() {
    let tree = writes(&output(&[(1, b"text"), (2, b"error")]));
    let capos = tree.path("bin/capos");
    for closed in [">&-", "2>&-", "<&-", ">&- 2>&- <&-"] {
        let mut shell = tree.command(&["x"]);
        let line = format!("exec {} run --accel tcg app.wasm {closed}", capos.display());
        let mut shell = Command::new("/bin/bash")
            .args(["-c", &line])
            .current_dir(tree.path("work"))
            .env_clear()
            .envs(shell.stdin(Stdio::null()).get_envs().filter_map(|(key, value)| Some((key, value?))))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        assert_eq!(shell.wait().unwrap().code(), Some(0), "{closed}");
    }
}

/// A machine that writes lines for ever.
const FLOODS: &str = "cat $here/frames >&$output; while cat $here/more >&$output; do :; done";

fn floods() -> Tree {
    let tree = Tree::with_emulator(FLOODS);
    tree.give("frames", &output(&[(1, b"first\n")]));
    tree.give("more", &frame(1, FrameKind::Data, &b"and more\n".repeat(1000)));
    tree
}

/// The same command, with no signal ignored: who starts the tests in the background of a shell has SIGINT and SIGQUIT
/// ignored, and capos would keep to that.
fn with_default_signals(command: &Command) -> Command {
    let mut same = Command::new("/usr/bin/env");
    same.arg("--default-signal=INT,QUIT,TERM,HUP").arg(command.get_program()).args(command.get_args());
    same.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    same.current_dir(command.get_current_dir().unwrap()).stdin(Stdio::null());
    same
}

fn start(tree: &Tree) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut command = with_default_signals(&tree.command(&["run", "--accel", "tcg", "app.wasm"]));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::with_capacity(64, child.stdout.take().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "first\n");
    (child, reader)
}

fn stderr_of(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

#[test]
fn a_closed_pipe_ends_the_run() {
    let tree = floods();
    let (mut child, reader) = start(&tree);
    drop(reader);
    assert_eq!(child.wait().unwrap().code(), Some(141));
    assert_eq!(stderr_of(&mut child), "");
    assert!(tree.emulator_is_gone());
}

#[test]
fn signals_end_the_run_even_while_nobody_reads() {
    for (signal, status, line) in [
        (Signal::INT, 130, "capos: interrupted: ended by Ctrl-C\n"),
        (Signal::TERM, 143, "capos: killed: ended by signal 15\n"),
        (Signal::HUP, 129, "capos: killed: ended by signal 1\n"),
        (Signal::QUIT, 131, "capos: killed: ended by signal 3\n"),
    ] {
        let tree = floods();
        let (mut child, reader) = start(&tree);
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(status));
        assert_eq!(stderr_of(&mut child), line);
        assert!(tree.emulator_is_gone());
        drop(reader);
    }
}

#[test]
fn a_time_limit_holds_even_while_nobody_reads() {
    let tree = floods();
    let mut command = tree.command(&["run", "--accel", "tcg", "--timeout", "100ms", "app.wasm"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(142));
    // The host's own patience with a machine that does not end would have other words.
    let line = "capos: wall clock: the time limit passed, and nobody takes the output; --timeout sets it\n";
    assert_eq!(stderr_of(&mut child), line);
    assert!(tree.emulator_is_gone());
}

#[test]
fn a_time_limit_holds_where_the_line_about_it_is_not_read_either() {
    let tree = floods();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = tree.command(&["run", "--accel", "tcg", "--timeout", "100ms", "app.wasm"]);
    let mut child = command.stdout(writer.try_clone().unwrap()).stderr(writer).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(142));
    drop(reader);
}

#[test]
fn an_end_whose_output_nobody_takes_is_not_told_as_that_end() {
    let tree =
        Tree::with_emulator("cat $here/outcome >&$control; while cat $here/frames >&$output; do :; done");
    tree.give("outcome", &outcome(0, 0, ""));
    tree.give("frames", &output(&[(1, &[b'x'; 50_000])]));
    let mut command = tree.command(&["run", "--accel", "tcg", "--timeout", "100ms", "app.wasm"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(142));
    assert!(tree.emulator_is_gone());
}

#[test]
fn a_killed_command_leaves_no_emulator() {
    let tree = floods();
    let (mut child, reader) = start(&tree);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(tree.emulator_is_gone());
    assert!(tree.has_no_temporary_file());
    drop(reader);
}

#[test]
fn a_slow_reader_holds_the_machine_back() {
    let tree = Tree::with_emulator(
        "cat $here/frames >&$output; count=0
         while cat $here/more >&$output; do count=$((count + 1)); echo $count > $here/count; done",
    );
    tree.give("frames", &output(&[(1, b"first\n")]));
    tree.give("more", &frame(1, FrameKind::Data, &[b'x'; 50_000]));
    let (mut child, mut reader) = start(&tree);
    let mut taken = 0_u64;
    let mut buffer = [0; 4096];
    for _ in 0..500 {
        taken += reader.read(&mut buffer).unwrap() as u64;
        let text = std::fs::read_to_string(tree.path("path/count")).unwrap_or_default();
        let sent = text.trim().parse::<u64>().unwrap_or(0) * 50_000;
        // The pipe, the socket's buffers and one frame: less than a mebibyte, however long the reader sleeps.
        assert!(sent <= taken + (1 << 20), "{sent} bytes sent, {taken} taken");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
