//! What a person at a terminal sees and nobody else: names before lines, and that something takes its time.

use std::fs::{self, File, OpenOptions};
use std::io::Read;

use capos_abi::host::FrameKind;

use crate::support::{ANSWERS, Tree, frame, outcome};

/// A machine that writes frames, tells an outcome and powers off.
const WRITES: &str = "cat $here/frames >&$output; cat $here/outcome >&$control; exit 33";

fn writes(frames: &[u8]) -> Tree {
    let tree = Tree::with_emulator(WRITES);
    tree.give("frames", frames);
    tree.give("outcome", &outcome(0, 0, ""));
    tree
}

/// A terminal: the end for the test and the end for the command.
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, ptsname, unlockpt};
    let controller = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut settings = rustix::termios::tcgetattr(&terminal).unwrap();
    settings.make_raw();
    rustix::termios::tcsetattr(&terminal, rustix::termios::OptionalActions::Now, &settings).unwrap();
    (File::from(controller), terminal)
}

/// What the terminal shows of a run of `file`.
fn on_a_terminal(tree: &Tree, file: &str) -> String {
    terminal_of(tree, &["run", "--accel", "tcg", file])
}

/// What the terminal shows of a command that succeeds.
fn terminal_of(tree: &Tree, words: &[&str]) -> String {
    let (mut controller, terminal) = terminal();
    let mut command = tree.command(words);
    let mut child =
        command.stdout(terminal.try_clone().unwrap()).stderr(terminal.try_clone().unwrap()).spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop((command, terminal));
    let mut text = Vec::new();
    // The end of a terminal is the error EIO.
    let _ = controller.read_to_end(&mut text);
    String::from_utf8(text).unwrap()
}

/// An image of a system of two processes.
fn two_processes() -> Vec<u8> {
    use capos_manifest_model::{Process, System, encode};
    let process = |name: &str| Process { name: name.into(), image: "program".into(), ..Process::default() };
    let system = System {
        name: "two".into(),
        main: "a".into(),
        processes: vec![process("a"), process("b")],
        ..System::default()
    };
    let part = capos_cli::image::NamedPart { name: "manifest".into(), contents: encode(&system) };
    let mut bytes = Vec::new();
    capos_cli::image::write(&[part], &mut bytes).unwrap();
    bytes
}

#[test]
fn a_system_on_a_terminal_names_its_processes() {
    let frames = [
        frame(1, FrameKind::Declare, b"\x01a"),
        frame(2, FrameKind::Declare, b"\x02b"),
        frame(1, FrameKind::Data, b"one\nhalf "),
        frame(2, FrameKind::Data, b"two\n"),
        frame(1, FrameKind::Data, b"a line\n"),
    ]
    .concat();
    let tree = writes(&frames);
    fs::write(tree.path("work/two.img"), two_processes()).unwrap();
    assert_eq!(on_a_terminal(&tree, "two.img"), "a| one\na| half \nb| two\na| a line\n");
    assert_eq!(tree.run(&["two.img"]).stdout, "one\nhalf a line\n");
    assert_eq!(on_a_terminal(&tree, "app.wasm"), "one\nhalf two\na line\n");
}

/// Longer than what is done without a word.
const LONG: &str = "sleep 2.5";

#[test]
fn a_machine_that_takes_its_time_is_told_of() {
    let tree = writes(&[]);
    // The prologue's word is the first sign of life: before it comes the waiting.
    let path = tree.path("path/qemu-system-x86_64");
    let script = fs::read_to_string(&path).unwrap();
    fs::write(&path, script.replacen('\n', &format!("\n{LONG}\n"), 1)).unwrap();
    assert_eq!(on_a_terminal(&tree, "app.wasm"), "capos: waiting for the machine to start ...\n");
    // Not where standard error is no terminal.
    assert_eq!(tree.run(&["app.wasm"]).stderr, "");
}

#[test]
fn a_probe_that_takes_its_time_is_told_of() {
    let tree = writes(&[]);
    tree.set_emulator(&format!("if [ -z \"$control\" ]; then {LONG}; exit 85; fi; {WRITES}"));
    let words = ["run", "--kvm-device", "/dev/null", "app.wasm"];
    assert_eq!(terminal_of(&tree, &words), "capos: trying whether KVM works here ...\n");
    assert_eq!(terminal_of(&tree, &words), "", "the verdict is kept");
}

#[test]
fn a_file_that_takes_its_time_is_told_of() {
    let tree = writes(&[]);
    let pipe = tree.path("work/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || {
        let mut file = OpenOptions::new().write(true).open(pipe).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2500));
        std::io::Write::write_all(&mut file, crate::support::MODULE).unwrap();
    });
    assert_eq!(on_a_terminal(&tree, "pipe"), "capos: reading what is to be run ...\n");
    writer.join().unwrap();
}

#[test]
fn a_doctor_who_takes_time_says_so() {
    let tree = Tree::with_emulator(&format!("[ \"$1\" != --version ] || {LONG}; {ANSWERS}"));
    tree.give("qboot.rom", b"");
    fs::write(tree.path("lib/capos/capos-manifest"), "").unwrap();
    let shown = terminal_of(&tree, &["doctor", "--kvm-device", "/nonexistent"]);
    assert!(shown.starts_with("capos: asking QEMU what it can do ...\nok       capos "), "{shown}");
}

#[test]
fn a_manifest_that_takes_its_time_is_told_of() {
    let tree = Tree::with_emulator("");
    let tool = tree.path("lib/capos/capos-manifest");
    fs::write(&tool, format!("#!/bin/bash\n{LONG}\nexit 3\n")).unwrap();
    fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(tree.path("work/x.cue"), "package x").unwrap();
    for words in [&["check", "x.cue"][..], &["build", "x.cue", "-o", "x.img"], &["run", "x.cue"]] {
        let (mut controller, terminal) = terminal();
        let mut child = tree.command(words).stderr(terminal).spawn().unwrap();
        assert!(!child.wait().unwrap().success());
        let mut text = Vec::new();
        let _ = controller.read_to_end(&mut text);
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("capos: evaluating the manifest ...\ncapos: "), "{text}");
    }
}
