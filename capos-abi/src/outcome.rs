//! How a process ends, as a type.
//!
//! A process states its own end through `exit` (an [`ExitStatus`] word); the kernel adds the ends that a process cannot
//! state (fault, killed, memory). `ProcessHandle.wait` returns an [`OutcomeKind`] with a code and a report, init hands the
//! main process's to the host, and the host command turns it into its own exit status.
//!
//! Invariant: numbers are append-only; ring 3 cannot claim the kinds that only the kernel knows.

/// Bytes of an exit report that the kernel keeps; more is cut at a character boundary by the runtime.
pub const REPORT_BYTES_MAX: usize = 1024;

macro_rules! outcomes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $word:literal, claimed $by:ident;)+) => {
        /// The kinds of end, for every process and for a whole run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum OutcomeKind { $($(#[doc = $doc])+ $name = $number,)+ }

        impl OutcomeKind {
            /// Every kind, in order of its number.
            pub const ALL: &'static [OutcomeKind] = &[$(OutcomeKind::$name,)+];

            /// The kind with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<OutcomeKind> {
                match number { $($number => Some(OutcomeKind::$name),)+ _ => None }
            }

            /// The word used in reports and in `capos run --outcome`.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(OutcomeKind::$name => $word,)+ }
            }

            /// True if a process may state this end itself, through `exit`.
            #[must_use]
            pub const fn may_be_claimed(self) -> bool {
                match self { $(OutcomeKind::$name => outcomes!(@claim $by),)+ }
            }
        }
    };
    (@claim process) => { true };
    (@claim kernel) => { false };
}

outcomes! {
    /// It ended by itself; the code is its exit code.
    Exited = 0, "exited", claimed process;
    /// A wasm trap.
    Trap = 1, "trap", claimed process;
    /// The fuel budget was used up.
    Fuel = 2, "fuel", claimed process;
    /// The memory limit, or the machine's memory, was reached by something that cannot be refused.
    Memory = 3, "memory", claimed process;
    /// The supervisor's deadline passed.
    WallClock = 4, "wall clock", claimed kernel;
    /// The limit of output bytes was reached.
    Output = 5, "output", claimed process;
    /// The module, the image or the manifest was refused before it started.
    Invalid = 6, "invalid", claimed process;
    /// A processor exception in ring 3; the report names vector, address and instruction pointer.
    Fault = 7, "fault", claimed kernel;
    /// Ended by the holder of its ProcessHandle.
    Killed = 8, "killed", claimed kernel;
    /// A capability that it cannot go on without was revoked.
    Revoked = 9, "revoked", claimed process;
    /// capOS itself failed: a panic in a service or in the runtime.
    Internal = 10, "internal", claimed process;
}

/// The status word of the `exit` system call: kind in bits 32 to 47, code in bits 0 to 31, the rest zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    /// The kind of end; one that a process may claim.
    pub kind: OutcomeKind,
    /// The exit code; wasm's `proc_exit` has 32 bits.
    pub code: u32,
}

impl ExitStatus {
    /// The ordinary end with an exit code.
    #[must_use]
    pub const fn exited(code: u32) -> ExitStatus {
        ExitStatus { kind: OutcomeKind::Exited, code }
    }

    /// The word for the system call.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        ((self.kind as u64) << 32) | self.code as u64
    }

    /// Reads a word from ring 3. A word that no process may state is read as a failure of that process:
    /// [`OutcomeKind::Internal`] with the word's low half as code.
    #[must_use]
    pub const fn from_word(word: u64) -> ExitStatus {
        let code = word as u32;
        if word >> 48 == 0
            && let Some(kind) = OutcomeKind::from_number((word >> 32) as u16)
            && kind.may_be_claimed()
        {
            return ExitStatus { kind, code };
        }
        ExitStatus { kind: OutcomeKind::Internal, code }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for kind in OutcomeKind::ALL {
            assert_eq!(OutcomeKind::from_number(*kind as u16), Some(*kind));
            let status = ExitStatus { kind: *kind, code: 0xffff_ffff };
            let expected = if kind.may_be_claimed() { *kind } else { OutcomeKind::Internal };
            assert_eq!(ExitStatus::from_word(status.to_word()).kind, expected);
        }
    }

    #[test]
    fn nonsense_is_an_internal_failure() {
        assert_eq!(ExitStatus::from_word(u64::MAX).kind, OutcomeKind::Internal);
        assert_eq!(ExitStatus::from_word(1 << 48).kind, OutcomeKind::Internal);
    }
}
