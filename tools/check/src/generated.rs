//! Generated files: what is committed must be what its source says now.
//!
//! Called by `make generated-code-check`, and by `make generate` with the order to write. The generators do the comparing.

use crate::repository::Repository;
use crate::{Verdict, notices, run};

/// Checks (or with `fix` writes) everything that is made from `schema/`, and the notices.
pub(crate) fn check(repository: &Repository, fix: bool) -> Verdict {
    let verdicts = [schema(repository, fix), notices::check(repository, fix)];
    let complaints: Vec<String> = verdicts.into_iter().filter_map(Result::err).flatten().collect();
    if complaints.is_empty() { Ok(String::new()) } else { Err(complaints) }
}

fn schema(repository: &Repository, fix: bool) -> Verdict {
    let mut generator = repository.command("cargo");
    generator.args(["run", "--quiet", "--locked", "--package", "capos-schema-gen"]);
    if !fix {
        generator.args(["--", "--check"]);
    }
    run::output(&mut generator).map(|_| String::new()).map_err(|complaint| vec![complaint])
}
