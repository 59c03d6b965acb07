//! The options of `capos run`.
//!
//! Part of `options`; read by `command::run`.
//!
//! Invariant: an option without a place in the help is for tests and for whoever works on capOS, and may change.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::accelerator::{Choice, DEVICE};
use crate::qemu::machine::Machine;
use crate::quantities::{parse_size, parse_time};

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
