//! Where things are: the repository, the built command, the folders of products.
//!
//! Called by everything here; calls nobody.
//!
//! Invariant: all paths are absolute, so a run may have any working folder.

use std::path::{Path, PathBuf};

use crate::setting::Build;

/// Where things are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The repository's root.
    pub(crate) root: PathBuf,
    /// The host command.
    pub(crate) capos: PathBuf,
}

impl Place {
    /// The repository that this crate belongs to, with the command that is there, or `capos`.
    ///
    /// # Errors
    /// The command is not built.
    pub(crate) fn new(capos: Option<PathBuf>) -> Result<Place, String> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = own.ancestors().nth(2).unwrap_or(own).to_owned();
        let capos = capos.unwrap_or_else(|| root.join("target/debug/capos"));
        let capos = capos
            .canonicalize()
            .map_err(|error| format!("{}: {error}; `make build` builds it", capos.display()))?;
        Ok(Place { root, capos })
    }

    /// The folder with what a build made: `lib/capos` and `tests`.
    pub(crate) fn products(&self, build: Build) -> PathBuf {
        self.root.join(match build {
            Build::Release => "target/capos",
            Build::Debug => "target/capos/debug",
        })
    }

    /// The folder of the cases.
    pub(crate) fn tests(&self) -> PathBuf {
        self.root.join("tests")
    }

    /// The folder of the guests that are built for tests.
    pub(crate) fn guests(&self) -> PathBuf {
        self.root.join("target/capos/tests/guests")
    }

    /// The folder where `capos-demos` puts what it builds.
    pub(crate) fn demos(&self) -> PathBuf {
        self.root.join("target/capos/demos")
    }
}
