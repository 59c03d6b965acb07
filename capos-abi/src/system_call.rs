//! The one table of system calls.
//!
//! Used by the stubs in `capos-rt/src/sys` and by the kernel's dispatch; the book's chapter on the rings explains it.
//! Registers: number in `rax`; arguments in `rdi`, `rsi`, `rdx`, `r10`; result in `rax`. `SYSCALL` itself destroys `rcx`
//! and `r11`; every other register, SSE state included, is kept.
//!
//! Invariant: numbers are append-only, and an unknown number ends the process with a fault report: there is nobody to
//! give an error to who asked a real question.

macro_rules! system_calls {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal ($($argument:ident),*);)+) => {
        /// A system call by number.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum SystemCall { $($(#[doc = $doc])+ $name = $number,)+ }

        impl SystemCall {
            /// Every row of the table: call, name, argument names in register order.
            pub const TABLE: &'static [(SystemCall, &'static str, &'static [&'static str])] =
                &[$((SystemCall::$name, stringify!($name), &[$(stringify!($argument)),*]),)+];

            /// The call with this number, if there is one.
            #[must_use]
            pub const fn from_number(number: u64) -> Option<SystemCall> {
                match number { $($number => Some(SystemCall::$name),)+ _ => None }
            }
        }
    };
}

system_calls! {
    /// Ends the calling thread or the whole process; never returns. `scope` is [`ExitScope`]; `status` is an
    /// [`crate::outcome::ExitStatus`] word; the report is UTF-8 text of at most [`crate::outcome::REPORT_BYTES_MAX`] bytes
    /// (more is cut, an unreadable one is dropped).
    Exit = 0 (scope, status, report_address, report_length);
    /// Hands all new submissions to the kernel, then waits until `min_complete` completions are ready or `deadline` has
    /// passed. `deadline` is absolute, in nanoseconds of the monotonic clock; 0 says "now", `u64::MAX` says "never"; any
    /// other needs `timer`, the handle of a live Timer capability. Returns the number of completions ready in the ring,
    /// or a negative [`crate::error::Transport`] number in which case no submission was taken; but "no timer" also ends a wait
    /// whose Timer was revoked.
    Enter = 1 (min_complete, deadline, timer);
}

/// A deadline that has always passed: do not wait.
pub const DEADLINE_NOW: u64 = 0;

/// A deadline that never passes.
pub const DEADLINE_NEVER: u64 = u64::MAX;

/// What `exit` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum ExitScope {
    /// The calling thread; the last one ends its process.
    Thread = 0,
    /// The process with all its threads.
    Process = 1,
}

impl ExitScope {
    /// The scope with this number, if there is one.
    #[must_use]
    pub const fn from_number(number: u64) -> Option<ExitScope> {
        match number {
            0 => Some(ExitScope::Thread),
            1 => Some(ExitScope::Process),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_dense_and_consistent() {
        for (index, (call, _, arguments)) in SystemCall::TABLE.iter().enumerate() {
            assert_eq!(SystemCall::from_number(index as u64), Some(*call));
            assert!(arguments.len() <= 4);
        }
        assert_eq!(SystemCall::from_number(SystemCall::TABLE.len() as u64), None);
    }
}
