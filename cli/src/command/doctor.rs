//! `capos doctor`: what this machine can run, and what is missing.
//!
//! Called by `command`; asks the file system, the prepared system and the accelerator probe here, and QEMU through `emulator`.
//!
//! Invariant: it changes nothing but the probe's cache, and ends with success only if a program can be run.

mod emulator;
mod finding;

use std::path::Path;

use finding::Finding;

use crate::accelerator::{self, Choice};
use crate::failure::{Context, Failure};
use crate::folders;
use crate::image;
use crate::layout::Layout;
use crate::options::{DoctorOptions, VERSION};
use crate::progress::Progress;
use crate::qemu::machine::Accelerator;
use crate::qemu::program;

/// Prints the findings.
///
/// # Errors
/// Something without which nothing can be run is missing.
pub(crate) fn doctor(options: &DoctorOptions) -> Result<(), Failure> {
    let mut findings = vec![Finding::good("capos", VERSION)];
    let layout = Layout::find();
    findings.extend(files(&layout));
    let emulator = program::find();
    let progress = Progress::of("asking QEMU what it can do");
    match &emulator {
        Ok(path) => findings.extend(emulator::findings(path)),
        Err(_) => findings.push(
            Finding::missing("QEMU", format!("{} is in no folder of PATH", program::NAME))
                .with_remedy(&program::PACKAGES),
        ),
    }
    drop(progress);
    if let (Ok(layout), Ok(emulator)) = (&layout, &emulator) {
        findings.extend(accelerators(&options.kvm_device, layout, emulator)?);
    }
    findings.push(match folders::state() {
        Some(folder) => Finding::good("logs", folder.join("logs").display()),
        None => Finding::absent(
            "logs",
            "neither XDG_STATE_HOME nor HOME is set: they go into the folder for temporary files",
        ),
    });
    findings.push(match accelerator::cache_folder() {
        Some(folder) => Finding::good("cache", folder.display()),
        None => Finding::absent("cache", "neither XDG_CACHE_HOME nor HOME is set: KVM is probed in each run"),
    });
    super::print(&findings.iter().map(ToString::to_string).collect::<String>())?;
    match findings.iter().filter(|it| it.is_missing()).count() {
        0 => Ok(()),
        count => Err(Failure::request(format!("{count} of {} things are missing", findings.len()))),
    }
}

fn files(layout: &Result<Layout, Failure>) -> Vec<Finding> {
    let layout = match layout {
        Ok(layout) => layout,
        Err(failure) => return vec![Finding::missing("files", &failure.message)],
    };
    let needed = [
        layout.boot_stage(),
        layout.system(),
        layout.kernel(),
        layout.init(),
        layout.console_driver(),
        layout.random_driver(),
        layout.adapter(),
        layout.probe(),
    ];
    let mut findings: Vec<Finding> = needed
        .into_iter()
        .filter_map(Result::err)
        .map(|failure| Finding::missing("files", failure.message))
        .collect();
    if findings.is_empty() {
        findings.push(prepared_system(layout));
    }
    let tool = layout.folder().join("capos-manifest");
    findings.push(match tool.is_file() {
        true => Finding::good("manifests", tool.display()),
        false => {
            let text = format!("{} is missing: modules and images run, manifests do not", tool.display());
            Finding::missing("manifests", text)
        }
    });
    findings
}

/// Whether the prepared system is as it was built: no boot checks its parts.
fn prepared_system(layout: &Layout) -> Finding {
    let read = || {
        let path = layout.system()?;
        let bytes = std::fs::read(&path).or_host(path.display())?;
        let damaged = |it: Failure| {
            format!(
                "{}: {}; install capOS again, or in a clone, run `make build`",
                path.display(),
                it.message
            )
        };
        image::verify_prepared(&bytes).map_err(|failure| Failure::host(damaged(failure)))
    };
    match read() {
        Ok(()) => Finding::good("files", format!("{}, its system verified", layout.folder().display())),
        Err(failure) => Finding::missing("files", failure.message),
    }
}

/// What a run would execute on, and whether that could be KVM.
fn accelerators(device: &Path, layout: &Layout, emulator: &Path) -> Result<[Finding; 2], Failure> {
    let automatic = accelerator::decide(Choice::Auto, device, layout, emulator)?;
    let chosen =
        accelerator::requested(None).and_then(|choice| accelerator::decide(choice, device, layout, emulator));
    let kvm = match automatic.accelerator {
        Accelerator::Kvm => Finding::good("KVM", &automatic.reason),
        Accelerator::Tcg => Finding::absent("KVM", &automatic.reason),
    };
    let accelerator = match chosen {
        Ok(decision) => {
            Finding::good("accelerator", format!("{} ({})", decision.accelerator.word(), decision.reason))
        }
        Err(failure) => Finding::missing("accelerator", failure.message),
    };
    Ok([accelerator, kvm])
}
