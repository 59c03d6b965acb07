//! Manifests through the verbs: what `build` and `check` refuse, word by word, and what they agree on.
//!
//! The full list of refusals is in the tests of `capos-manifest-model`; here is one of each kind, as a user sees it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Tree, shown};

/// One wrong manifest of each kind, with all that is said about it.
const WRONG: [(&str, &str); 9] = [
    (
        "name: \"x\"\nprocesses: [{name: \"a\", binary: \"app.wasm\", bogus: 1}]",
        "x.cue:2:45: processes[0].bogus: unknown field; accepted: after, args, argv0, binary, caps, env, limits, name, verify",
    ),
    (
        "name: \"x\"\nprocesses: [{name: \"a\", binary: \"app.wasm\", caps: timer: \"yes\"}]",
        "x.cue:2:51: processes[0].caps.timer: wrong type: string \"yes\"; accepted: true, false, or a list of methods",
    ),
    (
        "name: \"x\"\nprocesses: [{name: \"a\", program: \"smok\"}]",
        "x.cue:2:25: processes[0].program: no program \"smok\"; accepted: capos-wasm, virtio-console, virtio-rng, or the path of an ELF file with a slash in it",
    ),
    (
        "name: \"x\"\nprocesses: [{name: \"a\", program: \"capos-wasm\", uses: timer: \"Timer\"}]",
        "x.cue:2:54: processes[0].uses.timer: nobody offers \"timer\" to \"a\"; accepted: an offer {cap, from, to: \"a\", methods}",
    ),
    (
        "name: \"x\"\nprocesses: [{name: \"a\", binary: \"app.wasm\", caps: timer: [\"write\"]}]",
        "x.cue:2:59: processes[0].caps.timer[0]: Timer has no method \"write\"; accepted: now, sleep, resolution",
    ),
    (
        "name: \"x\"\nprocesses: [{name: \"a\", binary: \"app.wasm\"}, {name: \"a\", binary: \"app.wasm\"}]",
        "x.cue:2:47: processes[1].name: duplicate name \"a\": the first one is at x.cue:2:14; accepted: a name that no other process has",
    ),
    (
        "name: \"x\"\nprocesses: [{name: \"a\", binary: \"none.wasm\"}]",
        "x.cue:2:25: processes[0].binary: no file \"none.wasm\"; accepted: the path of a .wasm or .wat file, relative to the manifest",
    ),
    (
        "name: \"x\"\nprocesses: [{name: \"a\", binary: \"app.wasm\", after: [\"b\"]}, {name: \"b\", binary: \"app.wasm\", after: [\"a\"]}]",
        "x.cue:2:100: processes[1].after[0]: cycle: \"a\" needs \"b\" needs \"a\"; accepted: offers and \"after\" that lead from the kernel outward",
    ),
    (
        "name: \"x",
        "x.cue:1:7: string literal not terminated; accepted: CUE, as in processes: [{name: \"hello\", binary: \"hello.wasm\"}]",
    ),
];

#[test]
fn wrong_manifests_are_refused_by_every_verb() {
    let Some(tree) = tree() else { return };
    for (manifest, message) in WRONG {
        fs::write(tree.path("work/x.cue"), manifest).unwrap();
        for arguments in [&["build", "x.cue", "-o", "x.image"][..], &["check", "x.cue"], &["graph", "x.cue"]]
        {
            let shown = shown(tree.command(arguments).output().unwrap());
            assert_eq!(shown.stderr, format!("capos: {message}\n"), "{arguments:?}");
            assert_eq!((shown.status, shown.stdout.as_str()), (1, ""), "{arguments:?}");
            assert!(!tree.path("work/x.image").exists());
        }
    }
}

#[test]
fn a_manifest_and_its_image_are_described_alike() {
    let Some(tree) = tree() else { return };
    let text = "name: \"x\"\nprocesses: [{name: \"a\", binary: \"app.wasm\", caps: random: true}]";
    fs::write(tree.path("work/x.cue"), text).unwrap();
    let run = |arguments: &[&str]| {
        let shown = shown(tree.command(arguments).output().unwrap());
        assert_eq!((shown.status, shown.stderr.as_str()), (0, ""), "{arguments:?}");
        shown.stdout
    };
    run(&["build", "x.cue", "--output", "x.image"]);
    let of_manifest = run(&["check", "x.cue"]);
    assert!(of_manifest.contains("\n  random  EntropySource  read\n"), "{of_manifest}");
    assert!(run(&["check", "x.image"]).starts_with(&of_manifest));
    let graph = run(&["graph", "x.cue"]);
    let edges: Vec<String> =
        graph.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(edges.iter().any(|edge| edge == "kernel -> a random EntropySource read"), "{graph}");
    assert!(edges.iter().any(|edge| edge == "kernel -> virtio-rng entropy-sink EntropySink feed"), "{graph}");
    assert_eq!(run(&["graph", "x.image"]), graph);
}

#[test]
fn programs_read_refusals_as_an_object() {
    let Some(tree) = tree() else { return };
    let refused = |file: &str| {
        let shown = shown(tree.command(&["check", "--json", file]).output().unwrap());
        assert_eq!(shown.status, 1);
        (serde_json::from_str::<serde_json::Value>(&shown.stdout).unwrap(), shown.stderr)
    };
    fs::write(tree.path("work/x.cue"), WRONG[4].0).unwrap();
    let (object, lines) = refused("x.cue");
    assert_eq!(lines, format!("capos: {}\n", WRONG[4].1), "people read the same");
    let error = serde_json::json!({
        "file": "x.cue", "line": 2, "column": 59, "path": "processes[0].caps.timer[0]",
        "message": "Timer has no method \"write\"", "accepted": "now, sleep, resolution",
    });
    assert_eq!(object, serde_json::json!({ "errors": [error] }));
    let (object, lines) = refused("app.wasm");
    let message = "app.wasm: is a module; `capos check` takes a .cue manifest or a boot image";
    assert_eq!(lines, format!("capos: {message}\n"));
    let error = serde_json::json!({
        "file": "app.wasm", "line": null, "column": null, "path": null, "message": message, "accepted": null,
    });
    assert_eq!(object, serde_json::json!({ "errors": [error] }));
}

/// A tree with the manifest tool, if that can be had.
pub(crate) fn tree() -> Option<Tree> {
    static TOOL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let tool = TOOL.get_or_init(manifest_tool).as_ref()?;
    let tree = Tree::new();
    symlink(tool, tree.path("lib/capos/capos-manifest")).unwrap();
    Some(tree)
}

/// The manifest tool, built with Go, or else the one of an earlier build.
fn manifest_tool() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capos-manifest-of-the-host-command");
    for go in [PathBuf::from("go"), root.join("target/tools/bin/go")] {
        let mut build = Command::new(go);
        build.args(["build", "-trimpath", "-buildvcs=false", "-o"]).arg(&built).arg(".");
        if let Ok(status) = build.current_dir(root.join("tools/manifest")).status() {
            assert!(status.success(), "tools/manifest does not build");
            return Some(built);
        }
    }
    let earlier = root.join("target/capos/lib/capos/capos-manifest");
    if !earlier.is_file() {
        eprintln!(
            "skipped: this machine has no Go and no manifest tool of an earlier build; `make setup` brings Go"
        );
        return None;
    }
    earlier.canonicalize().ok()
}
