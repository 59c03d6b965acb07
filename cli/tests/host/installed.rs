//! Installed trees: found from any path, run by a user without a home, in folders that cannot be written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Shown, Tree, outcome, shown};

const WELL: &str = "cat $here/outcome >&$control; exit 33";

fn well(code: u32) -> Tree {
    let tree = Tree::with_emulator(WELL);
    tree.give("outcome", &outcome(0, code, ""));
    tree
}

fn run(mut command: Command) -> Shown {
    shown(command.output().unwrap())
}

#[test]
fn a_tree_is_found_from_any_path_to_the_command() {
    let tree = well(7);
    fs::create_dir_all(tree.path("else where/bin")).unwrap();
    symlink(tree.path("bin/capos"), tree.path("else where/bin/capos")).unwrap();
    symlink("capos", tree.path("else where/bin/other-name")).unwrap();
    symlink(tree.path("bin"), tree.path("else where/links")).unwrap();
    let environment = tree.command(&["x"]);
    let variables = || environment.get_envs().filter_map(|(key, value)| Some((key, value?)));
    let command = |program: &Path| {
        let mut command = Command::new(program);
        command.args(["run", "--accel", "tcg", "app.wasm"]).current_dir(tree.path("work"));
        command.env_clear().envs(variables()).stdin(Stdio::null());
        command
    };
    for program in ["else where/bin/capos", "else where/bin/other-name", "else where/links/capos"] {
        let shown = run(command(&tree.path(program)));
        assert_eq!((shown.status, shown.stderr.as_str()), (7, ""), "{program}");
    }
    // By a relative path, and by PATH.
    assert_eq!(run(command(Path::new("../else where/bin/../bin/capos"))).status, 7);
    let mut shell = Command::new("/bin/sh");
    shell
        .args(["-c", "capos run --accel tcg app.wasm"])
        .current_dir(tree.path("work"))
        .env_clear()
        .envs(variables());
    let folders =
        format!("{}:{}:/usr/bin:/bin", tree.path("else where/bin").display(), tree.path("path").display());
    assert_eq!(run(shell_with(shell, &folders)).status, 7);
}

fn shell_with(mut shell: Command, path: &str) -> Command {
    shell.env("PATH", path).stdin(Stdio::null());
    shell
}

