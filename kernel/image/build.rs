//! Compiles everything freestanding, if the feature `qemu` is on.
//!
//! Started by cargo; calls cargo again, once for each group of `build/products.rs`, and puts what changed into
//! `target/capos/lib/capos`: `FILE` without and `FILE.debug` with symbols and line numbers, and `system.pvh`, the prepared
//! system. With the feature `debug` it does so a second time, into `target/capos/debug`, for programs that check themselves.
//!
//! Invariant: nothing of the caller's flags reaches the nested builds, and RUSTC_BOOTSTRAP (for build-std) is set for
//! them alone.
#![forbid(unsafe_code)]

#[path = "build/products.rs"]
mod products;
#[path = "build/strip.rs"]
mod strip;
#[path = "build/system.rs"]
mod system;
#[path = "build/toolchain.rs"]
mod toolchain;

use products::{GROUPS, Group, SOURCES};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs, process};
use toolchain::Toolchain;

/// The prepared system.
const SYSTEM: &str = "system.pvh";

/// What ships is optimized across crates: an interpreter's loop gains most from it.
const PROFILE: &[&str] = &[
    "profile.release.opt-level=3",
    "profile.release.lto=\"fat\"",
    "profile.release.codegen-units=1",
    "profile.release.debug=\"line-tables-only\"",
];

/// What ships: a folder under `target/capos`, and settings of the profile.
const RELEASE: Variant = Variant { folder: "", profile: &["profile.release.overflow-checks=false"] };

/// What only tests boot: the same code, with every assertion and every sum checked.
const DEBUG: Variant = Variant {
    folder: "debug",
    profile: &["profile.release.overflow-checks=true", "profile.release.debug-assertions=true"],
};

/// One of the ways in which everything is compiled.
struct Variant {
    folder: &'static str,
    profile: &'static [&'static str],
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var_os("CARGO_FEATURE_QEMU").is_none() {
        return;
    }
    if let Err(error) = build() {
        println!("cargo::error={error}");
        process::exit(1);
    }
}

fn build() -> Result<(), String> {
    let started = SystemTime::now();
    let manifest =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo did not name the package's folder")?);
    let workspace = manifest.ancestors().nth(2).ok_or("the package is not in the workspace")?;
    for source in SOURCES.iter().map(|source| workspace.join(source)).filter(|source| source.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
    }
    let toolchain = Toolchain::find()?;
    if !toolchain.has_registry() {
        run(toolchain.cargo().args(["fetch", "--locked"]).current_dir(workspace), "fetch")?;
    }
    let wants_debug = env::var_os("CARGO_FEATURE_DEBUG").is_some();
    let variants = [Some(RELEASE), wants_debug.then_some(DEBUG)];
    for variant in variants.iter().flatten() {
        build_variant(&toolchain, workspace, variant, started)?;
    }
    Ok(())
}

fn build_variant(
    toolchain: &Toolchain,
    workspace: &Path,
    variant: &Variant,
    started: SystemTime,
) -> Result<(), String> {
    let wants_tests = env::var_os("CARGO_FEATURE_TESTS").is_some();
    let tree = workspace.join("target/capos").join(variant.folder);
    for group in GROUPS.iter().filter(|group| wants_tests || !group.is_for_tests) {
        let output = tree.join(if group.is_for_tests { "tests" } else { "lib/capos" });
        fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
        let folder = tree.join(group.folder);
        compile(toolchain, workspace, group, variant, &folder)?;
        for product in group.products {
            let file = folder.join(triple(group)).join("release").join(product.binary);
            install(&file, &output, product.file, started)?;
        }
    }
    let library = tree.join("lib/capos");
    put(&library.join(SYSTEM), &system::system(&library)?, started)
}

fn triple(group: &Group) -> &'static str {
    group.target.trim_end_matches(".json")
}

fn compile(
    toolchain: &Toolchain,
    workspace: &Path,
    group: &Group,
    variant: &Variant,
    folder: &Path,
) -> Result<(), String> {
    let mut flags = toolchain.flags(workspace);
    flags.extend(group.flags.iter().map(|flag| (*flag).to_owned()));
    if let Some(script) = group.linker_script {
        flags.push(format!("-Clink-arg=-T{}", workspace.join("targets").join(script).display()));
    }
    let mut cargo = toolchain.cargo();
    cargo.current_dir(workspace).args(["build", "--quiet", "--release", "--locked"]);
    cargo.args(["-Zbuild-std=core,alloc,compiler_builtins", "-Zbuild-std-features=compiler-builtins-mem"]);
    if group.target.ends_with(".json") {
        cargo.arg("-Zjson-target-spec").arg("--target").arg(workspace.join("targets").join(group.target));
    } else {
        cargo.args(["--target", group.target]);
    }
    for setting in PROFILE.iter().chain(variant.profile) {
        cargo.args(["--config", setting]);
    }
    for product in group.products {
        cargo.args(["--package", product.package]);
    }
    for feature in group.features {
        cargo.args(["--features", feature]);
    }
    cargo.args([group.artifacts, "--target-dir"]).arg(folder);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")).env("RUSTC_BOOTSTRAP", "1");
    run(&mut cargo, group.folder)
}

fn run(command: &mut process::Command, what: &str) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("{what}: cargo does not run: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{what}: the nested cargo failed ({status}); see above"))
    }
}

/// Copies a program if it changed, with the time at which the build script started: cargo runs the script again for
/// anything newer.
fn install(file: &Path, output: &Path, name: &str, started: SystemTime) -> Result<(), String> {
    let contents = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let stripped = strip::strip(&contents).ok_or_else(|| format!("{}: not an ELF file", file.display()))?;
    put(&output.join(format!("{name}.debug")), &contents, started)?;
    put(&output.join(name), &stripped, started)
}

/// Writes a file if its contents change.
fn put(path: &Path, contents: &[u8], started: SystemTime) -> Result<(), String> {
    println!("cargo::rerun-if-changed={}", path.display());
    if fs::read(path).is_ok_and(|present| present == contents) {
        return Ok(());
    }
    let write = || {
        // By way of another name, so that who reads the file meanwhile sees the old one or the new one.
        let temporary = path.with_extension(format!("{}.new", process::id()));
        fs::write(&temporary, contents)?;
        fs::File::options().write(true).open(&temporary)?.set_modified(started)?;
        fs::rename(&temporary, path)
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}
