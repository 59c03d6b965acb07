//! The command line.
//!
//! Read by `command`; made by clap from the types below.
//!
//! Invariant: everything after FILE belongs to the guest, `--` and words that look like options included.

mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::accelerator::DEVICE;
pub use run::{RunOptions, Target};

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
  capos graph system.cue              print who may call whom
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
    /// Print who may call whom, in a manifest or a boot image
    Graph(GraphOptions),
    /// Tell what this machine can run, and what is missing
    Doctor(DoctorOptions),
    /// Print a script with which a shell completes the words of this command
    Completions(CompletionsOptions),
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
The exit status is 0, 1 if the file is refused, 2 for wrong usage. With --json a refusal is an object
on standard output too: {\"errors\": [{\"file\", \"line\", \"column\", \"path\", \"message\", \"accepted\"}]}.

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

/// `capos graph`.
#[derive(Debug, Args)]
#[command(after_help = "\
One line for each capability that a process is granted: who serves it, who may call it, its name there, its
interface and the methods.

The exit status is 0, 1 if the file is refused, 2 for wrong usage.

Example: capos graph system.cue")]
pub struct GraphOptions {
    /// A manifest or a boot image
    pub file: PathBuf,
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
#[command(
    after_help = "The exit status is 0 if everything can be run, 1 if something is missing, 2 for wrong usage.

Example: capos doctor"
)]
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
