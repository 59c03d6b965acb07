//! The command line.
//!
//! Read by `command`; made by clap from the types below.
//!
//! Invariant: everything after FILE belongs to the guest, `--` and words that look like options included.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::accelerator::{Choice, DEVICE};
use crate::qemu::machine::Machine;
use crate::quantities::{parse_size, parse_time};

/// Run WebAssembly programs on a capability microkernel, with nothing but what they are granted.
#[derive(Debug, Parser)]
#[command(
    name = "capos",
    version = VERSION,
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    arg_required_else_help = true,
    after_help = EXAMPLES
)]
pub struct Options {
    /// Print whose code the boot image and this command contain, and under which licences
    #[arg(long)]
    pub licenses: bool,

    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// The version, and the commit that it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CAPOS_COMMIT"), ")");

const EXAMPLES: &str = "\
Examples:
  capos run hello.wasm one two        run a WASI program
  capos run --fuel 1000000 app.wasm   with a limit of work
  capos run system.cue                boot the system that a manifest describes
  capos build system.cue -o sys.img   make a boot image of it
  capos check sys.img                 verify an image, and print who holds what
  capos doctor                        what this machine can run, and what is missing
  capos completions bash              what a shell needs to complete these words
  capos --licenses                    whose code this is, and under which licences";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run a WASI program, a manifest or a boot image
    Run(Box<RunOptions>),
    /// Make a boot image from a manifest
    Build(BuildOptions),
    /// Check a manifest or a boot image, and print who holds what
    Check(CheckOptions),
    /// Tell what this machine can run, and what is missing
    Doctor(DoctorOptions),
    /// Print a script with which a shell completes the words of this command
    Completions(CompletionsOptions),
}

/// `capos run`.
#[derive(Debug, Args)]
#[command(
    override_usage = "capos run [OPTIONS] FILE.wasm [ARGS]...\n       capos run [OPTIONS] MANIFEST.cue\n       capos run [OPTIONS] IMAGE",
    disable_help_subcommand = true,
    subcommand_required = false,
    after_help = RUN_HELP
)]
pub struct RunOptions {
    /// Set a variable of the guest's environment, or hand on the one of that name, if it is set;
    /// the last one of a name counts
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<OsString>,

    /// End the guest after this many units of work, about one for each wasm instruction
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub fuel: Option<u64>,

    /// The most linear memory that the guest can have: bytes, or with KiB, MiB, GiB; at most 64GiB
    /// and three quarters of the host's memory [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub memory: Option<u64>,

    /// End the guest after this time: seconds, or with ms, s, m, h, up to 1000000h
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub timeout: Option<Duration>,

    /// The guest's name for itself [default: the file's name]
    #[arg(long, value_name = "NAME")]
    pub argv0: Option<OsString>,

    /// Withhold a grant: stdout, stderr, timer or random
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub deny: Vec<String>,

    /// The kind of machine
    #[arg(long, value_enum, default_value_t)]
    pub machine: Machine,

    /// What executes the guest's instructions [default: auto]
    #[arg(long, value_enum, value_name = "ACCELERATOR", hide_default_value = true)]
    pub accel: Option<Choice>,

    /// Write how the run ended to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub outcome: Option<PathBuf>,

    /// Print the manifest of what would run, and run nothing
    #[arg(long)]
    pub print_manifest: bool,

    /// Print the command line that would start QEMU, and run nothing
    #[arg(long, conflicts_with_all = ["print_manifest", "gdb"])]
    pub print_qemu: bool,

    /// Wait for a debugger, on a socket of its own or on this port of 127.0.0.1
    #[arg(long, value_name = "PORT", num_args = 0..=1, require_equals = true)]
    pub gdb: Option<Option<u16>>,

    /// Say on standard error what is done, and show the kernel's log
    #[arg(long, short)]
    pub verbose: bool,

    /// Write the kernel's log to this file
    #[arg(long, value_name = "FILE")]
    pub kernel_log: Option<PathBuf>,

    /// Options for the kernel
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    pub kernel_option: Vec<String>,

    /// QEMU's CPU model
    #[arg(long, value_name = "MODEL", hide = true)]
    pub cpu: Option<String>,

    /// QEMU's seed of random numbers
    #[arg(long, value_name = "N", hide = true)]
    pub seed: Option<u64>,

    /// A further argument for QEMU
    #[arg(long, alias = "qemu-arg", value_name = "ARGUMENT", hide = true, allow_hyphen_values = true)]
    pub qemu_argument: Vec<OsString>,

    /// How long the machine may be silent after its start
    #[arg(long, value_name = "TIME", hide = true, value_parser = parse_time)]
    pub start_limit: Option<Duration>,

