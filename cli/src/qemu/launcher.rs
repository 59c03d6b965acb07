//! The last step before QEMU: a process that asks to die with its parent and then becomes QEMU.
//!
//! `capos` starts itself under this name instead of QEMU, because the wish to be killed when the parent dies has to come
//! from the child. Called by `supervisor` and by `accelerator`, through [`command`], and by `main` in the child, through
//! [`become_program`].
//!
//! Invariant: whatever way `capos` ends, SIGKILL included, no QEMU that it started stays behind. The thread that starts
//! the child must be the main thread: the kernel sends the signal when the thread that started the child ends.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// The first argument that makes `capos` a launcher. Not an option: it is not for people.
pub const LAUNCHER_WORD: &str = "__launch";

const NOT_STARTED: i32 = 127;

/// The command that starts `program` with `arguments`, to be killed with this process, without standard input, and in a
/// process group of its own: a Ctrl-C at the terminal reaches `capos` alone, which then ends QEMU.
#[must_use]
pub fn command(program: &Path, arguments: &[OsString]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("capos")
        .arg(LAUNCHER_WORD)
        .arg(getpid().as_raw_nonzero().to_string())
        .arg(program)
        .args(arguments);
    command.stdin(Stdio::null()).process_group(0);
    command
}

/// Becomes the program: `arguments` are the parent's process id, the program, and its arguments. Returns the exit status
/// if it cannot.
#[must_use]
pub fn become_program(mut arguments: impl Iterator<Item = OsString>) -> i32 {
    let parent = arguments.next().and_then(|it| it.to_str()?.parse::<i32>().ok());
    let Some(program) = arguments.next() else { return NOT_STARTED };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("the parent-death signal cannot be set: {error}");
        return NOT_STARTED;
    }
    // The parent may have ended before the wish was made; then nobody would ever send the signal.
    if getppid().map(|it| it.as_raw_nonzero().get()) != parent {
        return NOT_STARTED;
    }
    let error = Command::new(&program).args(arguments).exec();
    eprintln!("{} cannot be started: {error}", program.display());
    NOT_STARTED
}
