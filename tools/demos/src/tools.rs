//! What the machine's Rust compiler has for `wasm32-wasip1`, and what stands in for what it lacks.
//!
//! Called by `build`. A compiler of rustup comes with a compiled std for the target. Debian's does not: std is then built
//! from source and linked against the WASI sysroot that the set-up installs.

use crate::root;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Whether the compiler in use has a compiled std for `wasm32-wasip1`.
pub(crate) fn std_is_compiled() -> Result<bool, String> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| format!("rustc: {error}; `make setup` installs it"))?;
    if !output.status.success() {
        return Err(format!("rustc does not run: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let sysroot = String::from_utf8_lossy(&output.stdout);
    Ok(Path::new(sysroot.trim()).join("lib/rustlib/wasm32-wasip1/lib/self-contained").is_dir())
}

/// Makes a cargo command build std for `wasm32-wasip1` along with the program.
///
/// Building std is an unstable option of cargo, so this one command runs with `RUSTC_BOOTSTRAP`.
pub(crate) fn build_std(command: &mut Command) -> Result<(), String> {
    let library = sysroot()?.join("lib/wasm32-wasip1");
    let library = library.to_str().ok_or("the path of this clone is not text")?;
    let flags = [
        "-Clink-self-contained=no",
        "-Clinker=wasm-ld-22",
        "-Clinker-flavor=wasm-ld",
        &format!("-L{library}"),
        &format!("-Clink-arg={library}/crt1-command.o"),
    ];
    command
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    Ok(())
}

/// The folder of the WASI sysroot.
pub(crate) fn sysroot() -> Result<PathBuf, String> {
    let folder = root().join("target/tools/wasi-sysroot");
    if folder.join("lib/wasm32-wasip1/crt1-command.o").is_file() {
        // Linkers and compilers record the path, so it has no `..` in it.
        folder.canonicalize().map_err(|error| format!("{}: {error}", folder.display()))
    } else {
        Err("the WASI sysroot is not there; `make setup` installs it".to_owned())
    }
}
