//! Formatting, judged by each language's own formatter.
//!
//! Called by `make fmt-check`, and by `make fmt` with the order to format.

use crate::repository::Repository;
use crate::{Verdict, run};

/// Checks (or with `fix` formats) Rust, Go and CUE.
pub(crate) fn check(repository: &Repository, fix: bool) -> Verdict {
    let complaints: Vec<String> = [rust(repository, fix), go(repository, fix), cue(repository, fix)]
        .into_iter()
        .filter_map(Result::err)
        .collect();
    if complaints.is_empty() { Ok(String::new()) } else { Err(complaints) }
}

fn rust(repository: &Repository, fix: bool) -> Result<(), String> {
    let mut cargo = repository.command("cargo");
    // Without `--all`, which would format the forks in vendor/ too.
    cargo.arg("fmt");
    if !fix {
        cargo.args(["--", "--check", "-l"]);
    }
    run::output(&mut cargo).map(drop).map_err(|files| format!("{files}`make fmt` formats"))
}

fn go(repository: &Repository, fix: bool) -> Result<(), String> {
    let files: Vec<&str> = repository.with_ending(".go").collect();
    if files.is_empty() {
        return Ok(());
    }
    let mut gofmt = repository.command("gofmt");
    let listed = run::output(gofmt.args(["-l", if fix { "-w" } else { "-d" }]).args(&files))?;
    if fix || listed.is_empty() {
        Ok(())
    } else {
        Err(format!("not formatted (`make fmt` formats):\n{listed}"))
    }
}

fn cue(repository: &Repository, fix: bool) -> Result<(), String> {
    let root = repository.root();
    let files: Vec<_> = repository.with_ending(".cue").map(|file| root.join(file)).collect();
    if files.is_empty() {
        return Ok(());
    }
    let mut go = repository.command("go");
    go.current_dir(root.join("tools/manifest")).args(["run", ".", "fmt"]);
    if !fix {
        go.arg("--check");
    }
    run::output(go.args(&files)).map(drop)
}
