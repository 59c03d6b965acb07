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

#[test]
fn the_reason_is_told_when_it_is_asked_for() {
    let tree = tree("exit 85");
    let told = |arguments: &[&str]| run(&tree, arguments).1.lines().next().unwrap().to_owned();
    let line = told(&["--accel", "kvm", "-v"]);
    assert_eq!(line, "capos: accelerator kvm: asked for; not probed; memory 512 MiB");
    // auto is also what an empty variable means, and what the option says against the variable.
    for accel in ["", "auto"] {
        let mut command = tree.command(&["run", "-v", "--kvm-device", "/nonexistent", "app.wasm"]);
        let result = shown(command.env("ACCEL", accel).output().unwrap());
        assert!(
            result.stderr.starts_with("capos: accelerator tcg: /nonexistent does not exist"),
            "{result:?}"
        );
    }
    let words = ["run", "-v", "--accel", "auto", "--kvm-device", "/nonexistent", "app.wasm"];
    let result = shown(tree.command(&words).env("ACCEL", "kvm").output().unwrap());
    assert_eq!(result.status, 0, "{result:?}");
}

#[test]
fn a_device_that_is_no_device_is_named() {
    let tree = tree("exit 85");
    let words = ["run", "-v", "--kvm-device", "/", "app.wasm"];
    let result = shown(tree.command(&words).output().unwrap());
    let line = result.stderr.lines().next().unwrap();
    let start = "capos: accelerator tcg: / cannot be opened: Is a directory";
    assert!(result.status == 0 && line.starts_with(start), "{result:?}");
}

#[test]
fn a_qemu_that_is_no_program_is_named() {
    let tree = tree("");
    fs::write(tree.path("path/qemu-system-x86_64"), "#!/nonexistent/shell\n").unwrap();
    let words = ["run", "-v", "--kvm-device", "/dev/null", "app.wasm"];
    let result = shown(tree.command(&words).output().unwrap());
    assert_eq!(result.status, 127);
    // The probe told the same before.
    assert!(result.stderr.contains("the probe ended with status 127 at its start: "), "{result:?}");
    assert!(
        result.stderr.contains("qemu-system-x86_64 cannot be started: No such file or directory"),
        "{result:?}"
    );
}
