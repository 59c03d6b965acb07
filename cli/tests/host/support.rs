//! An installation of capOS in a folder of its own, with a stand-in for QEMU: what the tests of the host command run on.
//!
//! Used by every test file of this folder; calls the `capos` binary that cargo built.
//!
//! Invariant: nothing here needs a guest, a kernel or a real QEMU, and nothing is shared between two tests.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use capos_abi::host::{FRAME_END, FrameHeader, FrameKind};
use capos_cli::image::{NamedPart, write};
use capos_schema::console::ConsoleFinishParams;

/// A stand-in's start: finds the descriptors of the channels in its arguments and says that it lives.
const PROLOGUE: &str = r#"#!/bin/bash
here=$(dirname "$0")
echo $$ > "$here/pid"
printf '%s\n' "$@" > "$here/arguments"
for word in "$@"; do
    case "$word" in
        socket,id=output,fd=*) output=${word##*=} ;;
        socket,id=control,fd=*) control=${word##*=} ;;
        socket,id=log,fd=*) log=${word##*=} ;;
    esac
done
if [ -n "$log" ]; then echo "[kernel] stand-in" >&$log; fi
"#;

/// By which the processes of one tree are known.
const MARKER: &str = "CAPOS_HOST_TEST";

/// The smallest module that can be run: it exports an empty `_start`.
pub(crate) const MODULE: &[u8] =
    b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0\x0a\x04\x01\x02\0\x0b";

/// The smallest ELF file that a prepared system can be in: its one segment, behind the headers, is an image of two parts.
pub(crate) fn prepared_system() -> Vec<u8> {
    let part = |name: &str, byte| NamedPart { name: name.into(), contents: vec![byte; 5000] };
    let mut image = Vec::new();
    write(&[part("kernel", 1), part("init", 2)], &mut image).unwrap();
    // A 64-bit little-endian program for x86-64 with one program header of 56 bytes, which follows at once.
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    let words = |file: &mut Vec<u8>, words: &[u64]| file.extend(words.iter().flat_map(|it| it.to_le_bytes()));
    words(&mut file, &[0, 64, 0]);
    file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    let bytes = image.len() as u64;
    words(&mut file, &[1 | 4 << 32, PREPARED_AT as u64, 2 << 20, 2 << 20, bytes, bytes, 4096]);
    file.extend(image);
    file
}

/// Where the image is in the file of [`prepared_system`].
pub(crate) const PREPARED_AT: usize = 64 + 56;

/// An installed tree.
pub(crate) struct Tree {
    folder: tempfile::TempDir,
}

/// What a run showed.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Tree {
    /// A tree without QEMU.
    pub(crate) fn new() -> Tree {
        let tree = Tree { folder: tempfile::tempdir().unwrap() };
        for folder in ["bin", "lib/capos", "path", "cache", "state", "temporary", "work"] {
            fs::create_dir_all(tree.path(folder)).unwrap();
        }
        let capos = env!("CARGO_BIN_EXE_capos");
        if fs::hard_link(capos, tree.path("bin/capos")).is_err() {
            // By another process: a descriptor of ours for writing would be in the children that other tests fork meanwhile,
            // and a file that somebody may write cannot be run.
            let copied = Command::new("cp").arg(capos).arg(tree.path("bin/capos")).status().unwrap();
            assert!(copied.success());
        }
        for file in [
            "boot.elf",
            "kernel.elf",
            "init.elf",
            "virtio-console.elf",
            "virtio-rng.elf",
            "capos-wasm.elf",
            "probe.pvh",
        ] {
            fs::write(tree.path("lib/capos").join(file), format!("\x7fELF {file}")).unwrap();
        }
        fs::write(tree.path("lib/capos/system.pvh"), prepared_system()).unwrap();
        fs::write(tree.path("work/app.wasm"), MODULE).unwrap();
        tree
    }

    /// A tree whose QEMU runs this script.
    pub(crate) fn with_emulator(script: &str) -> Tree {
        let tree = Tree::new();
        tree.set_emulator(script);
        tree
    }

    pub(crate) fn set_emulator(&self, script: &str) {
        let path = self.path("path/qemu-system-x86_64");
        fs::write(&path, format!("{PROLOGUE}{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    /// Puts bytes where a script finds them as `$here/NAME`.
    pub(crate) fn give(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path("path").join(name), bytes).unwrap();
    }

    /// The arguments that the stand-in was started with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("path/arguments")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// `capos` with this environment, not started yet.
    pub(crate) fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(self.path("bin/capos"));
        command.args(arguments).current_dir(self.path("work")).stdin(Stdio::null());
        command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", self.path("path").display()));
        command.env("XDG_CACHE_HOME", self.path("cache")).env("XDG_STATE_HOME", self.path("state"));
        command.env("TMPDIR", self.path("temporary")).env(MARKER, self.folder.path());
        command
    }

    /// `capos run --accel tcg` with these arguments, to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Shown {
        let words: Vec<&str> = ["run", "--accel", "tcg"].iter().chain(arguments).copied().collect();
        shown(self.command(&words).output().unwrap())
    }

    /// True if the stand-in is gone; gives it a moment to be reaped by init.
    pub(crate) fn emulator_is_gone(&self) -> bool {
        let pid = fs::read_to_string(self.path("path/pid")).unwrap();
        gone(Path::new("/proc").join(pid.trim()).as_path())
    }

    /// True if no process that this tree's commands started is left; gives them a moment to end.
    pub(crate) fn is_quiet(&self) -> bool {
        let entry = format!("{MARKER}={}", self.folder.path().display());
        let is_ours = |process: &Path| {
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|it| it == entry.as_bytes())
        };
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        processes.filter(|process| is_ours(process)).all(|process| gone(&process))
    }

    /// The only log that was kept.
    pub(crate) fn kept_log(&self) -> String {
        let logs = fs::read_dir(self.path("state/capos/logs")).unwrap();
        let files: Vec<PathBuf> = logs.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        fs::read_to_string(&files[0]).unwrap()
    }

    pub(crate) fn has_no_temporary_file(&self) -> bool {
        fs::read_dir(self.path("temporary")).unwrap().next().is_none()
    }
}

