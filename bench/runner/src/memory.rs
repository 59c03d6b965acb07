//! Memory of an instance's process, from the line that the kernel's log has about its end.
//!
//! Called by `stages` with the logs of the boots that it counts; the line is `EndLine` in `kernel/core/src/report.rs`.
//!
//! Invariant: nothing is guessed: a log without such a line of such a process, or with two, gives no figures.

/// The first process is init; the instances follow.
const INIT: u64 = 1;

/// What the process of an instance took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    /// The most bytes that its account held: committed pages, page tables, rings, kernel objects; no shared pages.
    pub(crate) peak_bytes: u64,
    /// Pages of its own that got a frame.
    pub(crate) touched_pages: u64,
    /// Bytes that ring 0 kept for it, page tables included.
    pub(crate) kernel_bytes: u64,
}

/// The memory of the only instance of a run; `None` if the log does not say it.
pub(crate) fn of_instance(log: &str) -> Option<Memory> {
    let mut instances = log.lines().filter_map(end).filter(|(number, _)| *number != INIT);
    let (_, memory) = instances.next()?;
    instances.next().is_none().then_some(memory)
}

/// The memory of the first process with this name that ended; `None` if the log does not say it.
pub(crate) fn of_first(log: &str, name: &str) -> Option<Memory> {
    log.lines().find(|line| line.contains(&format!(" \"{name}\": "))).and_then(end).map(|(_, memory)| memory)
}

/// Number and memory of the process that this line tells the end of.
fn end(line: &str) -> Option<(u64, Memory)> {
    let (number, rest) = line.strip_prefix("[kernel] process ")?.split_once(" \"")?;
    // The name is the manifest's: what it contains must not pass for the end of it.
    let (_, fields) = rest.rsplit_once(") ring 3 entries ")?;
    let field = |prefix: &str, suffix: &str| {
        let mut found = fields.split(", ").filter_map(|it| it.strip_prefix(prefix)?.strip_suffix(suffix));
        found.next()?.parse::<u64>().ok()
    };
    let memory = Memory {
        peak_bytes: field("peak ", " bytes")?,
        touched_pages: field("", " pages touched")?,
        kernel_bytes: field("kernel ", " bytes")?,
    };
    Some((number.parse().ok()?, memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT_LINE: &str = "[kernel] process 1 \"init\": exited(0) ring 3 entries 9, cpl 3, peak 5 bytes, 6 pages \
                             touched, kernel 8 bytes, 7 frames free\n";
    const LINE: &str = "[kernel] process 2 \"hello\": exited(7) ring 3 entries 12, cpl 3, peak 65536 bytes, 9 pages \
                        touched, kernel 61440 bytes, 100 frames free\n";

    #[test]
    fn the_instance_is_the_process_that_is_not_init() {
        let memory = Some(Memory { peak_bytes: 65_536, touched_pages: 9, kernel_bytes: 61_440 });
        assert_eq!(of_instance(&format!("[kernel] capOS 0.1.0\n{LINE}{INIT_LINE}")), memory);
        assert_eq!(of_instance(LINE), memory);
        assert_eq!(of_instance(&LINE.replace("hello", "x) ring 3 entries 1, peak 3 bytes")), memory);
    }

    #[test]
    fn a_process_is_found_by_its_name() {
        let log = format!("{INIT_LINE}{LINE}{}", LINE.replace("9 pages", "10 pages"));
        assert_eq!(of_first(&log, "hello").map(|memory| memory.touched_pages), Some(9));
        assert_eq!(of_first(&log, "hell"), None);
    }

    #[test]
    fn what_does_not_say_it_gives_nothing() {
        for log in [
            String::new(),
            INIT_LINE.to_owned(),
            format!("{LINE}{LINE}"),
            LINE.replace("peak 65536 bytes, ", ""),
            LINE.replace("65536", "many"),
            LINE.replace(", 9 pages touched", ""),
            LINE.replace("kernel 61440 bytes, ", ""),
            LINE.replace("process 2", "process two"),
        ] {
            assert_eq!(of_instance(&log), None, "{log}");
        }
    }
}
