//! Tail dispatch: the engine in the WASI host that ships jumps from one operation to the next.
//!
//! Called by `main`. Calls `llvm-objdump-22` on the program with symbols that the last build left. The engine chooses its
//! dispatch by the optimization level alone, and the compiler may still leave a call where a jump was meant: loops are then
//! several times slower, or each round keeps a stack frame until the stack overflows. So the handlers that end in a jump
//! through a register are counted.

use crate::repository::Repository;
use crate::{Verdict, run};

const PROGRAM: &str = "target/capos/lib/capos/capos-wasm.elf.debug";
/// Where the engine's handlers are, one function per operation.
const HANDLERS: &str = "<wasmi::engine::executor::handler::exec::";
/// Handlers in all. wasmi 2.0.0 with SIMD and 64-bit memories has 1,376; fewer would mean that the count looks at nothing.
const HANDLERS_LEAST: usize = 1300;
/// Functions among them that end the execution, or return to the handler that called them.
const NO_HANDLERS: [&str; 2] = ["memory_copy_within", "trap"];

/// Counts.
pub(crate) fn check(repository: &Repository, _: bool) -> Verdict {
    if !repository.root().join(PROGRAM).is_file() {
        return Ok(format!("{PROGRAM} not built"));
    }
    let mut objdump = repository.command("llvm-objdump-22");
    objdump.args(["--disassemble", "--demangle", "--no-show-raw-insn", "--no-leading-addr", PROGRAM]);
    let listing = run::output(&mut objdump).map_err(|complaint| vec![complaint])?;
    judge(&count(&listing))
}

/// What a listing shows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    handlers: usize,
    /// Names of those without a jump through a register; jumps into a table of places are none.
    others: Vec<String>,
}

fn count(listing: &str) -> Count {
    let mut count = Count::default();
    let mut current: Option<(&str, bool)> = None;
    // The empty name at the end closes the last function.
    for line in listing.lines().chain(["<>:"]) {
        let name = line.strip_suffix(">:").filter(|name| name.starts_with('<'));
        if let Some(name) = name {
            if let Some((handler, false)) = current {
                count.others.push(handler.to_owned());
            }
            current = name.strip_prefix(HANDLERS).map(|handler| (handler, false));
            count.handlers += usize::from(current.is_some());
        } else if let Some((_, jumps)) = &mut current {
            let mut words = line.split_whitespace();
            *jumps |=
                matches!(words.next(), Some("jmp" | "jmpq")) && words.any(|word| word.starts_with("*%"));
        }
    }
    count
}

fn judge(count: &Count) -> Verdict {
    let Count { handlers, others } = count;
    let jumping = handlers - others.len();
    let note = format!("{jumping} of {handlers} handlers jump on");
    if *handlers < HANDLERS_LEAST {
        return Err(vec![format!("{note}; at least {HANDLERS_LEAST} handlers were expected in {PROGRAM}")]);
    }
    let stuck: Vec<&str> =
        others.iter().map(String::as_str).filter(|name| !NO_HANDLERS.contains(name)).collect();
    if !stuck.is_empty() {
        let shown = stuck[..stuck.len().min(10)].join(", ");
        return Err(vec![format!("{note}; {} do not, among them {shown}", stuck.len())]);
    }
    Ok(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: &str = "\
<main>:\n\tjmpq\t*%rax\n\
<wasmi::engine::executor::handler::exec::one>:\n\taddq\t$1, %rax\n\tjmpq\t*%rcx\n\tint3\n\n\
<wasmi::engine::executor::handler::exec::two>:\n\tcallq\t*%rax\n\tretq\n\
<wasmi::engine::executor::handler::exec::three>:\n\tjmp\t*%r8\n\
<wasmi::engine::executor::handler::exec::four>:\n\tjmp\t0x20\n\tjmpq\t*0x37aba8(,%rax,8)\n\tretq\n";

    #[test]
    fn calls_and_direct_jumps_do_not_count() {
        let others = vec!["two".to_owned(), "four".to_owned()];
        assert_eq!(count(LISTING), Count { handlers: 4, others });
    }

    #[test]
    fn too_few_handlers_and_any_that_returns_fail() {
        let others = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert!(judge(&Count { handlers: 1376, others: others(&NO_HANDLERS) }).is_ok());
        assert!(judge(&Count { handlers: 1376, others: others(&["trap", "memory_grow"]) }).is_err());
        assert!(judge(&Count { handlers: 4, others: others(&[]) }).is_err());
        assert!(judge(&count("")).is_err());
    }
}
