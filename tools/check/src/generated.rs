//! Generated files: what is committed must be what its source says now.
//!
//! Called by `make generated-code-check`, and by `make generate` with the order to write. The generators do the comparing.

use crate::repository::Repository;
use crate::{Verdict, run};

/// Checks (or with `fix` writes) everything that is made from `schema/`.
pub(crate) fn check(repository: &Repository, fix: bool) -> Verdict {
    let mut generator = repository.command("cargo");
    generator.args(["run", "--quiet", "--locked", "--package", "capos-schema-gen"]);
    if !fix {
        generator.args(["--", "--check"]);
    }
    run::output(&mut generator).map(|_| String::new()).map_err(|complaint| vec![complaint])
}
