//! The run verbs with guests that fail: a verb's status must say so.
//!
//! Called by `steps`. Writes the manifests of `manifests/` once more, into `target/test-manifests`, with a module that
//! ends with a code of its own in place of every module; the verbs take their manifests from a folder that they are told.

use crate::root;
use std::fs;
use std::io;

/// What make says about a verb whose guest ended with the module's code, which nothing else in a run ends with.
pub(crate) const REPORT: &str = "Error 77";

const MODULE: &str = r#"(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $end (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") i32.const 77 call $end))
"#;

/// Writes the manifests and returns the folder, from the root.
pub(crate) fn manifests() -> io::Result<&'static str> {
    const FOLDER: &str = "target/test-manifests";
    let folder = root().join(FOLDER);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("failing.wat"), MODULE)?;
    for entry in fs::read_dir(root().join("manifests"))? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.is_file()) else { continue };
        let text = fs::read_to_string(&path)?;
        let is_manifest = path.extension().is_some_and(|ending| ending == "cue");
        let text = if is_manifest { with_module(&with_main(&text), "failing.wat") } else { text };
        fs::write(folder.join(name), text)?;
    }
    Ok(FOLDER)
}

/// The manifest with a module as its main process: the smoke system's is a native program.
fn with_main(manifest: &str) -> String {
    manifest.replace("main: \"smoke\"", "main: \"hello\"")
}

/// The manifest with another module in place of each.
fn with_module(manifest: &str, module: &str) -> String {
    let line = |line: &str| match line.split_once("binary:") {
        Some((before, after)) => match after.splitn(3, '"').collect::<Vec<_>>()[..] {
            [space, _, rest] => format!("{before}binary:{space}\"{module}\"{rest}\n"),
            _ => format!("{line}\n"),
        },
        None => format!("{line}\n"),
    };
    manifest.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_is_replaced_and_nothing_else() {
        let manifest = "name: \"a\"\n\tbinary: \"../x.wasm\", args: [\"b\"]\n// binary: none\n";
        let expected = "name: \"a\"\n\tbinary: \"m.wat\", args: [\"b\"]\n// binary: none\n";
        assert_eq!(with_module(manifest, "m.wat"), expected);
    }
}