#[test]
fn a_tree_may_have_any_path() {
    let tree = well(3);
    let odd = tree.path("odd, 'place' $HOME \u{e9}");
    fs::create_dir(&odd).unwrap();
    for folder in ["bin", "lib"] {
        fs::rename(tree.path(folder), odd.join(folder)).unwrap();
    }
    let environment = tree.command(&["x"]);
    let mut command = Command::new(odd.join("bin/capos"));
    command.args(["run", "--accel", "tcg", "app.wasm"]).current_dir(tree.path("work")).env_clear();
    command.envs(environment.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let shown = run(command);
    assert_eq!((shown.status, shown.stderr.as_str()), (3, ""));
    assert!(tree.arguments().contains(&odd.join("lib/capos/system.pvh").display().to_string()));
}

#[test]
fn a_user_without_a_home_runs_programs() {
    let tree = well(5);
    let mut command = tree.command(&["run", "--kvm-device", "/nonexistent", "app.wasm"]);
    command.env_remove("XDG_CACHE_HOME").env_remove("XDG_STATE_HOME");
    let shown = run(command);
    assert_eq!((shown.status, shown.stderr.as_str()), (5, ""));
    // A failure's log goes where temporary files go, and is named.
    tree.set_emulator("exit 3");
    let mut command = tree.command(&["run", "--accel", "tcg", "app.wasm"]);
    command.env_remove("XDG_STATE_HOME").env("XDG_CACHE_HOME", "relative");
    let shown = run(command);
    assert_eq!(shown.status, 127);
    let log = shown.stderr.trim_end().rsplit_once("the log is ").unwrap().1.to_owned();
    assert!(Path::new(&log).starts_with(tree.path("temporary")) && Path::new(&log).is_file(), "{log}");
}

#[test]
fn a_home_has_the_usual_places() {
    let tree = Tree::with_emulator("[ -n \"$control\" ] || exit 85; exit 3");
    let mut command = tree.command(&["run", "--kvm-device", "/dev/null", "app.wasm"]);
    command.env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME").env("HOME", tree.path("work"));
    assert_eq!(run(command).status, 127);
    let count = |folder: &str| fs::read_dir(tree.path(folder)).unwrap().count();
    assert_eq!((count("work/.cache/capos/accelerator"), count("work/.local/state/capos/logs")), (1, 1));
}

#[test]
fn folders_that_cannot_be_written_are_no_reason_to_fail() {
    let tree = Tree::with_emulator("[ -n \"$control\" ] || exit 85; cat $here/outcome >&$control; exit 33");
    tree.give("outcome", &outcome(0, 5, ""));
    // A file in place of the folder cannot be written into, whoever asks.
    for folder in ["cache", "state"] {
        fs::remove_dir(tree.path(folder)).unwrap();
        fs::write(tree.path(folder), "").unwrap();
    }
    let shown = run(tree.command(&["run", "--kvm-device", "/dev/null", "app.wasm"]));
    assert_eq!((shown.status, shown.stderr.as_str()), (5, ""));
    tree.set_emulator("exit 3");
    let shown = tree.run(&["app.wasm"]);
    assert!(
        shown.stderr.contains(&format!("the log is {}/capos-", tree.path("temporary").display())),
        "{shown:?}"
    );
    let mut command = tree.command(&["run", "--accel", "tcg", "app.wasm"]);
    command.env("TMPDIR", "/dev/null");
    let shown = run(command);
    assert_eq!(shown.status, 127);
    let line = "QEMU ended with status 3 before the machine told an outcome; the last words were: [kernel] stand-in; \
                the log cannot be kept in /dev/null: ";
    assert!(shown.stderr.starts_with(&format!("capos: internal: {line}")), "{shown:?}");
}

#[test]
fn a_tree_that_cannot_be_written_runs_programs() {
    let tree = well(4);
    for path in ["lib/capos", "lib", "bin", "work"] {
        fs::set_permissions(tree.path(path), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let before = fs::read_dir(tree.path("lib/capos")).unwrap().count();
    let shown = tree.run(&["app.wasm"]);
    for path in ["work", "bin", "lib", "lib/capos"] {
        fs::set_permissions(tree.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!((shown.status, shown.stderr.as_str()), (4, ""));
    assert_eq!(fs::read_dir(tree.path("lib/capos")).unwrap().count(), before);
    assert_eq!(fs::read_dir(tree.path("work")).unwrap().count(), 1);
}

#[test]
fn bash_completes_words() {
    let tree = Tree::new();
    let script = run(tree.command(&["completions", "bash"])).stdout;
    fs::write(tree.path("work/capos.bash"), script).unwrap();
    let complete = |words: &str, at: usize| {
        let line = format!(
            "source capos.bash; COMP_WORDS=({words}); COMP_CWORD={at}; _capos capos \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{at} - 1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let output =
            Command::new("bash").args(["-c", &line]).current_dir(tree.path("work")).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(complete("capos do", 1), "doctor");
    assert_eq!(complete("capos run --fu", 2), "--fuel");
    assert_eq!(complete("capos run --machine q", 3), "q35");
}

/// The other shells, where the machine has them: they read the script without a complaint.
#[test]
fn other_shells_read_their_scripts() {
    let tree = Tree::new();
    for shell in ["zsh", "fish"] {
        let script = run(tree.command(&["completions", shell])).stdout;
        assert!(script.contains("print-qemu"), "{shell}");
        fs::write(tree.path("work/script"), script).unwrap();
        match Command::new(shell).args(["-n", "script"]).current_dir(tree.path("work")).output() {
            Ok(output) => assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}"),
            Err(_) => eprintln!("skipped: this machine has no {shell}"),
        }
    }
}
