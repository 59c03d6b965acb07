//! `capos run`: a module, a manifest or an image, from the command line to the exit status.
//!
//! Called by `command`; calls `prepare`, `accelerator` and `qemu`.
//!
//! Invariant: whatever happens, standard error gets the line, `--outcome` the object, and the caller the status of the
//! same end.

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use capos_manifest_model::{Instance, describe};

use crate::accelerator;
use crate::command::prepare::{self, Bootable, Traits};
use crate::command::target::{self, Subject, Verb};
use crate::command::{debug, files};
use crate::failure::{Blame, Context, Failure};
use crate::layout::Layout;
use crate::options::{RunOptions, Target};
use crate::outcome::{Ending, one_line};
use crate::qemu::machine::{Boot, MEBIBYTE};
use crate::qemu::program;
use crate::qemu::supervisor::{Finished, Request, START_LIMIT, run as run_machine};
use crate::symbols;

/// The grants that `--deny` can take away.
const GRANTS: [&str; 4] = ["stdout", "stderr", "timer", "random"];
/// Names of things that no program gets yet: denying them changes nothing.
const NEVER_GRANTED: [&str; 5] = ["stdin", "wallclock", "wall-clock", "filesystem", "network"];
/// The least memory of a machine.
const MEMORY_MIN: u64 = 512 * MEBIBYTE;
/// Memory beyond the processes' limits and the image: the kernel's, and the bookkeeping of frames.
const MEMORY_OVERHEAD: u64 = 128 * MEBIBYTE;
/// How long after the guest's own time limit the host waits for the machine to say so.
const TIME_LIMIT_GRACE: Duration = Duration::from_secs(5);

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

fn tell(finished: &Finished) {
    let mut text = String::new();
    for explanation in &finished.explanations {
        text.push_str(&format!("capos: {}\n", one_line(&explanation.line)));
        text.extend(explanation.places.iter().map(|place| format!("capos:   in {}\n", one_line(place))));
    }
    for line in finished.ending.lines() {
        text.push_str(&format!("capos: {line}\n"));
    }
    if finished.is_error_line_open && !text.is_empty() {
        text.insert(0, '\n');
    }
    // What had to end although nobody takes its output must not wait here for the same reader.
    let is_forced = matches!(finished.ending, Ending::Unread | Ending::Deadline | Ending::Signal(_));
    if is_forced && !is_error_writable() {
        return;
    }
    // The status says the same, if standard error is closed.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// True if a line can be written to standard error now, or after a moment.
fn is_error_writable() -> bool {
    let stream = std::io::stderr();
    let mut descriptors = [rustix::event::PollFd::new(&stream, rustix::event::PollFlags::OUT)];
    let moment = rustix::event::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    !matches!(rustix::event::poll(&mut descriptors, Some(&moment)), Ok(0))
}

/// Opens the file for the outcome before anything runs, so that a path that cannot be written is refused at once. It keeps
/// what it has until there is an outcome.
fn outcome_file(options: &RunOptions) -> Result<Option<File>, Failure> {
    if let Some(Target::Words(words)) = &options.target {
        refuse_inputs(options, words.first().map(Path::new))?;
    }
    open(options.outcome.as_deref(), "--outcome")
}

/// Neither the outcome nor the log may take the place of what is run, nor one that of the other.
fn refuse_inputs<'a>(
    options: &'a RunOptions,
    inputs: impl IntoIterator<Item = &'a Path> + Clone,
) -> Result<(), Failure> {
    let outputs = [("--outcome", &options.outcome), ("--kernel-log", &options.kernel_log)];
    for (option, path) in outputs {
        if let Some(path) = path {
            files::refuse_inputs(&format!("{option} {}", path.display()), path, inputs.clone())?;
        }
    }
    Ok(())
}

fn open(path: Option<&Path>, option: &str) -> Result<Option<File>, Failure> {
    let Some(path) = path else { return Ok(None) };
    match files::open_for_later(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) => {
            Err(Failure::request(format!("{option} {}: cannot be written: {error}", path.display())))
        }
    }
}

