//! The folders in which the command keeps what is its own: the user's cache and state.
//!
//! Called by `accelerator::cache`, `qemu::log` and the doctor; reads the environment.
//!
//! Invariant: a path that is not absolute counts as not set, as the XDG base directory specification wants it.

use std::path::PathBuf;

/// For what can be found out again: `$XDG_CACHE_HOME/capos` or `$HOME/.cache/capos`; none without both.
#[must_use]
pub fn cache() -> Option<PathBuf> {
    own("XDG_CACHE_HOME", ".cache")
}

/// For what a person may want to look at later: `$XDG_STATE_HOME/capos` or `$HOME/.local/state/capos`; none without both.
#[must_use]
pub fn state() -> Option<PathBuf> {
    own("XDG_STATE_HOME", ".local/state")
}

fn own(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| Some(absolute("HOME")?.join(below_home)))?;
    Some(base.join("capos"))
}
