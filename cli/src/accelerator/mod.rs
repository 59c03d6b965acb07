//! Which accelerator a machine runs on: KVM when it really works, TCG when not.
//!
//! Called by `capos run` and `capos doctor`; calls `probe` for what cannot be known otherwise and `cache` for the answer.
//!
//! Invariant: KVM is never chosen because /dev/kvm is there, only because the probe came to its end under it, or because
//! a person said so.

pub mod cache;
pub mod probe;

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::layout::Layout;
use crate::progress::Progress;
use crate::qemu::machine::Accelerator;

/// The environment variable that chooses where no option does.
pub const VARIABLE: &str = "ACCEL";
/// The device that offers KVM, where there is one.
pub const DEVICE: &str = "/dev/kvm";

/// What a person may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Choice {
    /// KVM if the probe passes, else TCG.
    #[default]
    Auto,
    /// QEMU's translator.
    Tcg,
    /// The processor's virtualization, unprobed.
    Kvm,
}

/// An accelerator and why it was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to run on.
    pub accelerator: Accelerator,
    /// The reason, for `--verbose` and `capos doctor`.
    pub reason: String,
}

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// True if the probe came to its end.
    pub works: bool,
    /// How it ended, in words.
    pub reason: String,
}

/// The choice that the option or the environment makes.
///
/// # Errors
/// The environment's word is unknown.
pub fn requested(option: Option<Choice>) -> Result<Choice, Failure> {
    match (option, std::env::var_os(VARIABLE)) {
        (Some(choice), _) => Ok(choice),
        (None, None) => Ok(Choice::Auto),
        (None, Some(word)) => word_of(&word.to_string_lossy()),
    }
}

fn word_of(word: &str) -> Result<Choice, Failure> {
    match word {
        "" | "auto" => Ok(Choice::Auto),
        "tcg" => Ok(Choice::Tcg),
        "kvm" => Ok(Choice::Kvm),
        other => Err(Failure::request(format!(
            "the environment variable {VARIABLE} is \"{other}\"; expected auto, tcg or kvm"
        ))),
    }
}

/// Decides. The probe runs only for [`Choice::Auto`], only where `device` (/dev/kvm) can be opened, and once for each combination
/// of emulator, processor and kernel.
///
/// # Errors
/// KVM was asked for by name and cannot be opened.
pub fn decide(choice: Choice, device: &Path, layout: &Layout, emulator: &Path) -> Result<Decision, Failure> {
    let tcg = |reason: String| Decision { accelerator: Accelerator::Tcg, reason };
    let kvm = |reason: String| Decision { accelerator: Accelerator::Kvm, reason };
    match (choice, device_problem(device)) {
        (Choice::Tcg, _) => Ok(tcg("asked for".to_owned())),
        (Choice::Kvm, None) => Ok(kvm("asked for; not probed".to_owned())),
        (Choice::Kvm, Some(problem)) => Err(Failure::request(format!("KVM was asked for, but {problem}"))),
        (Choice::Auto, Some(problem)) => Ok(tcg(problem)),
        (Choice::Auto, None) => {
            let verdict = probed(layout, emulator);
            Ok(if verdict.works { kvm(verdict.reason) } else { tcg(verdict.reason) })
        }
    }
}

/// The probe's verdict on KVM, from the cache if it is there.
fn probed(layout: &Layout, emulator: &Path) -> Verdict {
    let guest = match layout.probe() {
        Ok(guest) => guest,
        Err(failure) => return Verdict { works: false, reason: failure.message },
    };
    let file = cache::folder().map(|folder| folder.join(cache::key(emulator, &guest)));
    if let Some(verdict) = file.as_deref().and_then(cache::read) {
        return verdict;
    }
    let _progress = Progress::of("trying whether KVM works here");
    let verdict = probe::run(emulator, &guest, Accelerator::Kvm, probe::LIMIT);
    if let Some(file) = file {
        cache::write(&file, &verdict);
    }
    verdict
}

/// Why the device cannot be used, and what to do; none if it can be opened.
fn device_problem(device: &Path) -> Option<String> {
    let error = File::options().read(true).write(true).open(device).err()?;
    Some(problem_text(device, &error))
}

fn problem_text(device: &Path, error: &std::io::Error) -> String {
    let device = device.display();
    match error.kind() {
        ErrorKind::NotFound => format!("{device} does not exist: this machine offers no virtualization"),
        ErrorKind::PermissionDenied => format!(
            "{device} cannot be opened: permission denied; join its group with `sudo usermod -aG kvm $USER` and log in again"
        ),
        _ => format!("{device} cannot be opened: {error}"),
    }
}

/// Where verdicts are kept, for `capos doctor`.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    cache::folder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_has_three_words() {
        assert_eq!(word_of("tcg"), Ok(Choice::Tcg));
        assert_eq!(word_of("kvm"), Ok(Choice::Kvm));
        assert_eq!(word_of(""), Ok(Choice::Auto));
        assert_eq!(
            word_of("hvf").unwrap_err().message,
            "the environment variable ACCEL is \"hvf\"; expected auto, tcg or kvm"
        );
    }

    #[test]
    fn a_device_that_is_not_there_is_no_device() {
        let problem = device_problem(Path::new("/nonexistent/kvm")).unwrap();
        assert_eq!(problem, "/nonexistent/kvm does not exist: this machine offers no virtualization");
        assert_eq!(device_problem(Path::new("/dev/null")), None);
        let text = problem_text(Path::new(DEVICE), &ErrorKind::PermissionDenied.into());
        assert_eq!(
            text,
            "/dev/kvm cannot be opened: permission denied; join its group with `sudo usermod -aG kvm $USER` and log in again"
        );
    }
}
