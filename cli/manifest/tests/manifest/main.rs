//! Manifests from CUE text to what comes out: refusals word by word, systems, printed manifests.
//!
//! Runs the real `capos-manifest`, built from `tools/manifest`; the programs that manifests name are files of a few bytes.
#![forbid(unsafe_code)]

mod refusals;
mod systems;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use capos_manifest_model::{Library, Package, Refusals, load};

/// A folder with a library, some files, and the manifest under test.
struct Bench {
    folder: tempfile::TempDir,
    library: Library,
}

impl Bench {
    /// An empty folder with some built-in programs. None if the manifest tool cannot be had.
    fn new() -> Option<Bench> {
        let tool = tool()?;
        let folder = tempfile::tempdir().unwrap();
        let programs = folder.path().join("lib");
        fs::create_dir(&programs).unwrap();
        let demos = ["key-value", "key-value-reader", "key-value-writer", "smoke"];
        for name in
            ["boot", "kernel", "init", "capos-wasm", "virtio-console", "virtio-rng"].iter().chain(&demos)
        {
            fs::write(programs.join(format!("{name}.elf")), name).unwrap();
        }
        std::os::unix::fs::symlink(tool, programs.join("capos-manifest")).unwrap();
        fs::write(folder.path().join("hello.wasm"), [0; 1000]).unwrap();
        let library = Library::new(programs);
        Some(Bench { folder, library })
    }

    /// Puts a program of one instruction into a file.
    fn program(&self, name: &str) {
        let mut bytes = vec![0; 0x1001];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, b"\x7fELF\x02\x01");
        // A static executable for x86_64 with its one program header behind this one.
        for (at, field) in [(16, 2), (18, 62), (32, 64), (54, 56), (56, 1)] {
            put(at, &[field]);
        }
        // A segment that can be loaded and executed.
        put(64, &[1, 0, 0, 0, 5]);
        for (at, field) in [(24, 0x20_0000u64), (72, 0x1000), (80, 0x20_0000), (96, 1), (104, 1)] {
            put(at, &field.to_le_bytes());
        }
        fs::write(self.path().join(name), bytes).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What becomes of a manifest with this text.
    fn load(&self, text: &str) -> Result<Package, Refusals> {
        let file = self.path().join("x.cue");
        fs::write(&file, text).unwrap();
        load(&self.library, &file)
    }

    /// What is said about a manifest that is refused, with the name of the folder left out.
    fn refused(&self, text: &str) -> String {
        let refusals = self.load(text).expect_err("the manifest was accepted");
        refusals.to_string().replace(&format!("{}/", self.path().display()), "")
    }
}

/// The manifest tool: built from its source with Go, or else the one of an earlier build.
fn tool() -> Option<&'static Path> {
    static TOOL: OnceLock<Option<PathBuf>> = OnceLock::new();
    TOOL.get_or_init(build_tool).as_deref()
}

fn build_tool() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("capos-manifest");
    for go in [PathBuf::from("go"), root.join("target/tools/bin/go")] {
        let status = Command::new(go)
            .args(["build", "-trimpath", "-buildvcs=false", "-o"])
            .arg(&built)
            .arg(".")
            .current_dir(root.join("tools/manifest"))
            .status();
        if let Ok(status) = status {
            assert!(status.success(), "tools/manifest does not build");
            return Some(built);
        }
    }
    let earlier = root.join("target/capos/lib/capos/capos-manifest");
    if earlier.is_file() {
        return Some(earlier);
    }
    eprintln!(
        "skipped: this machine has no Go and no manifest tool of an earlier build; `make setup` brings Go"
    );
    None
}
