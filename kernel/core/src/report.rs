//! The kernel's record of processes: how a fault and an end are written.
//!
//! One line each, in words that tests and people read. Called by the kernel when a process faults or has ended.
//!
//! Invariant: the text of a process (its name) is printed with control characters replaced, so that no process can forge
//! a line of the record.

use capos_abi::outcome::OutcomeKind;
use core::fmt::{Display, Formatter, Result, Write};

/// A processor exception in ring 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The exception's vector.
    pub vector: u8,
    /// The error code that the processor pushed, or 0.
    pub error_code: u32,
    /// The address of a page fault, or 0.
    pub address: u64,
    /// Where it happened.
    pub instruction_pointer: u64,
}

/// Who it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The number that the kernel gave it, from 1, never reused.
    pub number: u64,
    /// The name that its creator gave it.
    pub name: &'a str,
}

impl Display for Subject<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        write!(formatter, "process {} \"", self.number)?;
        for character in self.name.chars() {
            let is_plain = !character.is_control() && character != '"' && character != '\\';
            formatter.write_char(if is_plain { character } else { '?' })?;
        }
        formatter.write_char('"')
    }
}

/// The line about a fault.
#[derive(Clone, Copy, Debug)]
pub struct FaultLine<'a> {
    /// Who faulted.
    pub subject: Subject<'a>,
    /// What happened.
    pub fault: Fault,
}

impl Display for FaultLine<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let Fault { vector, error_code, address, instruction_pointer } = self.fault;
        let mnemonic = mnemonic(vector);
        write!(formatter, "{}: fault vector {vector} ({mnemonic}) error {error_code:#x} ", self.subject)?;
        write!(formatter, "address {address:#x} rip {instruction_pointer:#x}")
    }
}

/// The line about an end.
#[derive(Clone, Copy, Debug)]
pub struct EndLine<'a> {
    /// Who ended.
    pub subject: Subject<'a>,
    /// How.
    pub kind: OutcomeKind,
    /// With which code.
    pub code: u32,
    /// How often the processor was left to its ring 3.
    pub entries: u64,
    /// The privilege level it was seen to run at, if it ever left ring 3.
    pub privilege_level: Option<u8>,
    /// Bytes that its account held at most: committed pages, touched or not, page tables, rings and kernel objects.
    pub peak_bytes: u64,
    /// Pages of its own that got a frame, each counted as often as it got one.
    pub touched_pages: u64,
    /// Bytes that ring 0 kept for it when its end began: records, registers, rings, page tables, lists and slots.
    pub kernel_bytes: u64,
    /// Nanoseconds of the processor: its own, ring 0's on its behalf, and what servers did for it.
    pub processor_time: u64,
    /// What its limits have refused it, in numbers of times.
    pub refusals: u64,
    /// What is free in the machine now that everything it had is given back.
    pub free: Free,
}

/// What nobody has, of what everybody shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Free {
    /// Frames.
    pub frames: usize,
    /// Slots of capability tables.
    pub slots: usize,
    /// Nodes of the derivation tree.
    pub nodes: u32,
    /// Bytes of the kernel's heap.
    pub heap_bytes: usize,
}

impl Display for EndLine<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let word = self.kind.word();
        write!(formatter, "{}: {word}({}) ring 3 entries {}", self.subject, self.code, self.entries)?;
        match self.privilege_level {
            Some(level) => write!(formatter, ", cpl {level}")?,
            None => formatter.write_str(", cpl none")?,
        }
        write!(formatter, ", peak {} bytes, {} pages touched", self.peak_bytes, self.touched_pages)?;
        write!(formatter, ", kernel {} bytes", self.kernel_bytes)?;
        write!(formatter, ", processor {} ns, {} refused", self.processor_time, self.refusals)?;
        let Free { frames, slots, nodes, heap_bytes } = self.free;
        write!(formatter, ", {frames} frames, {slots} slots, {nodes} nodes, {heap_bytes} heap bytes free")
    }
}

/// The processor's short name of an exception.
#[must_use]
pub const fn mnemonic(vector: u8) -> &'static str {
    match vector {
        0 => "#DE",
        1 => "#DB",
        2 => "NMI",
        3 => "#BP",
        4 => "#OF",
        5 => "#BR",
        6 => "#UD",
        7 => "#NM",
        8 => "#DF",
        10 => "#TS",
        11 => "#NP",
        12 => "#SS",
        13 => "#GP",
        14 => "#PF",
        16 => "#MF",
        17 => "#AC",
        18 => "#MC",
        19 => "#XM",
        20 => "#VE",
        21 => "#CP",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    const SUBJECT: Subject<'_> = Subject { number: 3, name: "hello" };

    #[test]
    fn faults_are_one_line() {
        let fault = Fault { vector: 14, error_code: 6, address: 0, instruction_pointer: 0x20_1000 };
        assert_eq!(
            format!("{}", FaultLine { subject: SUBJECT, fault }),
            "process 3 \"hello\": fault vector 14 (#PF) error 0x6 address 0x0 rip 0x201000"
        );
    }

    #[test]
    fn ends_are_one_line() {
        let line = EndLine {
            subject: SUBJECT,
            kind: OutcomeKind::Exited,
            code: 7,
            entries: 12,
            privilege_level: Some(3),
            peak_bytes: 65_536,
            touched_pages: 9,
            kernel_bytes: 61_440,
            processor_time: 1500,
            refusals: 2,
            free: Free { frames: 100, slots: 128, nodes: 90, heap_bytes: 4096 },
        };
        let text = "process 3 \"hello\": exited(7) ring 3 entries 12, cpl 3, peak 65536 bytes, 9 pages touched, kernel 61440 bytes, processor 1500 ns, 2 refused, 100 frames, 128 slots, 90 nodes, 4096 heap bytes free";
        assert_eq!(format!("{line}"), text);
        let never_ran =
            EndLine { kind: OutcomeKind::Killed, code: 0, entries: 0, privilege_level: None, ..line };
        let text = "process 3 \"hello\": killed(0) ring 3 entries 0, cpl none, peak 65536 bytes, 9 pages touched, kernel 61440 bytes, processor 1500 ns, 2 refused, 100 frames, 128 slots, 90 nodes, 4096 heap bytes free";
        assert_eq!(format!("{never_ran}"), text);
    }

    #[test]
    fn names_cannot_forge_lines() {
        let subject = Subject { number: 1, name: "x\"\n[kernel] process 2" };
        assert_eq!(format!("{subject}"), "process 1 \"x??[kernel] process 2\"");
    }
}