/// Waits until the process with this folder in /proc is gone or a zombie.
fn gone(process: &Path) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        match fs::read_to_string(process.join("stat")) {
            Err(_) => return true,
            Ok(stat) if stat.contains(") Z ") => return true,
            Ok(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    false
}

pub(crate) fn shown(output: Output) -> Shown {
    use std::os::unix::process::ExitStatusExt;
    Shown {
        status: output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0)),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Answers what `capos doctor` asks, and the probe.
pub(crate) const ANSWERS: &str = "case \"$1 $2\" in
    '--version ') echo 'QEMU emulator version 8.2.1';;
    '-M help') echo 'microvm   a'; echo 'q35   b';;
    '-device help') for it in virtserialport isa-debugcon isa-debug-exit virtio-rng-device; do echo \"name \\\"$it\\\"\"; done;;
    '-L help') echo $here;;
    *) exit 85;;
esac; exit 0";

/// One frame.
pub(crate) fn frame(stream: u16, kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = FrameHeader { stream, kind, length: payload.len() as u32 }.encode().to_vec();
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(&FRAME_END);
    bytes
}

/// Streams 1 (output) and 2 (error) of the process "app", and what it writes to them.
pub(crate) fn output(data: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = frame(1, FrameKind::Declare, b"\x01app");
    bytes.extend(frame(2, FrameKind::Declare, b"\x02app"));
    for (stream, payload) in data {
        bytes.extend(frame(*stream, FrameKind::Data, payload));
    }
    bytes
}

/// An outcome frame.
pub(crate) fn outcome(kind: u16, code: u32, report: &str) -> Vec<u8> {
    let parameters = ConsoleFinishParams { kind, code, process: "app", report };
    let mut message = vec![0; parameters.encoded_bytes()];
    let length = parameters.encode(&mut message).unwrap();
    frame(0, FrameKind::Outcome, &message[..length])
}
