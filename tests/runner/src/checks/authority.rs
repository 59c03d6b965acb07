//! The hello programs, rebuilt so that they echo a word which nobody could have known, and the kernel's record of them.
//!
//! Rows of `checks`. The word goes into the sources and into the manifest, so neither a cached program nor a canned
//! answer passes.
//!
//! Invariant: each instance is one process that ran at ring 3.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::record::ends;
use super::{Tools, holds, status};
use crate::case::Run;
use crate::guest::write_if_changed;
use crate::launch::Shown;

/// A word that is different each time.
fn word() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// The word in the programs: one for all cells of a run of the suites, because a guest is built once.
fn own_word() -> &'static str {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(word)
}

/// Writes the sources of a guest that prints its own word and that of its first argument.
fn rebuild(tools: &Tools<'_>, file: &str, source: &str) -> Result<PathBuf, String> {
    let folder = tools.place.guests().join("echo");
    let path = folder.join(file);
    fs::create_dir_all(&folder)
        .and_then(|()| write_if_changed(source.as_bytes(), &path))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    tools.guests.file(&path)
}

/// Boots `module` from a manifest with `word` as its argument.
fn boot(tools: &Tools<'_>, module: &Path, word: &str) -> Result<Shown, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let manifest = folder.path().join("system.cue");
    let text = format!(
        "package echo\n\nimport \"capos.local/cue/defaults\"\n\ndefaults.#System & {{\n\tname: \"echo\"\n\t\
         processes: [{{\n\t\tname: \"echo\"\n\t\tbinary: \"{}\"\n\t\targs: [\"{word}\"]\n\t\tcaps: console: true\n\t\
         }}]\n}}\n",
        module.display()
    );
    fs::write(&manifest, text).map_err(|error| error.to_string())?;
    tools.show(&manifest, &Run::plain())
}

fn echo(tools: &Tools<'_>, module: &Path, own: &str) -> Result<String, String> {
    let granted = word();
    let shown = boot(tools, module, &granted)?;
    status(&shown, 0)?;
    let expected = format!("{own} {granted}\n");
    holds(shown.stdout_text() == expected, &format!("expected {expected:?}"), &shown)?;
    let records = ends(&shown.log)?;
    let own: Vec<_> = records.iter().filter(|end| end.name == "echo").collect();
    let at_ring_3 = own.len() == 1 && own[0].privilege_level == "3" && own[0].entries > 0;
    holds(at_ring_3 && own[0].outcome == "exited", "not one process at ring 3 that exited", &shown)?;
    Ok(format!("{} entries into ring 3", own[0].entries))
}

pub(super) fn rust_word(tools: &Tools<'_>) -> Result<String, String> {
    let own = own_word();
    let source = format!(
        "fn main() {{\n    let argument = std::env::args().nth(1).unwrap_or_default();\n    \
         println!(\"{own} {{argument}}\");\n}}\n"
    );
    echo(tools, &rebuild(tools, "echo.rs", &source)?, own)
}

pub(super) fn c_word(tools: &Tools<'_>) -> Result<String, String> {
    let own = own_word();
    let source = format!(
        "#include <stdio.h>\n\nint main(int count, char **arguments) {{\n    \
         printf(\"{own} %s\\n\", count > 1 ? arguments[1] : \"\");\n    return 0;\n}}\n"
    );
    echo(tools, &rebuild(tools, "echo.c", &source)?, own)
}

/// The systems of the demos: every instance of the manifest is exactly one process, and all ran at ring 3.
pub(super) fn one_process_each(tools: &Tools<'_>) -> Result<String, String> {
    let systems =
        ["system-wasm-host.cue", "system-wasi-hello-rust.cue", "system-wasi-hello-c.cue", "system-smoke.cue"];
    for manifest in systems {
        let file = tools.place.root.join("manifests").join(manifest);
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let expected = names_of(&text);
        let shown = tools.show(&file, &Run::plain())?;
        status(&shown, 0)?;
        let records = ends(&shown.log)?;
        holds(!records.is_empty(), "no process has a record", &shown)?;
        for end in &records {
            let is_good = end.privilege_level == "3" && end.entries > 0 && end.outcome == "exited";
            holds(is_good, &format!("{}: {end:?}", manifest), &shown)?;
        }
        let mut names: Vec<&str> = records.iter().map(|end| end.name.as_str()).collect();
        names.sort_unstable();
        let told = format!("{manifest}: processes {names:?}, expected {expected:?}");
        holds(names == expected, &told, &shown)?;
    }
    Ok(format!("{} systems", systems.len()))
}

/// The names of a manifest's processes, sorted: the indented `name:` lines.
fn names_of(manifest: &str) -> Vec<&str> {
    let mut names: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("\t\tname:")?.trim().strip_prefix('"')?.strip_suffix('"'))
        .collect();
    names.sort_unstable();
    names
}