    /// The device that says whether there is KVM
    #[arg(long, value_name = "PATH", hide = true, default_value = DEVICE)]
    pub kvm_device: PathBuf,

    /// FILE and what follows it.
    #[command(subcommand)]
    pub target: Option<Target>,
}

const RUN_HELP: &str = "\
A program gets its arguments, standard output, standard error, a monotonic clock and random numbers;
no environment, no directories, no network. Everything after FILE belongs to the program.

The exit status is the program's own (0 to 125); a code above 125 becomes 1, with a line on standard error.
  126 refused before start, wrong usage included      127 capOS failed
  129 SIGHUP       130 Ctrl-C       131 SIGQUIT       134 trap         137 memory limit
  141 the reader of the output is gone, without a line, as after SIGPIPE
  142 time limit   143 SIGTERM, killed, revoked       152 fuel         153 output limit

Examples:
  capos run --env HOME=/ --fuel 1000000 --timeout 5 app.wasm --its-own option
  capos run --deny timer,random app.wasm
  capos run --gdb system.cue
  capos run --print-qemu system.img";

/// What to run, verbatim: clap takes the first word that is no option as the name of a subcommand that it does not know.
#[derive(Debug, Subcommand)]
pub enum Target {
    /// FILE and the guest's arguments.
    #[command(external_subcommand)]
    Words(Vec<OsString>),
}

/// `capos build`.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit status is 0, 1 if the manifest is refused or the image cannot be written, 2 for wrong usage.

Example: capos build manifests/system-wasi-hello-rust.cue -o hello.img")]
pub struct BuildOptions {
    /// The manifest, a CUE file
    pub manifest: PathBuf,

    /// Where the boot image goes
    #[arg(long, short, value_name = "IMAGE")]
    pub output: PathBuf,

    /// Options for the kernel
    #[arg(long, value_name = "KEY=VALUE", hide = true)]
    pub kernel_option: Vec<String>,
}

/// `capos check`.
#[derive(Debug, Args)]
#[command(after_help = "\
The exit status is 0, 1 if the file is refused, 2 for wrong usage.

Examples:
  capos check system.cue              who holds what
  capos check --json hello.img        the same for programs, with the checksum of each part")]
pub struct CheckOptions {
    /// A manifest or a boot image
    pub file: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `capos completions`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  source <(capos completions bash)    for this shell
  capos completions zsh > ~/.zfunc/_capos
  capos completions fish > ~/.config/fish/completions/capos.fish")]
pub struct CompletionsOptions {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// The shells that there are completions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// The friendly interactive shell.
    Fish,
}

/// `capos doctor`.
#[derive(Debug, Args)]
#[command(after_help = "The exit status is 0 if a program can be run.

Example: capos doctor")]
pub struct DoctorOptions {
    /// The device that says whether there is KVM
    #[arg(long, value_name = "PATH", hide = true, default_value = DEVICE)]
    pub kvm_device: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn words(line: &str) -> Result<(RunOptions, Vec<String>), clap::Error> {
        let options = Options::try_parse_from(line.split(' '))?;
        let Some(Verb::Run(mut run)) = options.verb else { panic!("not run") };
        let words = match run.target.take() {
            Some(Target::Words(words)) => words,
            None => Vec::new(),
        };
        Ok((*run, words.into_iter().map(|it| it.into_string().unwrap()).collect()))
    }

    #[test]
    fn the_description_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn everything_after_the_file_is_the_guests() {
        let (options, found) = words("capos run --fuel 7 -v app.wasm -- --fuel 8 -x --help a").unwrap();
        assert_eq!((options.fuel, options.verbose), (Some(7), true));
        assert_eq!(found, ["app.wasm", "--", "--fuel", "8", "-x", "--help", "a"]);
        assert_eq!(words("capos run help help").unwrap().1, ["help", "help"]);
        assert_eq!(words("capos run x.wasm --").unwrap().1, ["x.wasm", "--"]);
    }

    #[test]
    fn wrong_options_are_refused() {
        for line in [
            "capos run --fuel 0 a.wasm",
            "capos run --bogus a.wasm",
            "capos run --memory 1X a.wasm",
            "capos run --timeout 0 a.wasm",
            "capos run --accel hvf a.wasm",
            "capos run --machine pc a.wasm",
        ] {
            assert!(words(line).is_err(), "{line}");
        }
    }

    #[test]
    fn several_grants_can_be_withheld() {
        let (options, _) = words("capos run --deny timer,random --deny stdout a.wasm").unwrap();
        assert_eq!(options.deny, ["timer", "random", "stdout"]);
    }
}
