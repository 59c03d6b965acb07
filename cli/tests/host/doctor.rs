//! `capos doctor` with stand-ins: a machine that has everything, one that lacks each thing, and QEMUs that are broken.

use std::fs;

use crate::support::{ANSWERS, PREPARED_AT, Shown, Tree, prepared_system, shown};

fn doctor(tree: &Tree, device: &str) -> Shown {
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
        "logs",
        "cache",
    ];
    let found: Vec<&str> = shown.stdout.lines().map(|line| line[9..].split(' ').next().unwrap()).collect();
    assert_eq!(found, names);
    assert!(shown.stdout.lines().all(|line| line.starts_with("ok ")), "{}", shown.stdout);
    for words in [
        "QEMU emulator version 8.2.1",
        "microvm      the default machine",
        "q35          the second machine",
        "qboot        qboot.rom, the firmware of the second machine",
        "console      the virtio console and the devices around it",
    ] {
        assert!(shown.stdout.contains(words), "{words} is not in {}", shown.stdout);
    }
    assert!(shown.stdout.contains(&tree.path("cache").display().to_string()));
}

#[test]
fn the_doctor_names_what_is_missing_and_the_remedy() {
    let tree = Tree::with_emulator(&ANSWERS.replace("microvm   a", "pc   a"));
    let shown = doctor(&tree, "/nonexistent/kvm");
    assert_eq!((shown.status, &*shown.stderr), (1, "capos: 3 of 12 things are missing\n"));
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

/// Exit status, and the lines of what is not as it should be.
fn complaints(tree: &Tree) -> (i32, Vec<String>) {
    let shown = doctor(tree, "/dev/null");
    let is_complaint = |line: &&str| !line.starts_with("ok ");
    (shown.status, shown.stdout.lines().filter(is_complaint).map(|line| line.trim_end().to_owned()).collect())
}

/// A tree in which nothing is missing, with these answers.
fn whole(answers: &str) -> Tree {
    let tree = Tree::with_emulator(answers);
    tree.give("qboot.rom", b"");
    fs::write(tree.path("lib/capos/capos-manifest"), "").unwrap();
    tree
}

const REMEDY: [&str; 3] = [
    "Debian: apt install qemu-system-x86",
    "Fedora: dnf install qemu-system-x86-core",
    "Arch: pacman -S qemu-system-x86",
];

fn is_followed_by_the_remedy(lines: &[String], at: usize) -> bool {
    lines[at + 1..].iter().map(|line| line.trim()).take(3).eq(REMEDY)
}

#[test]
fn each_thing_that_qemu_lacks_is_named_with_the_remedy() {
    let table = [
        ("echo 'q35   b'", "echo 'pc   b'", "missing  q35          the second machine: this QEMU lacks it"),
        (
            "virtserialport isa-debugcon",
            "isa-debugcon",
            "missing  console      this QEMU lacks virtserialport",
        ),
        (
            "isa-debug-exit virtio-rng-device",
            "x",
            "missing  console      this QEMU lacks isa-debug-exit, virtio-rng-device",
        ),
    ];
    for (there, instead, line) in table {
        let (status, lines) = complaints(&whole(&ANSWERS.replace(there, instead)));
        assert_eq!((status, lines[0].as_str(), lines.len()), (1, line, 4), "{lines:?}");
        assert!(is_followed_by_the_remedy(&lines, 0), "{lines:?}");
    }
}

#[test]
fn an_old_qemu_is_told_and_a_broken_one_is_missing() {
    let (status, lines) = complaints(&whole(&ANSWERS.replace("version 8.2.1", "version 6.2.0")));
    assert_eq!((status, lines.len()), (0, 1), "{lines:?}");
    let end = "(QEMU emulator version 6.2.0): capOS is tested with 7.2 and newer";
    assert!(lines[0].starts_with("no       QEMU ") && lines[0].ends_with(end), "{lines:?}");
    for broken in ["exit 1", "kill -SEGV $$", "echo nonsense", "printf '\\xff\\x00\\n'"] {
        let (status, lines) = complaints(&whole(broken));
        assert_eq!(status, 1, "{broken}");
        assert!(lines[0].ends_with("/path/qemu-system-x86_64 does not tell its version"), "{lines:?}");
        assert!(is_followed_by_the_remedy(&lines, 0), "{lines:?}");
    }
}

#[test]
fn a_qemu_that_does_not_answer_is_not_waited_for() {
    let tree = whole(&ANSWERS.replace("echo 'QEMU emulator version 8.2.1'", "exec sleep 1000"));
    let (status, lines) = complaints(&tree);
    assert_eq!(status, 1);
    assert!(lines[0].ends_with("does not tell its version"), "{lines:?}");
    assert!(tree.is_quiet());
}

#[test]
fn files_that_are_missing_are_named() {
    let tree = whole(ANSWERS);
    fs::remove_file(tree.path("lib/capos/init.elf")).unwrap();
    fs::remove_file(tree.path("lib/capos/capos-manifest")).unwrap();
    let (status, lines) = complaints(&tree);
    assert_eq!((status, lines.len()), (1, 2), "{lines:?}");
    let remedy =
        "is missing from this installation; install capOS again, or in a clone, run `make build` first";
    assert!(lines[0].ends_with(&format!("lib/capos/init.elf {remedy}")), "{lines:?}");
    assert!(
        lines[1].ends_with("capos-manifest is missing: modules and images run, manifests do not"),
        "{lines:?}"
    );
    fs::remove_dir_all(tree.path("lib")).unwrap();
    let (status, lines) = complaints(&tree);
    assert_eq!(status, 1);
    assert!(
        lines[0].starts_with("missing  files        the files of capOS are missing: neither "),
        "{lines:?}"
    );
    assert!(lines[0].ends_with(" is a folder; in a clone, run `make build` first"), "{lines:?}");
}

#[test]
fn a_prepared_system_that_was_damaged_is_named() {
    let tree = whole(ANSWERS);
    let path = tree.path("lib/capos/system.pvh");
    let is_damaged_at = |at: usize| {
        let mut file = prepared_system();
        file[PREPARED_AT + at] ^= 4;
        fs::write(&path, file).unwrap();
        let (status, lines) = complaints(&tree);
        assert_eq!((status, lines.len()), (1, 1), "{lines:?}");
        let line = lines[0].strip_prefix("missing  files        ").unwrap();
        let line = line.strip_prefix(&format!("{}: ", path.display())).unwrap();
        line.strip_suffix("; install capOS again, or in a clone, run `make build`").unwrap().to_owned()
    };
    let corrupt = |name: &str| format!("boot image: part \"{name}\" is corrupt (SHA-256 differs)");
    assert_eq!(is_damaged_at(0), "the boot stage has no system in it");
    assert_eq!(is_damaged_at(40), "boot image: the header is corrupt");
    assert_eq!(is_damaged_at(4096), corrupt("kernel"));
    assert_eq!(is_damaged_at(4096 + 8192 + 4999), corrupt("init"));
    fs::write(&path, "no program").unwrap();
    let (status, lines) = complaints(&tree);
    assert_eq!(status, 1);
    assert!(lines[0].contains(": not a boot stage with a system in it: "), "{lines:?}");
    fs::write(&path, prepared_system()).unwrap();
    assert_eq!(complaints(&tree), (0, Vec::new()));
    let shown = doctor(&tree, "/dev/null");
    let line = format!("ok       files        {}, its system verified", tree.path("lib/capos").display());
    assert!(shown.stdout.lines().any(|it| it == line), "{}", shown.stdout);
}

#[test]
fn a_user_without_a_home_is_told_what_that_means() {
    let tree = whole(ANSWERS);
    let mut command = tree.command(&["doctor", "--kvm-device", "/dev/null"]);
    let shown = shown(command.env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME").output().unwrap());
    assert_eq!(shown.status, 0);
    for line in [
        "no       logs         neither XDG_STATE_HOME nor HOME is set: they go into the folder for temporary files",
        "no       cache        neither XDG_CACHE_HOME nor HOME is set: KVM is probed in each run",
    ] {
        assert!(shown.stdout.lines().any(|it| it == line), "{}", shown.stdout);
    }
}

#[test]
fn an_unknown_accelerator_is_told() {
    let tree = whole(ANSWERS);
    let shown =
        shown(tree.command(&["doctor", "--kvm-device", "/dev/null"]).env("ACCEL", "hvf").output().unwrap());
    let line = "missing  accelerator  the environment variable ACCEL is \"hvf\"; expected auto, tcg or kvm\n";
    assert!(shown.status == 1 && shown.stdout.contains(line), "{}", shown.stdout);
}
