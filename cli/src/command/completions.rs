//! `capos completions`: what a shell needs to complete the words of this command.
//!
//! Called by `command`; the scripts are clap's.
//!
//! Invariant: what is completed is what [`Options`] accepts and its help shows.

use clap::CommandFactory;
use clap_complete::{Shell as Kind, generate};

use crate::failure::Failure;
use crate::options::{CompletionsOptions, Options, Shell};

/// Prints the script.
///
/// # Errors
/// It cannot be written.
pub(crate) fn completions(options: &CompletionsOptions) -> Result<(), Failure> {
    super::print(&script(options.shell))
}

fn script(shell: Shell) -> String {
    let kind = match shell {
        Shell::Bash => Kind::Bash,
        Shell::Zsh => Kind::Zsh,
        Shell::Fish => Kind::Fish,
    };
    let mut bytes = Vec::new();
    generate(kind, &mut Options::command(), "capos", &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_learns_every_verb_and_option() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for word in ["run", "build", "check", "doctor", "completions", "fuel", "print-qemu", "json"] {
                assert!(script.contains(word), "{shell:?} does not know {word}");
            }
        }
    }
}
