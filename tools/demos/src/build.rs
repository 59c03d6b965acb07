//! One folder to one module: which kind of program it is, and how that kind is compiled.
//!
//! Called by `main`; calls the compilers that `tools` describes.

use crate::{root, tools};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the program in `folder` and puts it where the manifests look for it.
pub(crate) fn build(folder: &Path) -> Result<(), String> {
    let folder = folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))?;
    let name = folder.file_name().and_then(OsStr::to_str).ok_or("a folder's name is not text")?;
    let module = if folder.join("Cargo.toml").is_file() {
        rust(&folder, name)?
    } else if let Some(source) = with_extension(&folder, "wat")?.first() {
        wat::parse_file(source).map_err(|error| error.to_string())?
    } else {
        c(&folder, name)?
    };
    install(name, &module)
}

/// Compiles a Rust package to `wasm32-wasip1`; its binary has the folder's name.
fn rust(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let target = root().join("target/demos");
    let mut command = Command::new("cargo");
    command.args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--target",
        "wasm32-wasip1",
        "--manifest-path",
    ]);
    command.arg(folder.join("Cargo.toml"));
    for inherited in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        command.env_remove(inherited);
    }
    let target = if tools::std_is_compiled()? {
        target.join("toolchain-std")
    } else {
        tools::build_std(&mut command)?;
        target.join("own-std")
    };
    run(command.arg("--target-dir").arg(&target))?;
    read(&target.join("wasm32-wasip1/release").join(format!("{name}.wasm")))
}

/// Compiles the C files of a folder to one `wasm32-wasip1` command.
fn c(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let sources = with_extension(folder, "c")?;
    if sources.is_empty() {
        return Err(format!(
            "{}: no Cargo.toml, no .wat and no .c file, so nothing to build",
            folder.display()
        ));
    }
    let scratch = root().join("target/demos/c");
    fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
    let product = scratch.join(format!("{name}.wasm"));
    let sysroot = tools::sysroot()?;
    let mut sysroot_option = OsString::from("--sysroot=");
    sysroot_option.push(&sysroot);
    run(Command::new("clang-22")
        .args(["--target=wasm32-wasip1", "-O2", "-Wall", "-Wextra", "-Werror", "-nodefaultlibs"])
        .arg(sysroot_option)
        .args(&sources)
        .arg("-lc")
        .arg(sysroot.join("lib/wasm32-unknown-wasip1/libclang_rt.builtins.a"))
        .arg("-o")
        .arg(&product))?;
    read(&product)
}

/// Writes the module unless the same is there already.
fn install(name: &str, module: &[u8]) -> Result<(), String> {
    let folder = root().join("target/capos/demos");
    let product = folder.join(format!("{name}.wasm"));
    if fs::read(&product).is_ok_and(|present| present == module) {
        return Ok(());
    }
    let unfinished = folder.join(format!("{name}.wasm.{}", std::process::id()));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&unfinished, module))
        .and_then(|()| fs::rename(&unfinished, &product))
        .map_err(|error| format!("{}: {error}", product.display()))
}

/// The files of a folder with one extension, sorted.
fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension() == Some(OsStr::new(extension)))
        .collect();
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Runs a compiler, whose own messages go to stderr.
fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| format!("{program}: {error}; `make setup` installs it"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} failed ({status})")) }
}