/// The file for the kernel's log, empty.
fn kernel_log(options: &RunOptions) -> Result<Option<File>, Failure> {
    let mut file = open(options.kernel_log.as_deref(), "--kernel-log")?;
    if let (Some(file), Some(path)) = (&mut file, &options.kernel_log) {
        files::refuse_inputs(&format!("--kernel-log {}", path.display()), path, options.outcome.as_deref())?;
        files::fill(file, b"").or_host(format!("--kernel-log {}", path.display()))?;
    }
    Ok(file)
}

fn write_outcome(file: &mut File, ending: &Ending) {
    if let Err(error) = files::fill(file, format!("{}\n", ending.json()).as_bytes()) {
        eprintln!("capos: the outcome cannot be written: {error}");
    }
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
        boot_stage: layout.boot_stage()?,
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
        symbols: symbols::Source { image: bootable.path.clone(), folders: symbols::folders(layout.folder()) },
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
    let subject = target::open(file, Verb::Run)?;
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
            let package = instance.package(&library).map_err(refuse)?;
            prepare::bootable(layout, package, &options.kernel_option).map(Some)
        }
        Subject::Manifest => {
            let package = prepare::load(&library, file)?;
            if options.print_manifest {
                super::print(&describe(&package.system))?;
                return Ok(None);
            }
            prepare::bootable(layout, package, &options.kernel_option).map(Some)
        }
        Subject::Image { .. } if options.print_manifest => Err(Failure::request(format!(
            "{}: is a boot image; `capos check` prints what it grants",
            file.display()
        ))),
        Subject::Image { bytes, is_file } => {
            prepare::built(file, &bytes, is_file, &options.kernel_option).map(Some)
        }
    }
}

/// A manifest and an image say themselves what their processes get.
fn only_for_modules(options: &RunOptions, file: &Path, arguments: &[OsString]) -> Result<(), Failure> {
    let given = [
        (!arguments.is_empty(), "arguments"),
        (!options.env.is_empty(), "--env"),
        (options.fuel.is_some(), "--fuel"),
        (options.memory.is_some(), "--memory"),
        (options.argv0.is_some(), "--argv0"),
        (!options.deny.is_empty(), "--deny"),
    ];
    match given.iter().find(|(is_given, _)| *is_given) {
        None => Ok(()),
        Some((_, name)) => Err(Failure::request(format!(
            "{}: {name} cannot be given here; a manifest states what its processes get",
            file.display()
        ))),
    }
}

/// The module with everything that it is given.
fn instance(
    options: &RunOptions,
    file: &Path,
    module: Vec<u8>,
    arguments: &[OsString],
) -> Result<Instance, Failure> {
    Ok(Instance {
        binary: file.to_owned(),
        module: Some(module),
        argument0: options.argv0.as_ref().map(|it| it.as_bytes().to_vec()),
        arguments: arguments.iter().map(|it| it.as_bytes().to_vec()).collect(),
        environment: environment(&options.env, options.verbose)?,
        denied: denied(&options.deny)?,
        memory: options.memory,
        fuel: options.fuel,
        time: options.timeout,
        ..Instance::default()
    })
}

fn environment(options: &[OsString], is_verbose: bool) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut variables = Vec::new();
    for option in options {
        let bytes = option.as_bytes();
        let equals = bytes.iter().position(|byte| *byte == b'=');
        let (key, value) = match equals {
            Some(at) => (&bytes[..at], Some(bytes[at + 1..].to_vec())),
            None => (bytes, std::env::var_os(option).map(OsString::into_vec)),
        };
        let key = std::str::from_utf8(key).ok().filter(|key| !key.is_empty()).ok_or_else(|| {
            let shown = option.to_string_lossy();
            Failure::request(format!("--env {shown}: expected NAME=VALUE or NAME, with a name in UTF-8"))
        })?;
        // A variable that is not set here is not set there.
        match value {
            Some(value) => variables.push((key.to_owned(), value)),
            None if is_verbose => eprintln!("capos: --env {key}: is not set here, and not in the guest"),
            None => {}
        }
    }
    Ok(variables)
}

