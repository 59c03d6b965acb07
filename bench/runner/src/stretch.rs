//! The longest stretch of ring 0 with interrupts off, while it does all that takes long.
//!
//! Called by `main`; boots `tests/kernel/stretch.cue` with the plugin, which counts the stretches. The suite holds the bound;
//! here the figure is recorded.
//!
//! Invariant: the whole run counts, from the first time that ring 3 is entered.

use crate::Counts;
use crate::machine::Machine;

/// Counts it.
///
/// # Errors
/// The program does not run, or the plugin has seen no stretch.
pub(crate) fn measure(machine: &Machine) -> Result<Counts, String> {
    let ran = machine.run(&["tests/kernel/stretch.cue"], &[], false)?;
    let longest = ran.stretches.first().ok_or("the plugin has seen no stretch of ring 0")?;
    Ok(Counts::from([("interrupts-off".to_owned(), *longest as f64)]))
}
