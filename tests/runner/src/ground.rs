//! A setting made real: the command, its options and its QEMU for the tests of a cell.
//!
//! Made by `main` for each setting that is asked for; used by `judge` and by the checks that start `capos` themselves.
//!
//! Invariant: everything that a setting says reaches QEMU, and nothing else than the setting decides it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::guest::write_if_changed;
use crate::place::Place;
use crate::setting::{Accelerator, Build, Mode, Setting};
use crate::stand_in::{self, Changes};

/// What the tests of a cell run on.
pub(crate) struct Ground {
    /// What it was made from.
    pub(crate) setting: Setting,
    /// The host command.
    pub(crate) capos: PathBuf,
    /// The folder of a QEMU that the setting needs, if it needs one.
    stand_in: Option<PathBuf>,
    /// What it lies in; deleted with this.
    _scratch: TempDir,
}

impl Ground {
    /// Makes it ready.
    ///
    /// # Errors
    /// Files cannot be written, or there is no QEMU.
    pub(crate) fn new(place: &Place, setting: Setting) -> Result<Ground, String> {
        let scratch = tempfile::tempdir().map_err(|error| format!("temporary folder: {error}"))?;
        let capos = match setting.build {
            Build::Release => place.capos.clone(),
            Build::Debug => debug_tree(place)?,
        };
        let stand_in = stand_in::write(&changes(setting, &[]), scratch.path())?;
        Ok(Ground { setting, capos, stand_in, _scratch: scratch })
    }

    /// The options of `capos run` that the setting means.
    pub(crate) fn options(&self) -> Vec<OsString> {
        let Setting { machine, processors, mode, accelerator, .. } = self.setting;
        let mut words = vec!["--machine", machine.name(), "--accel", accelerator.name()];
        let processors = format!("--qemu-argument={processors}");
        words.extend(["--qemu-argument=-smp", &processors]);
        if mode == Mode::Icount {
            words.extend(["--qemu-argument=-icount", "--qemu-argument=shift=0,sleep=off"]);
        }
        words.into_iter().map(OsString::from).collect()
    }

    /// The search path for a run from whose machine these devices are left out; `scratch` is a folder for that run.
    ///
    /// # Errors
    /// The stand-in cannot be written.
    pub(crate) fn path(&self, without: &[String], scratch: &Path) -> Result<OsString, String> {
        if without.is_empty() {
            return Ok(with(self.stand_in.as_deref()));
        }
        Ok(with(stand_in::write(&changes(self.setting, without), scratch)?.as_deref()))
    }

    /// `program` with the search path of the setting; its other words are the caller's.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", with(self.stand_in.as_deref()));
        command
    }
}

/// What has to be changed in the command line of `capos`, because it has no option for it.
fn changes(setting: Setting, without: &[String]) -> Changes<'_> {
    let is_multi = (setting.accelerator, setting.mode) == (Accelerator::Tcg, Mode::Multi);
    Changes { without, accelerator: is_multi.then_some("tcg,thread=multi") }
}

fn with(stand_in: Option<&Path>) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(folder) = stand_in else { return path };
    let mut words = OsString::from(folder);
    words.push(":");
    words.push(path);
    words
}

/// The command in the tree of the debug build, which finds everything relative to itself.
fn debug_tree(place: &Place) -> Result<PathBuf, String> {
    let tree = place.products(Build::Debug);
    let capos = tree.join("bin/capos");
    let copies = [
        (place.capos.clone(), capos.clone()),
        (
            place.products(Build::Release).join("lib/capos/capos-manifest"),
            tree.join("lib/capos/capos-manifest"),
        ),
    ];
    for (from, to) in copies {
        let folder = to.parent().unwrap_or(&tree);
        let copy = || {
            fs::create_dir_all(folder)?;
            write_if_changed(&fs::read(&from)?, &to)?;
            fs::set_permissions(&to, Permissions::from_mode(0o755))
        };
        copy().map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))?;
    }
    Ok(capos)
}
