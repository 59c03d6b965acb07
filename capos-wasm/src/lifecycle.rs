//! The one line about a run that an instance writes to its capability `log`, if it was granted one.
//!
//! Called by the `capos-wasm` program after the run; calls nobody.
//!
//! Invariant: a line that says "exited" is written only for a module whose entry was reached and returned or exited.

use alloc::format;
use alloc::string::String;

use crate::ending::Ending;

/// The line. `is_empty` tells a module that imports nothing and exports nothing but its entry; `name` is how any other is
/// called.
#[must_use]
pub fn line(name: &str, is_empty: bool, ending: &Ending) -> String {
    let module = if is_empty { String::from("empty module") } else { format!("module {name:?}") };
    match ending {
        Ending::Returned => format!("[wasm-host] {module} instantiated and exited\n"),
        Ending::Exited(code) => format!("[wasm-host] {module} instantiated and exited with code {code}\n"),
        Ending::Invalid(refusal) => format!("[wasm-host] {module} refused: {refusal}\n"),
        failed => {
            let kind = failed.status().kind.word();
            format!("[wasm-host] {module} failed: {kind}: {}\n", failed.report())
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
        let trap = line("a\nb", false, &Ending::Trap(String::from("integer overflow")));
        assert_eq!(trap, "[wasm-host] module \"a\\nb\" failed: trap: integer overflow\n");
        let refused = line("x", false, &Ending::Invalid(Refusal::Elf));
        assert!(refused.starts_with("[wasm-host] module \"x\" refused: this is an ELF program"));
    }
}
