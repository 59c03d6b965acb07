//! Floods: whatever a machine writes, and whoever reads it, the memory of `capos` stays where it is.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use capos_abi::host::FrameKind;

use crate::support::{Tree, frame, outcome, output};

/// Kibibytes that a flood may cost: buffers of fixed sizes, the log's among them.
const ROOM_KIB: u64 = 8 << 10;

/// Writes the flood, then the most memory that `capos` ever had, and ends well.
fn tree(flood: &str) -> Tree {
    let tree = Tree::with_emulator(&format!(
        "cat $here/frames >&$output; {flood}
         grep VmHWM /proc/$PPID/status > $here/peak; cat $here/outcome >&$control; exit 33"
    ));
    tree.give("frames", &output(&[]));
    tree.give("outcome", &outcome(0, 0, ""));
    for (name, stream) in [("more", 1), ("more-errors", 2)] {
        tree.give(name, &frame(stream, FrameKind::Data, &[b'x'; 65_536]).repeat(256));
    }
    tree
}

fn peak_kib(tree: &Tree) -> u64 {
    let line = fs::read_to_string(tree.path("path/peak")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The peak of a run whose output nobody wants.
fn peak(flood: &str, arguments: &[&str]) -> u64 {
    let tree = tree(flood);
    let mut command = tree.command(&[&["run", "--accel", "tcg"], arguments, &["app.wasm"]].concat());
    assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(), "{flood}");
    peak_kib(&tree)
}

#[test]
fn a_flood_grows_memory_nowhere() {
    let quiet = peak("", &[]);
    // 256 MiB each: 32 times what it may cost.
    for (flood, arguments) in [
        ("for i in {1..16}; do cat $here/more >&$output; done", &[][..]),
        ("for i in {1..16}; do cat $here/more-errors >&$output; done", &[]),
        ("head -c 256M /dev/zero >&$log", &[]),
        ("head -c 256M /dev/zero >&$log", &["--verbose"]),
        ("head -c 256M /dev/zero >&$log", &["--kernel-log", "/dev/null"]),
        ("yes | head -c 16M >&2", &[]),
    ] {
        let flooded = peak(flood, arguments);
        assert!(flooded <= quiet + ROOM_KIB, "{flood} {arguments:?}: {flooded} KiB, {quiet} KiB without");
    }
}

#[test]
fn a_slow_reader_grows_memory_nowhere() {
    let quiet = peak("", &[]);
    let tree = tree("for i in {1..4}; do cat $here/more >&$output; done");
    let mut command = tree.command(&["run", "--accel", "tcg", "app.wasm"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdout.take().unwrap();
    let mut taken = 0;
    let mut buffer = [0; 256 << 10];
    while let count @ 1.. = pipe.read(&mut buffer).unwrap() {
        taken += count;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(taken, 64 << 20);
    let slow = peak_kib(&tree);
    assert!(slow <= quiet + ROOM_KIB, "{slow} KiB, {quiet} KiB without");
}

#[test]
fn a_flood_into_the_log_keeps_its_ends() {
    let tree =
        Tree::with_emulator("echo first >&$log; head -c 8M /dev/zero >&$log; echo last >&$log; exit 3");
    assert_eq!(tree.run(&["app.wasm"]).status, 127);
    let log = tree.kept_log();
    assert!(log.contains("[kernel] stand-in\nfirst\n") && log.contains(" bytes are not kept ...\n"));
    assert!(log.contains("last\n") && log.len() < 1 << 20, "{} bytes", log.len());
}
