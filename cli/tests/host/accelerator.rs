//! The accelerator probe with stand-ins for QEMU: succeeds, wrong exit code, hangs paused, dies, absent.

use std::fs;

use crate::support::{Tree, outcome, shown};

/// Answers the probe as `answer` says, and runs a machine well.
fn tree(answer: &str) -> Tree {
    let script = format!(
        "if [ -z \"$control\" ]; then
             echo probed >> $here/probes
             {answer}
         fi
         cat $here/outcome >&$control; exit 33"
    );
    let tree = Tree::with_emulator(&script);
    tree.give("outcome", &outcome(0, 0, ""));
    tree
}

/// Runs with a device that can be opened; returns the accelerator that QEMU was started with and standard error.
fn run(tree: &Tree, arguments: &[&str]) -> (String, String) {
    let words: Vec<&str> =
        ["run", "--kvm-device", "/dev/null"].iter().chain(arguments).copied().chain(["app.wasm"]).collect();
    let shown = shown(tree.command(&words).output().unwrap());
    assert_eq!(shown.status, 0, "{shown:?}");
    let words = tree.arguments();
    let at = words.iter().position(|word| word == "-accel").unwrap();
    (words[at + 1].clone(), shown.stderr)
}

fn probes(tree: &Tree) -> usize {
    fs::read_to_string(tree.path("path/probes")).map_or(0, |text| text.lines().count())
}

fn cached(tree: &Tree) -> usize {
    fs::read_dir(tree.path("cache/capos/accelerator")).map_or(0, |entries| entries.count())
}

/// Runs twice, once with --verbose; returns the accelerator and the verdict.
fn verdict(answer: &str) -> (String, String) {
    let tree = tree(answer);
    let (accelerator, stderr) = run(&tree, &[]);
    assert_eq!(stderr, "", "the verdict is told only when it is asked for");
    let (again, stderr) = run(&tree, &["--verbose"]);
    assert_eq!(accelerator, again);
    assert_eq!((probes(&tree), cached(&tree)), (1, 1), "the answer is kept");
    let line = stderr.lines().next().unwrap().to_owned();
    (
        accelerator.clone(),
        line.replace(&format!("capos: accelerator {accelerator}: "), "").replace("; memory 512 MiB", ""),
    )
}

fn expect(answer: &str, accelerator: &str, reason: &str) {
    assert_eq!(verdict(answer), (accelerator.to_owned(), reason.to_owned()), "{answer}");
}

#[test]
fn a_probe_that_succeeds() {
    expect("printf LXKUSPD; exit 85", "kvm", "kvm: the probe ran to its end");
}

#[test]
fn a_probe_with_the_wrong_exit_code() {
    expect("printf LXKU; exit 69", "tcg", "kvm: the probe ended with status 69 at ring 3");
    expect("exit 0", "tcg", "kvm: the probe ended with status 0 at its start");
    expect("printf LXKUSPD; exit 33", "tcg", "kvm: the probe ended with status 33 at the end");
}

#[test]
fn a_probe_that_hangs_paused() {
    expect(
        "printf LX; echo 'KVM internal error. Suberror: 1' >&2; sleep 1000",
        "tcg",
        "kvm: the probe hangs at FXSAVE and XSAVE: KVM internal error. Suberror: 1",
    );
}

#[test]
fn a_probe_that_hangs_silently() {
    let tree = tree("printf LXKUS; sleep 1000");
    let (accelerator, _) = run(&tree, &[]);
    assert_eq!((accelerator.as_str(), probes(&tree)), ("tcg", 1));
    assert!(tree.emulator_is_gone());
}

#[test]
fn a_probe_that_dies() {
    expect("printf L; kill -SEGV $$", "tcg", "kvm: the probe was ended by signal 11 at long mode");
}

#[test]
fn a_qemu_that_refuses_the_probe() {
    expect(
        "echo 'failed to initialize kvm: Permission denied' >&2; exit 1",
        "tcg",
        "kvm: the probe ended with status 1 at its start: failed to initialize kvm: Permission denied",
    );
}

#[test]
fn an_absent_qemu_is_an_error_of_the_run() {
    let tree = Tree::new();
    let mut command = tree.command(&["run", "--kvm-device", "/dev/null", "app.wasm"]);
    let shown = shown(command.env("PATH", tree.path("path")).output().unwrap());
    assert_eq!(shown.status, 127);
    assert!(shown.stderr.starts_with("capos: internal: qemu-system-x86_64 is in no folder of PATH"));
}

#[test]
fn the_cache_belongs_to_one_qemu() {
    let tree = tree("printf LXKUSPD; exit 85");
    run(&tree, &[]);
    run(&tree, &[]);
    assert_eq!(probes(&tree), 1);
    let path = tree.path("path/qemu-system-x86_64");
    let script = fs::read_to_string(&path).unwrap();
    fs::write(&path, script.replace("exit 85", "exit 86 # another version")).unwrap();
    assert_eq!(run(&tree, &[]).0, "tcg");
    assert_eq!((probes(&tree), cached(&tree)), (2, 2));
}

