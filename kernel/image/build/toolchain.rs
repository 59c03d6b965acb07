//! The compiler that runs the build, found again for the nested builds.
//!
//! Called by the build script; calls rustc and looks at the file system. Works with rustup's toolchains and with the
//! distribution's, which bring no linker of their own.
//!
//! Invariant: the nested builds use the cargo and the rustc of the outer build.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names under which a linker of LLVM is installed, in order of preference.
const LINKERS: &[&str] = &["rust-lld", "ld.lld-22", "ld.lld"];

/// Cargo, rustc, and what is found out from them.
pub(crate) struct Toolchain {
    cargo: PathBuf,
    rustc: PathBuf,
    sysroot: PathBuf,
    cargo_home: PathBuf,
    linker: Option<PathBuf>,
}

impl Toolchain {
    /// Finds the toolchain of the outer build.
    ///
    /// # Errors
    /// Sources of `core` or a linker are missing; the text says what to install.
    pub(crate) fn find() -> Result<Toolchain, String> {
        let cargo = PathBuf::from(env::var_os("CARGO").ok_or("cargo did not say where it is")?);
        let beside = cargo.with_file_name("rustc");
        let rustc =
            if beside.is_file() { beside } else { env::var_os("RUSTC").unwrap_or("rustc".into()).into() };
        let sysroot = PathBuf::from(ask(&rustc, &["--print", "sysroot"])?);
        if !sysroot.join("lib/rustlib/src/rust/library/core").is_dir() {
            return Err(format!(
                "the sources of Rust's core library are missing under {}: run `make setup`, or install the component \
                 rust-src (Debian: rust-web-src)",
                sysroot.display()
            ));
        }
        let home = env::var_os("HOME").map_or_else(PathBuf::new, PathBuf::from);
        let cargo_home = env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
        let linker = linker(&sysroot)?;
        Ok(Toolchain { cargo, rustc, sysroot, cargo_home, linker })
    }

    /// A cargo command that is the same whoever calls the outer one: no flags, wrappers or targets are inherited.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(&self.cargo);
        command.env("RUSTC", &self.rustc);
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            let is_inherited = name.starts_with("CARGO_BUILD_")
                || name.starts_with("CARGO_TARGET_")
                || name.starts_with("CARGO_PROFILE_")
                || name.starts_with("CARGO_FEATURE_")
                || name.contains("RUSTFLAGS")
                || name.contains("RUSTC_W");
            if is_inherited {
                command.env_remove(&*name);
            }
        }
        command
    }

    /// Flags for every crate of every group: the linker, an identity for each program by which its symbols are found, and
    /// no path of this machine in what is built.
    pub(crate) fn flags(&self, workspace: &Path) -> Vec<String> {
        let mut flags: Vec<String> =
            self.linker.iter().map(|linker| format!("-Clinker={}", linker.display())).collect();
        flags.push("-Clink-arg=--build-id=sha1".to_owned());
        let registry = self.cargo_home.join("registry/src");
        let mut remap = |from: &Path, to: &str| {
            flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        };
        // The last prefix that matches wins.
        remap(workspace, ".");
        remap(&self.sysroot.join("lib/rustlib/src/rust"), "rust");
        remap(&registry, "registry");
        let mut sources: Vec<_> = fs::read_dir(&registry).into_iter().flatten().flatten().collect();
        sources.sort_by_key(fs::DirEntry::file_name);
        for source in sources {
            remap(&source.path(), "registry");
        }
        flags
    }

    /// True if cargo has unpacked a registry's sources already, so that [`Toolchain::flags`] can name the folder.
    pub(crate) fn has_registry(&self) -> bool {
        fs::read_dir(self.cargo_home.join("registry/src")).is_ok_and(|mut folders| folders.next().is_some())
    }
}

/// `None` if rustc finds its own linker.
fn linker(sysroot: &Path) -> Result<Option<PathBuf>, String> {
    let host = env::var("HOST").map_err(|_| "cargo did not name the host")?;
    if sysroot.join("lib/rustlib").join(host).join("bin/rust-lld").is_file() {
        return Ok(None);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    LINKERS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|candidate| candidate.is_file())
        .map(Some)
        .ok_or_else(|| {
            format!(
                "no LLVM linker: run `make setup`, or install one of {} (Debian: lld-22)",
                LINKERS.join(", ")
            )
        })
}

fn ask(rustc: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(rustc)
        .args(arguments)
        .output()
        .map_err(|error| format!("{} does not run: {error}", rustc.display()))?;
    if !output.status.success() {
        return Err(format!("{} {} failed: {}", rustc.display(), arguments.join(" "), output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
