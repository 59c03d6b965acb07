//! `capos run`: a module, a manifest or an image, from the command line to the exit status.
//!
//! Called by `command`; calls `prepare`, `accelerator` and `qemu`.
//!
//! Invariant: whatever happens, standard error gets the line, `--outcome` the object, and the caller the status of the
//! same end.

mod guest;
mod limits;
mod outputs;

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use capos_manifest_model::describe;

use crate::accelerator;
use crate::command::debug;
use crate::command::modules;
use crate::command::prepare::{self, Bootable};
use crate::command::target::{self, Subject, Verb};
use crate::failure::{Blame, Failure};
use crate::layout::Layout;
use crate::options::{RunOptions, Target};
use crate::outcome::Ending;
use crate::progress::Progress;
use crate::qemu::machine::{Boot, MEBIBYTE};
use crate::qemu::program;
use crate::qemu::supervisor::{Finished, Request, START_LIMIT, run as run_machine};
use crate::symbols;
use guest::{instance, only_for_modules};
use limits::{host_limit, host_memory, memory_bytes};
use outputs::{kernel_log, outcome_file, refuse_inputs, tell, write_outcome};

/// Runs; returns the exit status.
pub(crate) fn run(mut options: RunOptions) -> u8 {
    let finished = match outcome_file(&options) {
        Ok(mut file) => {
            let finished = attempt(&mut options, &mut file).unwrap_or_else(|failure| Some(failed(failure)));
            if let (Some(mut file), Some(finished)) = (file, &finished) {
                write_outcome(&mut file, &finished.ending);
            }
            finished
        }
        Err(failure) => Some(failed(failure)),
    };
    let Some(finished) = finished else { return 0 };
    tell(&finished);
    finished.ending.status()
}

fn failed(failure: Failure) -> Finished {
    let ending = match failure.blame {
        Blame::Request => Ending::Refused(failure.message),
        Blame::Host => Ending::Failed(failure.message),
    };
    Finished { ending, explanations: Vec::new(), is_error_line_open: false }
}

/// The run itself; none if only the manifest was to be printed.
///
/// # Errors
/// What is refused; `outcome` is then taken away if the refusal must not be written there.
fn attempt(options: &mut RunOptions, outcome: &mut Option<File>) -> Result<Option<Finished>, Failure> {
    let words = match options.target.take() {
        Some(Target::Words(words)) => words,
        None => return Err(Failure::request("FILE is missing; see `capos run --help`")),
    };
    let (file, arguments) = words.split_first().ok_or_else(|| Failure::request("FILE is missing"))?;
    let layout = Layout::find()?;
    let Some(bootable) = bootable(options, &layout, Path::new(file), arguments)? else { return Ok(None) };
    if let Err(failure) = refuse_inputs(options, bootable.inputs.iter().map(PathBuf::as_path)) {
        *outcome = None;
        return Err(failure);
    }
    let emulator = program::find()?;
    let choice = accelerator::requested(options.accel)?;
    let decision = accelerator::decide(choice, &options.kvm_device, &layout, &emulator)?;
    let boot = Boot {
        machine: options.machine,
        accelerator: decision.accelerator,
        memory_bytes: memory_bytes(&bootable.traits, host_memory())?,
        boot_stage: bootable.stage.clone(),
        image: bootable.path.clone(),
        debugger: None,
        extra_arguments: extra_arguments(options),
    };
    if options.print_qemu {
        debug::print_command_line(&emulator, boot, bootable.file.is_some())?;
        return Ok(None);
    }
    if options.verbose {
        let (word, megabytes) = (decision.accelerator.word(), boot.memory_bytes / MEBIBYTE);
        eprintln!("capos: accelerator {word}: {}; memory {megabytes} MiB", decision.reason);
    }
    boot_it(options, &layout, emulator, boot, &bootable).map(Some)
}

fn boot_it(
    options: &RunOptions,
    layout: &Layout,
    program: PathBuf,
    mut boot: Boot,
    bootable: &Bootable,
) -> Result<Finished, Failure> {
    let session = options.gdb.map(|port| debug::Session::open(port, layout)).transpose()?;
    boot.debugger = session.as_ref().map(debug::Session::debugger);
    // Who looks at a machine with a debugger decides how long it takes.
    let is_watched = session.is_some();
    let host_limit = host_limit(&bootable.traits, options.timeout).filter(|_| !is_watched);
    let time_limit = [bootable.traits.time_limit, options.timeout].into_iter().flatten().min();
    let start_limit = options.start_limit.unwrap_or(START_LIMIT);
    run_machine(Request {
        program,
        boot,
        host_limit,
        time_limit: time_limit.filter(|_| !is_watched),
        start_limit: (!is_watched).then_some(start_limit),
        symbols: symbols::Source {
            image: bootable.path.clone(),
            library: layout.folder().to_owned(),
            folders: symbols::folders(layout.folder()),
        },
        has_labels: bootable.traits.has_several,
        is_instance: bootable.traits.is_instance,
        is_verbose: options.verbose,
        kernel_log: kernel_log(options)?,
    })
}

fn bootable(
    options: &RunOptions,
    layout: &Layout,
    file: &Path,
    arguments: &[OsString],
) -> Result<Option<Bootable>, Failure> {
    let library = prepare::library(layout);
    let subject = {
        let _progress = Progress::of("reading what is to be run");
        target::open(file, Verb::Run)?
    };
    if !matches!(subject, Subject::Module(_)) {
        only_for_modules(options, file, arguments)?;
    }
    match subject {
        Subject::Module(module) => {
            let instance = instance(options, file, module, arguments)?;
            let refuse = |refusals| prepare::module_refused(&refusals);
            if options.print_manifest {
                super::print(&instance.manifest().map_err(refuse)?)?;
                return Ok(None);
            }
            layout.adapter()?;
            let _progress = Progress::of("making the boot image");
            let mut package = instance.package(&library).map_err(refuse)?;
            modules::check(&mut package)?;
            prepare::bootable(layout, package, &options.kernel_option).map(Some)
        }
        Subject::Manifest => {
            let package = prepare::load(&library, file)?;
            if options.print_manifest {
                super::print(&describe(&package.system))?;
                return Ok(None);
            }
            let _progress = Progress::of("making the boot image");
            prepare::bootable(layout, package, &options.kernel_option).map(Some)
        }
        Subject::Image { .. } if options.print_manifest => Err(Failure::request(format!(
            "{}: is a boot image; `capos check` prints what it grants",
            file.display()
        ))),
        Subject::Image { bytes, is_file } => {
            prepare::built(layout, file, &bytes, is_file, &options.kernel_option).map(Some)
        }
    }
}

fn extra_arguments(options: &RunOptions) -> Vec<OsString> {
    let mut arguments = Vec::new();
    if let Some(cpu) = &options.cpu {
        arguments.extend(["-cpu".into(), cpu.into()]);
    }
    if let Some(seed) = options.seed {
        arguments.extend(["-seed".into(), seed.to_string().into()]);
    }
    arguments.extend(options.qemu_argument.iter().cloned());
    arguments
}