#[test]
fn a_person_decides_without_a_probe() {
    let tree = tree("exit 85");
    assert_eq!(run(&tree, &["--accel", "kvm"]).0, "kvm");
    assert_eq!(run(&tree, &["--accel", "tcg"]).0, "tcg");
    for word in ["kvm", "tcg"] {
        let mut command = tree.command(&["run", "--kvm-device", "/dev/null", "app.wasm"]);
        assert_eq!(shown(command.env("ACCEL", word).output().unwrap()).status, 0);
        assert!(tree.arguments().join(" ").contains(&format!("-accel {word} ")));
    }
    assert_eq!(probes(&tree), 0);
    let mut command = tree.command(&["run", "app.wasm"]);
    let result = shown(command.env("ACCEL", "hvf").output().unwrap());
    assert_eq!(result.status, 126);
    assert_eq!(
        result.stderr,
        "capos: invalid: the environment variable ACCEL is \"hvf\"; expected auto, tcg or kvm\n"
    );
}

#[test]
fn kvm_that_is_not_there_is_refused_by_name() {
    let tree = tree("exit 85");
    let command = ["run", "--kvm-device", "/nonexistent", "--accel", "kvm", "app.wasm"];
    let result = shown(tree.command(&command).output().unwrap());
    assert_eq!(result.status, 126);
    assert_eq!(
        result.stderr,
        "capos: invalid: KVM was asked for, but /nonexistent does not exist: this machine offers no virtualization\n"
    );
    let command = ["run", "--kvm-device", "/nonexistent", "app.wasm"];
    assert_eq!(shown(tree.command(&command).output().unwrap()).status, 0);
    assert_eq!(probes(&tree), 0);
}

/// Answers what `capos doctor` asks, and the probe.
const ANSWERS: &str = "case \"$1 $2\" in
    '--version ') echo 'QEMU emulator version 8.2.1';;
    '-M help') echo 'microvm   a'; echo 'q35   b';;
    '-device help') for it in virtserialport isa-debugcon isa-debug-exit virtio-rng-device; do echo \"name \\\"$it\\\"\"; done;;
    '-L help') echo $here;;
    *) exit 85;;
esac; exit 0";

fn doctor(tree: &Tree, device: &str) -> crate::support::Shown {
    shown(tree.command(&["doctor", "--kvm-device", device]).output().unwrap())
}

#[test]
fn the_doctor_finds_everything() {
    let tree = Tree::with_emulator(ANSWERS);
    tree.give("qboot.rom", b"");
    fs::write(tree.path("lib/capos/capos-manifest"), "").unwrap();
    let shown = doctor(&tree, "/dev/null");
    assert_eq!((shown.status, &*shown.stderr), (0, ""), "{}", shown.stdout);
    let names = [
        "capos",
        "files",
        "manifests",
        "QEMU",
        "microvm",
        "q35",
        "qboot",
        "console",
        "accelerator",
        "KVM",
        "cache",
    ];
    let found: Vec<&str> = shown.stdout.lines().map(|line| line[9..].split(' ').next().unwrap()).collect();
    assert_eq!(found, names);
    assert!(shown.stdout.lines().all(|line| line.starts_with("ok ")), "{}", shown.stdout);
    assert!(shown.stdout.contains("QEMU emulator version 8.2.1"));
    assert!(shown.stdout.contains(&tree.path("cache").display().to_string()));
}

#[test]
fn the_doctor_names_what_is_missing_and_the_remedy() {
    let tree = Tree::with_emulator(&ANSWERS.replace("microvm   a", "pc   a"));
    let shown = doctor(&tree, "/nonexistent/kvm");
    assert_eq!((shown.status, &*shown.stderr), (1, "capos: 3 of 11 things are missing\n"));
    let missing: Vec<&str> =
        shown.stdout.lines().filter_map(|line| line.strip_prefix("missing  ")?.split(' ').next()).collect();
    assert_eq!(missing, ["manifests", "microvm", "qboot"]);
    for line in [
        "Debian: apt install qemu-system-x86",
        "Fedora: dnf install qboot",
        "Arch: pacman -S qemu-system-x86-firmware",
    ] {
        assert!(shown.stdout.lines().any(|it| it.trim() == line), "{line} is not in {}", shown.stdout);
    }
    let kvm = "no       KVM          /nonexistent/kvm does not exist: this machine offers no virtualization";
    assert!(shown.stdout.lines().any(|line| line == kvm), "{}", shown.stdout);
    fs::remove_file(tree.path("path/qemu-system-x86_64")).unwrap();
    let mut command = tree.command(&["doctor"]);
    let without = crate::support::shown(command.env("PATH", tree.path("path")).output().unwrap());
    assert!(without.stdout.contains("missing  QEMU         qemu-system-x86_64 is in no folder of PATH\n"));
    assert!(without.stdout.contains("Fedora: dnf install qemu-system-x86-core\n"));
}
