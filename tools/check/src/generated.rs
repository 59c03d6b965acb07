//! Generated files: what is committed must be what its source says now.
//!
//! Called by `make generated-code-check`, and by `make generate` with the order to write. The generators do the comparing.

use crate::repository::Repository;
use crate::{Verdict, notices, run};

/// Checks (or with `fix` writes) everything that is made from `schema/`, the coverage page, the page of figures, and the
/// notices.
pub(crate) fn check(repository: &Repository, fix: bool) -> Verdict {
    let verdicts = [
        schema(repository, fix),
        coverage(repository, fix),
        figures(repository, fix),
        notices::check(repository, fix),
    ];
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

/// The page that says which functions of Preview 1 are served, from the WASI host's table.
fn coverage(repository: &Repository, fix: bool) -> Verdict {
    const PAGE: &str = "docs/coverage.md";
    let mut generator = repository.command("cargo");
    generator.args(["run", "--quiet", "--locked", "--package", "capos-wasm", "--example", "coverage"]);
    let page = run::output(&mut generator).map_err(|complaint| vec![complaint])?;
    if repository.text(PAGE).as_deref() == Some(&page) {
        return Ok(String::new());
    }
    if !fix {
        return Err(vec![format!("{PAGE}: differs from the table in capos-wasm; `make generate` writes it")]);
    }
    let written = std::fs::write(repository.root().join(PAGE), page);
    written.map(|()| String::new()).map_err(|error| vec![format!("{PAGE}: {error}")])
}

/// The page of figures with its plots, from what the bench has recorded.
fn figures(repository: &Repository, fix: bool) -> Verdict {
    let mut generator = repository.command("cargo");
    generator.args(["run", "--quiet", "--locked", "--package", "capos-bench", "--", "bench-report"]);
    if !fix {
        generator.arg("--check");
    }
    run::output(&mut generator).map(|_| String::new()).map_err(|complaint| vec![complaint])
}
