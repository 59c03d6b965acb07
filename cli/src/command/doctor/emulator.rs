//! What a QEMU can do, as far as capOS needs it.
//!
//! Called by `doctor`; starts QEMU for its lists.
//!
//! Invariant: no machine is started, and a QEMU that hangs is not waited for.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::finding::Finding;
use crate::qemu::program::{PACKAGES, Packages, QBOOT};
use crate::qemu::question::ask;

/// How long one answer may take. It takes 20 ms where QEMU works.
const LIMIT: Duration = Duration::from_secs(5);

/// The oldest version that capOS is tested with.
const TESTED: (u32, u32) = (7, 2);
/// What every machine has: the channels to the host, the log, the way out, and random bytes.
const DEVICES: [&str; 4] = ["virtserialport", "isa-debugcon", "isa-debug-exit", "virtio-rng-device"];

/// Looks at version, machines, firmware and devices.
pub(super) fn findings(emulator: &Path) -> Vec<Finding> {
    let firmware = answer(emulator, &["-L", "help"]);
    let has_qboot = firmware.lines().any(|folder| Path::new(folder.trim()).join("qboot.rom").is_file());
    let machines = answer(emulator, &["-M", "help"]);
    let has_machine = |name: &str| machines.lines().any(|line| line.split(' ').next() == Some(name));
    let finding = |name, is_there: bool, what: &str, packages: &'static Packages| match is_there {
        true => Finding::good(name, what),
        false => Finding::missing(name, format!("{what}: this QEMU lacks it")).with_remedy(packages),
    };
    vec![
        version(emulator, &answer(emulator, &["--version"])),
        finding("microvm", has_machine("microvm"), "the default machine", &PACKAGES),
        finding("q35", has_machine("q35"), "the second machine", &PACKAGES),
        finding("qboot", has_qboot, "qboot.rom, the firmware of the second machine", &QBOOT),
        console(&answer(emulator, &["-device", "help"])),
    ]
}

fn version(emulator: &Path, answer: &str) -> Finding {
    let line = answer.lines().next().unwrap_or("").trim();
    match number(line) {
        Some(found) if found >= TESTED => Finding::good("QEMU", format!("{} ({line})", emulator.display())),
        Some(_) => Finding::absent(
            "QEMU",
            format!(
                "{} ({line}): capOS is tested with {}.{} and newer",
                emulator.display(),
                TESTED.0,
                TESTED.1
            ),
        ),
        None => Finding::missing("QEMU", format!("{} does not tell its version", emulator.display()))
            .with_remedy(&PACKAGES),
    }
}

/// Major and minor of a line such as `QEMU emulator version 7.2.22 (Debian ...)`.
fn number(line: &str) -> Option<(u32, u32)> {
    let word = line.split("version ").nth(1)?.split(' ').next()?;
    let mut numbers = word.split('.').map_while(|it| it.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}

fn console(devices: &str) -> Finding {
    let lacking: Vec<&str> =
        DEVICES.into_iter().filter(|name| !devices.contains(&format!("\"{name}\""))).collect();
    match lacking.is_empty() {
        true => Finding::good("console", "the virtio console and the devices around it"),
        false => Finding::missing("console", format!("this QEMU lacks {}", lacking.join(", ")))
            .with_remedy(&PACKAGES),
    }
}

/// What this QEMU prints; nothing if it cannot be started or does not end by itself.
fn answer(emulator: &Path, arguments: &[&str]) -> String {
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let answer = ask(emulator, &arguments, LIMIT, |_| false).unwrap_or_default();
    if answer.exit.is_some() { answer.output } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let shown = |line: &str| version(Path::new("qemu"), line).to_string();
        assert!(shown("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright").starts_with("ok "));
        assert!(shown("QEMU emulator version 10.0.2").starts_with("ok "));
        assert!(shown("QEMU emulator version 6.2.0").contains("tested with 7.2 and newer"));
        assert!(shown("").contains("pacman -S"));
    }

    #[test]
    fn lacking_devices_are_named() {
        let all: String = DEVICES.iter().map(|name| format!("name \"{name}\", bus x\n")).collect();
        assert!(!console(&all).is_missing());
        let text = console(&all.replace("virtserialport", "virtconsole")).to_string();
        assert!(text.contains("this QEMU lacks virtserialport\n"), "{text}");
    }
}
