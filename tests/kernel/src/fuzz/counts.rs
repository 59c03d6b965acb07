//! The score: how often each opcode was submitted and each answer came.
//!
//! Kept by the program `fuzz`, which prints it and fails if it is not enough.
//!
//! Invariant: every completion and every refused `enter` is counted exactly once.

use capos_abi::error::{Exception, Transport};
use capos_abi::ring::Opcode;
use core::fmt::{Display, Formatter, Result};

/// Refusals that no program can bring about now, each with the reason. All others must be reached.
pub const UNREACHABLE: &[(Transport, &str)] = &[
    (Transport::Revoking, "a batch is answered when its revocations are done; the suite reaches it"),
    (Transport::UnsupportedOpcode, "every opcode is served"),
    (Transport::OutOfMemory, "limits are carved out of what there is; the allocation sweep reaches it"),
];

/// Each reachable refusal at least this often.
pub(super) const REFUSALS_MIN: u32 = 100;
/// This share of all submissions must succeed, in percent.
pub(super) const ACCEPTED_PERCENT_MIN: u64 = 30;

const RESULTS: usize = Transport::ALL.len() + 1;

/// How often.
#[derive(Clone, Debug)]
pub struct Counts {
    opcodes: [u32; Opcode::ALL.len()],
    unknown_opcodes: u32,
    successes: u32,
    transport: [u32; RESULTS],
    exceptions: u32,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            opcodes: [0; Opcode::ALL.len()],
            unknown_opcodes: 0,
            successes: 0,
            transport: [0; RESULTS],
            exceptions: 0,
        }
    }
}

impl Counts {
    /// Counts a submission.
    pub fn submitted(&mut self, words: &[u64; 8]) {
        match self.opcodes.get_mut((words[0] & 0xff) as usize) {
            Some(count) => *count += 1,
            None => self.unknown_opcodes += 1,
        }
    }

    /// Counts an answer.
    pub fn answered(&mut self, result: i32) {
        match (result, Transport::from_result(result), Exception::from_result(result)) {
            (0.., ..) => self.successes += 1,
            (_, Some(_), _) => self.transport[-result as usize] += 1,
            _ => self.exceptions += 1,
        }
    }

    /// Submissions so far.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.unknown_opcodes + self.opcodes.iter().sum::<u32>()
    }

    /// The first thing that was not reached often enough.
    #[must_use]
    pub fn missing(&self) -> Option<Missing> {
        let reachable = |row: &&Transport| UNREACHABLE.iter().all(|(one, _)| one != *row);
        let refusal = Transport::ALL.iter().filter(reachable).find(|row| self.of(**row) < REFUSALS_MIN);
        if let Some(row) = refusal {
            return Some(Missing::Refusal(*row));
        }
        let mut opcodes = Opcode::ALL.iter().zip(&self.opcodes);
        if let Some((opcode, _)) = opcodes.find(|(_, count)| **count < REFUSALS_MIN) {
            return Some(Missing::Opcode(*opcode));
        }
        let enough = u64::from(self.successes) * 100 >= u64::from(self.total()) * ACCEPTED_PERCENT_MIN;
        if enough { None } else { Some(Missing::Successes) }
    }

    fn of(&self, row: Transport) -> u32 {
        self.transport[row.result().unsigned_abs() as usize]
    }
}

/// What was not reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// This refusal, often enough.
    Refusal(Transport),
    /// This opcode, often enough.
    Opcode(Opcode),
    /// Enough successes.
    Successes,
}

impl Display for Counts {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let total = self.total();
        let percent = u64::from(self.successes) * 100 / u64::from(total.max(1));
        writeln!(formatter, "{total} submissions, {} accepted ({percent} %)", self.successes)?;
        for (opcode, count) in Opcode::ALL.iter().zip(&self.opcodes) {
            writeln!(formatter, "  opcode {opcode:?}: {count}")?;
        }
        writeln!(formatter, "  unknown opcodes: {}", self.unknown_opcodes)?;
        for row in Transport::ALL {
            match UNREACHABLE.iter().find(|(one, _)| one == row) {
                Some((_, reason)) => {
                    writeln!(formatter, "  {row}: {}, not expected: {reason}", self.of(*row))?
                }
                None => writeln!(formatter, "  {row}: {}", self.of(*row))?,
            }
        }
        write!(formatter, "  exceptions: {}", self.exceptions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_reached_is_told() {
        let mut counts = Counts::default();
        assert_eq!(counts.missing(), Some(Missing::Refusal(Transport::BadHandle)));
        for row in Transport::ALL {
            (0..REFUSALS_MIN).for_each(|_| counts.answered(row.result()));
        }
        assert_eq!(counts.missing(), Some(Missing::Opcode(Opcode::Nop)));
        for opcode in Opcode::ALL {
            (0..REFUSALS_MIN).for_each(|_| counts.submitted(&[*opcode as u64, 0, 0, 0, 0, 0, 0, 0]));
        }
        assert_eq!(counts.missing(), Some(Missing::Successes));
        (0..counts.total()).for_each(|_| counts.answered(0));
        assert_eq!(counts.missing(), None);
    }
}
