//! How many of each thing there can be, from how much memory the machine has.
//!
//! The kernel's tables are made once, at start-up, and a place in one takes memory only when it is first used; what is set
//! aside must still be there. Called by the kernel before it makes them.
//!
//! Invariant: more memory never means a smaller table, and every machine has tables for a system of [`LEAST_PROCESSES`].

/// Bytes of the machine's memory for each process that there can be: what a small WebAssembly program takes with all that
/// the kernel keeps for it.
pub const BYTES_FOR_A_PROCESS: u64 = 512 << 10;
/// Processes for which even the smallest machine has places.
pub const LEAST_PROCESSES: u32 = 64;
/// Processes at most: what two parts of memory for the heap can keep in view.
pub const MOST_PROCESSES: u32 = 4096;

/// The largest number of each thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Processes, and so threads and shares of the processor.
    pub processes: u32,
    /// Operations in progress: at least as many as there are processes or mappings.
    pub operations: u32,
    /// Memory objects.
    pub memory_objects: u32,
    /// Mappings of memory objects; what programs were started from does not count.
    pub mappings: u32,
    /// Endpoints.
    pub endpoints: u32,
    /// Objects of endpoints, their roots included.
    pub minted: u32,
    /// Notifications.
    pub notifications: u32,
}

const fn at_least(number: u32, least: u32) -> u32 {
    if number > least { number } else { least }
}

impl Sizes {
    /// The sizes for a machine with this much memory.
    #[must_use]
    pub const fn of_machine(bytes: u64) -> Sizes {
        let affordable = bytes / BYTES_FOR_A_PROCESS;
        let most = if affordable < MOST_PROCESSES as u64 { affordable as u32 } else { MOST_PROCESSES };
        let processes = at_least(most, LEAST_PROCESSES);
        // Each process waits for something, is waited for, and has its module and its parameters.
        Sizes {
            processes,
            operations: at_least(4 * processes, 512),
            memory_objects: at_least(4 * processes, 512),
            mappings: at_least(4 * processes, 512),
            endpoints: at_least(processes / 2, 64),
            minted: at_least(4 * processes, 512),
            notifications: processes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_has_the_least_and_a_large_one_the_most() {
        let least = Sizes::of_machine(0);
        assert_eq!((least.processes, least.operations), (LEAST_PROCESSES, 512));
        assert_eq!(Sizes::of_machine(32 << 20), least);
        assert_eq!(Sizes::of_machine(512 << 20).operations, 4096);
        assert_eq!(Sizes::of_machine(1 << 30).processes, 2048);
        assert_eq!(Sizes::of_machine(u64::MAX).processes, MOST_PROCESSES);
    }

    #[test]
    fn tables_only_grow_and_fit_their_numbers() {
        let mut before = Sizes::of_machine(0);
        for mebibytes in (0..10_000).step_by(if cfg!(miri) { 997 } else { 7 }) {
            let sizes = Sizes::of_machine(mebibytes << 20);
            let grown = [
                (before.processes, sizes.processes),
                (before.operations, sizes.operations),
                (before.memory_objects, sizes.memory_objects),
                (before.mappings, sizes.mappings),
                (before.endpoints, sizes.endpoints),
                (before.minted, sizes.minted),
                (before.notifications, sizes.notifications),
            ];
            assert!(grown.iter().all(|(before, now)| before <= now), "{sizes:?}");
            assert!(sizes.operations >= sizes.processes.max(sizes.mappings));
            before = sizes;
        }
    }
}
