//! The Linux side: builds the guest of `bench/reference`, boots it, and keeps what it counted.
//!
//! Called by `main` for `make bench-reference`; the recorded results are read by `report` and `page`.
//!
//! Invariant: `results.toml` is written from a whole run alone, with the versions of all that took part. The guest runs under
//! the clock, the CPU and the seed of capOS's own counts, and is ended when its time is over.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::machine::{CLOCK, output};
use crate::toolchain::Toolchain;

/// Where the results are kept, from the root.
pub(crate) const RESULTS: &str = "bench/reference/results.toml";
/// The longest that the guest may take here.
const LIMIT: Duration = Duration::from_secs(900);
/// What Linux is told: a TSC of 1 GHz, as the instruction clock makes it, a fixed place, and no mitigations.
const APPEND: &str =
    "console=ttyS0 quiet panic=-1 reboot=t nokaslr tsc_early_khz=1000000 mitigations=off rdinit=/init";
const HEAD: &str = "# What Linux takes, in instructions. Written by `make bench-reference`, which says how (bench/README.md); not edited.\n\n";

/// The file of results.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    /// What took part, by its role.
    pub(crate) conditions: BTreeMap<String, String>,
    /// Instructions, by name.
    pub(crate) results: BTreeMap<String, f64>,
}

impl Reference {
    /// Reads the recorded results.
    ///
    /// # Errors
    /// They cannot be read, or are something else.
    pub(crate) fn read(root: &Path) -> Result<Reference, String> {
        let path = root.join(RESULTS);
        let text = fs::read_to_string(&path).map_err(|error| format!("{RESULTS}: {error}"))?;
        toml::from_str(&text).map_err(|error| format!("{RESULTS}: {error}"))
    }
}

/// Builds and runs the guest, and records its results.
///
/// # Errors
/// Something is missing, does not compile, or does not end well.
pub(crate) fn rebuild(root: &Path) -> Result<(), String> {
    let work = root.join("target/reference");
    fs::create_dir_all(&work).map_err(|error| format!("{}: {error}", work.display()))?;
    let archive = work.join("initrd.cpio");
    fs::write(&archive, guest(root, &work)?).map_err(|error| format!("{}: {error}", archive.display()))?;
    let linux = root.join("target/tools/linux");
    let (system, results) = parse(&boot(&linux.join("vmlinuz"), &archive, &work)?)?;
    let Toolchain { rustc, llvm, qemu, cpu } = Toolchain::find(root)?;
    let version = |program: &str| {
        let said = output(Command::new(program).arg("--version"))?;
        Ok::<_, String>(said.lines().next().unwrap_or_default().to_owned())
    };
    let package = fs::read_to_string(linux.join("version")).map_err(|error| format!("linux: {error}"))?;
    let conditions = [
        ("append", APPEND.to_owned()),
        ("cc", version("cc")?),
        ("clang", version("clang-22")?),
        ("cpu", cpu),
        ("engine", "wasmi and wasmi_wasi 2.0.0, lazy translation, dispatch by tail calls".to_owned()),
        ("linux", system),
        ("llvm", llvm),
        ("machine", MACHINE.join(" ")),
        ("package", package.trim().to_owned()),
        ("qemu", qemu),
        ("rustc", rustc),
    ];
    let conditions = conditions.map(|(role, what)| (role.to_owned(), what)).into();
    let text = toml::to_string(&Reference { conditions, results }).map_err(|error| error.to_string())?;
    fs::write(root.join(RESULTS), format!("{HEAD}{text}")).map_err(|error| format!("{RESULTS}: {error}"))?;
    print!("{text}");
    Ok(())
}

