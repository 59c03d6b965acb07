//! The kernel's record of processes, read back.
//!
//! Used by the checks; the lines are those of `kernel/core/src/report.rs`.
//!
//! Invariant: a line about the end of a process that cannot be read is an error, never skipped.

/// The end of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its name.
    pub(crate) name: String,
    /// The word of its outcome.
    pub(crate) outcome: String,
    /// How often the processor was left to it.
    pub(crate) entries: u64,
    /// Its privilege level, as the kernel saw it.
    pub(crate) privilege_level: String,
    /// Bytes that its account held at most, and pages of its own that got a frame.
    pub(crate) memory: (u64, u64),
    /// Bytes that ring 0 kept for it.
    pub(crate) kernel_bytes: u64,
    /// Nanoseconds of the processor that it paid for.
    pub(crate) processor_time: u64,
    /// What its limits have refused it.
    pub(crate) refusals: u64,
    /// Frames that were free afterwards.
    pub(crate) free_frames: u64,
    /// Slots, nodes and bytes of the kernel's heap that were free afterwards.
    pub(crate) free_others: [u64; 3],
}

/// Every end in the log, in order.
pub(crate) fn ends(log: &str) -> Result<Vec<Ended>, String> {
    log.lines()
        .filter(|line| line.starts_with("[kernel] process ") && line.contains(" ring 3 entries "))
        .map(|line| end(line).ok_or_else(|| format!("this record cannot be read: {line}")))
        .collect()
}

fn end(line: &str) -> Option<Ended> {
    let (subject, rest) = line.strip_prefix("[kernel] process ")?.split_once("\": ")?;
    let (_, name) = subject.split_once(" \"")?;
    let (outcome, rest) = rest.split_once('(')?;
    let (_, rest) = rest.split_once(") ring 3 entries ")?;
    let mut fields = rest.split(", ");
    Some(Ended {
        name: name.to_owned(),
        outcome: outcome.to_owned(),
        entries: fields.next()?.parse().ok()?,
        privilege_level: fields.next()?.strip_prefix("cpl ")?.to_owned(),
        memory: (
            fields.next()?.strip_prefix("peak ")?.strip_suffix(" bytes")?.parse().ok()?,
            fields.next()?.strip_suffix(" pages touched")?.parse().ok()?,
        ),
        kernel_bytes: fields.next()?.strip_prefix("kernel ")?.strip_suffix(" bytes")?.parse().ok()?,
        processor_time: fields.next()?.strip_prefix("processor ")?.strip_suffix(" ns")?.parse().ok()?,
        refusals: fields.next()?.strip_suffix(" refused")?.parse().ok()?,
        free_frames: fields.next()?.strip_suffix(" frames")?.parse().ok()?,
        free_others: [
            fields.next()?.strip_suffix(" slots")?.parse().ok()?,
            fields.next()?.strip_suffix(" nodes")?.parse().ok()?,
            fields.next()?.strip_suffix(" heap bytes free")?.parse().ok()?,
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let line = "[kernel] process 3 \"hello\": exited(7) ring 3 entries 12, cpl 3, peak 65536 bytes, 9 pages \
                    touched, kernel 61440 bytes, processor 1500 ns, 2 refused, 100 frames, 128 slots, 90 nodes, 4096 heap bytes \
                    free\n";
        let ended = Ended {
            name: "hello".to_owned(),
            outcome: "exited".to_owned(),
            entries: 12,
            privilege_level: "3".to_owned(),
            memory: (65_536, 9),
            kernel_bytes: 61_440,
            processor_time: 1500,
            refusals: 2,
            free_frames: 100,
            free_others: [128, 90, 4096],
        };
        assert_eq!(ends(line), Ok(vec![ended]));
        assert!(ends("[kernel] process 3 \"hello\": exited(7) ring 3 entries many\n").is_err());
        assert_eq!(ends("[kernel] capOS 0.1.0\n"), Ok(vec![]));
    }
}
