//! Which lines of the kernel's log have addresses of code.
//!
//! Called by `symbols`. The lines are written by `kernel/hal` (failures of ring 0) and `kernel/core` (faults of ring 3).
//!
//! Invariant: an address is that of an instruction that was executed: of a return address, that of the call before it.

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// Ring 0.
    Kernel(Vec<u64>),
    /// A process of this name.
    Process { name: &'a str, addresses: Vec<u64> },
}

/// Reads a line; none if it has no address of code.
pub(super) fn read(line: &str) -> Option<Record<'_>> {
    let words = line.trim().strip_prefix("[kernel] ")?;
    if let Some(calls) = words.strip_prefix("called from") {
        let addresses = calls.split(' ').filter_map(number).map(|it| it.wrapping_sub(1)).collect();
        return Some(Record::Kernel(addresses));
    }
    if words.starts_with("exception ") {
        return Some(Record::Kernel(vec![after_rip(words)?]));
    }
    let (_, rest) = words.strip_prefix("process ")?.split_once('"')?;
    let (name, rest) = rest.split_once("\": fault ")?;
    Some(Record::Process { name, addresses: vec![after_rip(rest)?] })
}

fn after_rip(text: &str) -> Option<u64> {
    number(text.split(" rip ").nth(1)?.split(' ').next()?)
}

fn number(word: &str) -> Option<u64> {
    u64::from_str_radix(word.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read() {
        let process = |name, address| Some(Record::Process { name, addresses: vec![address] });
        let table = [
            ("[kernel] called from 0x11 0x21", Some(Record::Kernel(vec![0x10, 0x20]))),
            (
                "[kernel] exception 14 in ring 0: error 0x2 address 0x8 rip 0xffffffff80001234 rsp 0x1 flags 0x2",
                Some(Record::Kernel(vec![0xffff_ffff_8000_1234])),
            ),
            (
                "[kernel] process 3 \"hello\": fault vector 14 (#PF) error 0x6 address 0x0 rip 0x201000",
                process("hello", 0x20_1000),
            ),
            ("[kernel] process 3 \"hello\": exited(0) ring 3 entries 7, cpl 3", None),
            ("[kernel] process 3 \"hello\": fault vector 14", None),
            ("[boot] called from 0x1", None),
            ("", None),
        ];
        for (line, record) in table {
            assert_eq!(read(line), record, "{line}");
        }
    }
}
