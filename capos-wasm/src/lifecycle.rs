//! The one line about a run that an instance writes to its capability `log`, if it was granted one.
//!
//! Called by the `capos-wasm` program after the run; calls nobody.
//!
//! Invariant: a line that says "exited" is written only for a module whose entry was reached and returned or exited.

use alloc::format;
use alloc::string::String;

use crate::ending::Ending;

/// The line. `name` is what the module is called; one that imports nothing, exports nothing but its entry and returned from
/// it (`is_empty`) is called what it is.
#[must_use]
pub fn line(name: &str, is_empty: bool, ending: &Ending) -> String {
    match ending {
        Ending::Returned if is_empty => String::from("[wasm-host] empty module instantiated and exited\n"),
        Ending::Returned => format!("[wasm-host] module {name:?} instantiated and exited\n"),
        Ending::Exited(code) => {
            format!("[wasm-host] module {name:?} instantiated and exited with code {code}\n")
        }
        Ending::Invalid(refusal) => format!("[wasm-host] module {name:?} refused: {refusal}\n"),
        failed => {
            let kind = failed.status().kind.word();
            format!("[wasm-host] module {name:?} failed: {kind}: {}\n", failed.report())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::Refusal;

    #[test]
    fn the_line_tells_how_it_ended() {
        let returned = line("x", true, &Ending::Returned);
        assert_eq!(returned, "[wasm-host] empty module instantiated and exited\n");
        let exited = line("x", false, &Ending::Exited(0));
        assert_eq!(exited, "[wasm-host] module \"x\" instantiated and exited with code 0\n");
        let trap = line("a\nb", true, &Ending::Trap(String::from("integer overflow")));
        assert_eq!(trap, "[wasm-host] module \"a\\nb\" failed: trap: integer overflow\n");
        let refused = line("x", false, &Ending::Invalid(Refusal::Elf));
        assert!(refused.starts_with("[wasm-host] module \"x\" refused: this is an ELF program"));
    }
}