fn denied(names: &[String]) -> Result<Vec<String>, Failure> {
    let mut denied = Vec::new();
    for name in names {
        if GRANTS.contains(&name.as_str()) {
            denied.push(name.clone());
        } else if NEVER_GRANTED.contains(&name.as_str()) {
            eprintln!("capos: note: --deny {name} changes nothing: no program is granted that yet");
        } else {
            let accepted = GRANTS.join(", ");
            return Err(Failure::request(format!(
                "--deny {name}: no such grant; expected one of {accepted}"
            )));
        }
    }
    Ok(denied)
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

/// A module's time limit is kept by init, and by the host only as a backstop; for a manifest or an image `--timeout` is
/// the host's.
fn host_limit(traits: &Traits, option: Option<Duration>) -> Option<Duration> {
    let own = traits.time_limit.map(|limit| limit.saturating_add(TIME_LIMIT_GRACE));
    match (own, option) {
        (Some(own), Some(option)) if traits.time_limit == Some(option) => Some(own),
        (Some(own), Some(option)) => Some(own.min(option)),
        (own, option) => own.or(option),
    }
}

/// Enough for every limit to be reached, which is what the kernel asks for before it starts a process.
///
/// # Errors
/// It is more than three quarters of the host's memory; says what would be accepted.
fn memory_bytes(traits: &Traits, host: u64) -> Result<u64, Failure> {
    let wanted = traits.memory_total.saturating_add(traits.image_bytes).saturating_add(MEMORY_OVERHEAD);
    let most = (host / 4 * 3).max(MEMORY_MIN);
    if wanted <= most {
        return Ok(wanted.max(MEMORY_MIN).next_multiple_of(64 * MEBIBYTE));
    }
    let [wanted, most] = [wanted.div_ceil(MEBIBYTE), most / MEBIBYTE];
    let remedy = if traits.is_instance && !traits.has_several { "a lower --memory" } else { "lower limits" };
    Err(Failure::request(format!(
        "the memory limits need a machine of {wanted}MiB; here it can have {most}MiB, three quarters of this \
         host's memory: choose {remedy}"
    )))
}

fn host_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(u64::MAX >> 20) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_the_limits() {
        let traits = |memory_total| Traits { memory_total, ..Traits::default() };
        let host = 16 << 30;
        assert_eq!(memory_bytes(&traits(0), host), Ok(512 << 20));
        assert_eq!(memory_bytes(&traits(1 << 30), host), Ok((1 << 30) + (128 << 20)));
        assert_eq!(memory_bytes(&traits(300 << 20), 256 << 20), Ok(512 << 20));
        let most = (12 << 30) - MEMORY_OVERHEAD;
        assert_eq!(memory_bytes(&traits(most), host), Ok(12 << 30));
        let message = memory_bytes(&traits(most + 1), host).unwrap_err().message;
        assert!(message.contains("a machine of 12289MiB; here it can have 12288MiB"), "{message}");
        assert!(memory_bytes(&traits(u64::MAX), host).is_err());
    }

    #[test]
    fn the_host_waits_longer_than_the_guest() {
        let second = Duration::from_secs(1);
        let traits = |time_limit| Traits { time_limit, ..Traits::default() };
        assert_eq!(host_limit(&traits(None), None), None);
        assert_eq!(host_limit(&traits(Some(second)), Some(second)), Some(second * 6));
        assert_eq!(host_limit(&traits(None), Some(second)), Some(second));
        assert_eq!(host_limit(&traits(Some(second * 60)), Some(second)), Some(second));
    }

    #[test]
    fn variables_are_split_at_the_first_equals_sign() {
        let words = ["A=b=c".into(), "EMPTY=".into(), "CAPOS_NOT_SET_ANYWHERE".into()];
        let expected = vec![("A".to_owned(), b"b=c".to_vec()), ("EMPTY".to_owned(), Vec::new())];
        assert_eq!(environment(&words, false), Ok(expected));
        assert!(environment(&["=x".into()], false).is_err());
    }

    #[test]
    fn unknown_grants_are_refused() {
        assert_eq!(denied(&["timer".into(), "stdin".into()]), Ok(vec!["timer".to_owned()]));
        assert_eq!(
            denied(&["tiemr".into()]).unwrap_err().message,
            "--deny tiemr: no such grant; expected one of stdout, stderr, timer, random"
        );
    }
}