/// The archive with all programs of the guest.
fn guest(root: &Path, work: &Path) -> Result<Vec<u8>, String> {
    let sources = root.join("bench/reference");
    let mut pid1 = Command::new("cc");
    pid1.args(["-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o"]).arg(work.join("pid1"));
    output(pid1.arg(sources.join("pid1.c")))?;
    let mut tiny = Command::new("cc");
    tiny.args(["-O2", "-static", "-nostdlib", "-ffreestanding", "-o"]).arg(work.join("tiny"));
    output(tiny.arg(sources.join("tiny.c")))?;
    let mut wasm = Command::new("cargo");
    wasm.args(["build", "--quiet", "--release", "--locked", "--target", TARGET, "--manifest-path"]);
    wasm.arg(sources.join("wasm/Cargo.toml")).arg("--target-dir").arg(work);
    // The engine jumps from operation to operation with an unstable feature of the compiler, as where capOS ships it.
    wasm.env("RUSTC_BOOTSTRAP", "1").env_remove("CARGO_ENCODED_RUSTFLAGS");
    output(wasm.env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static"))?;
    let demos = root.join("target/capos/demos");
    let files = [
        ("init", work.join("pid1")),
        ("tiny", work.join("tiny")),
        ("wasm", work.join(TARGET).join("release/reference-wasm")),
        ("empty.wasm", demos.join("wasm-empty.wasm")),
        ("hello-c.wasm", demos.join("wasi-hello-c.wasm")),
        ("hello-rust.wasm", demos.join("wasi-hello-rust.wasm")),
        ("kernels.wasm", demos.join("kernels.wasm")),
    ];
    let mut archive = Archive::new();
    for (name, path) in files {
        let contents = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        archive.file(name, &contents);
    }
    Ok(archive.finish())
}

const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The machine, as capOS's own but for Linux's serial console.
const MACHINE: [&str; 17] = [
    "-M",
    "microvm",
    "-accel",
    "tcg",
    "-m",
    "1024",
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    "-display",
    "none",
    "-monitor",
    "none",
    "-serial",
    "stdio",
    "-seed",
    "1",
];

/// Boots the guest and returns what its console said.
fn boot(kernel: &Path, archive: &Path, work: &Path) -> Result<String, String> {
    let console: PathBuf = work.join("console");
    let file = fs::File::create(&console).map_err(|error| format!("{}: {error}", console.display()))?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args(MACHINE).args(CLOCK).args(["-cpu", crate::machine::CPU, "-append", APPEND]);
    qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(archive);
    qemu.stdin(Stdio::null()).stdout(file).stderr(Stdio::inherit());
    let mut child = qemu.spawn().map_err(|error| format!("qemu-system-x86_64: {error}"))?;
    let start = Instant::now();
    let ended = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break status.success();
        }
        if start.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("the Linux guest did not end within {} s", LIMIT.as_secs()));
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let said = fs::read(&console).map_err(|error| format!("{}: {error}", console.display()))?;
    let said = String::from_utf8_lossy(&said).into_owned();
    if ended { Ok(said) } else { Err(format!("qemu-system-x86_64 failed; the guest said:\n{said}")) }
}

/// The system's version and its results. A guest that did not say `end` has no results.
fn parse(console: &str) -> Result<(String, BTreeMap<String, f64>), String> {
    let mut system = None;
    let mut results = BTreeMap::new();
    for line in console.lines().map(|line| line.trim_end_matches('\r')) {
        match line.split_once(' ') {
            Some(("linux", version)) => system = Some(version.to_owned()),
            Some(("result", rest)) => {
                let result = rest.split_once(' ').and_then(|(name, count)| Some((name, count.parse().ok()?)));
                let (name, count) = result.ok_or_else(|| format!("the Linux guest said: {line}"))?;
                results.insert(name.to_owned(), count);
            }
            None if line == "end" => {
                return Ok((system.ok_or("the Linux guest did not name itself")?, results));
            }
            _ => {}
        }
    }
    Err(format!("the Linux guest did not come to its end; it said:\n{console}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_console_gives_results() {
        let (system, results) = parse("noise\r\nlinux 6.1 #1\r\nresult getpid 314.0\r\nend\r\n").unwrap();
        assert_eq!(system, "6.1 #1");
        assert_eq!(results, BTreeMap::from([("getpid".to_owned(), 314.0)]));
    }

    #[test]
    fn a_cut_or_wrong_console_gives_none() {
        for console in
            ["linux 6.1\nresult getpid 314\n", "linux 6.1\nresult getpid\nend\n", "result a 1\nend\n"]
        {
            assert!(parse(console).is_err(), "{console}");
        }
    }
}
