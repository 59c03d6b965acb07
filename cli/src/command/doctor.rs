//! `capos doctor`: what this machine can run, and what is missing.
//!
//! Called by `command`; asks QEMU, the file system and the accelerator probe.
//!
//! Invariant: it changes nothing but the probe's cache, and ends with success only if a program can be run.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::accelerator::{self, Choice};
use crate::failure::Failure;
use crate::layout::Layout;
use crate::options::DoctorOptions;
use crate::qemu::program;

/// What was found out about one thing.
struct Finding {
    name: &'static str,
    is_good: bool,
    text: String,
}

/// Prints the findings.
///
/// # Errors
/// Something without which nothing can be run is missing.
pub(crate) fn doctor(options: &DoctorOptions) -> Result<(), Failure> {
    let mut findings = vec![good("capos", env!("CARGO_PKG_VERSION").to_owned())];
    let layout = Layout::find();
    findings.extend(files(&layout));
    let emulator = program::find();
    match &emulator {
        Ok(path) => findings.extend(emulator_findings(path)),
        Err(failure) => findings.push(bad("QEMU", failure.message.clone())),
    }
    if let (Ok(layout), Ok(emulator)) = (&layout, &emulator) {
        findings.extend(accelerator_findings(&options.kvm_device, layout, emulator));
    }
    let mut text = String::new();
    for finding in &findings {
        let mark = if finding.is_good { "ok     " } else { "missing" };
        text.push_str(&format!("{mark}  {:12} {}\n", finding.name, finding.text));
    }
    super::print(&text)?;
    match findings.iter().filter(|it| !it.is_good).count() {
        0 => Ok(()),
        count => Err(Failure::request(format!("{count} of {} things are missing", findings.len()))),
    }
}

fn good(name: &'static str, text: String) -> Finding {
    Finding { name, is_good: true, text }
}

fn bad(name: &'static str, text: String) -> Finding {
    Finding { name, is_good: false, text }
}

fn files(layout: &Result<Layout, Failure>) -> Vec<Finding> {
    let layout = match layout {
        Ok(layout) => layout,
        Err(failure) => return vec![bad("files", failure.message.clone())],
    };
    let tool = layout.folder().join("capos-manifest");
    let needed = [layout.boot_stage(), layout.kernel(), layout.init(), layout.adapter(), layout.probe()];
    let mut findings: Vec<Finding> =
        needed.into_iter().filter_map(Result::err).map(|failure| bad("files", failure.message)).collect();
    if findings.is_empty() {
        findings.push(good("files", layout.folder().display().to_string()));
    }
    findings.push(match tool.is_file() {
        true => good("manifests", tool.display().to_string()),
        false => bad("manifests", format!("{} is missing: modules run, manifests do not", tool.display())),
    });
    findings
}

fn emulator_findings(emulator: &Path) -> Vec<Finding> {
    let version = ask(emulator, &["--version"]);
    let version = version.lines().next().unwrap_or("says nothing").to_owned();
    let machines = ask(emulator, &["-M", "help"]);
    let devices = ask(emulator, &["-device", "help"]);
    let firmware = ask(emulator, &["-L", "help"]);
    let has_machine = |name: &str| machines.lines().any(|line| line.split(' ').next() == Some(name));
    let has_qboot = firmware.lines().any(|folder| Path::new(folder.trim()).join("qboot.rom").is_file());
    let finding = |name, is_there: bool, what: &str| match is_there {
        true => good(name, what.to_owned()),
        false => bad(name, format!("{what}: this QEMU lacks it; {}", program::INSTALL)),
    };
    vec![
        good("QEMU", format!("{} ({version})", emulator.display())),
        finding("microvm", has_machine("microvm"), "the default machine"),
        finding("q35", has_machine("q35") && has_qboot, "the second machine, with qboot.rom"),
        finding("console", devices.contains("\"virtserialport\""), "the virtio console"),
    ]
}

fn ask(emulator: &Path, arguments: &[&str]) -> String {
    let output = Command::new(emulator).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned()).unwrap_or_default()
}

fn accelerator_findings(device: &Path, layout: &Layout, emulator: &Path) -> Vec<Finding> {
    let decision = accelerator::requested(None)
        .and_then(|choice| accelerator::decide(choice, device, layout, emulator))
        .or_else(|failure| {
            let decision = accelerator::decide(Choice::Tcg, device, layout, emulator)?;
            Ok::<_, Failure>(accelerator::Decision { reason: failure.message, ..decision })
        });
    let mut findings = Vec::new();
    if let Ok(decision) = decision {
        let word = decision.accelerator.word();
        findings.push(good("accelerator", format!("{word} ({})", decision.reason)));
    }
    findings.push(match accelerator::cache_folder() {
        Some(folder) => good("cache", folder.display().to_string()),
        None => good("cache", "none: neither XDG_CACHE_HOME nor HOME is set".to_owned()),
    });
    findings
}
