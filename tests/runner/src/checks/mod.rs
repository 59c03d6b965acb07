//! Checks that need more than a case can say: several runs compared, an image changed, a pipe closed.
//!
//! Called by `schedule`; each file holds the checks of one subject.
//!
//! Invariant: a check that is not in [`ALL`] does not compile without a warning, and one that is in it is run.

use crate::guest::Guests;
use crate::place::Place;

/// What a check may use.
pub(crate) struct Tools<'a> {
    /// Where things are.
    pub(crate) place: &'a Place,
    /// Guests, built on demand.
    pub(crate) guests: &'a Guests,
}

/// One check. `run` returns the figures to print, or what is wrong.
pub(crate) struct Check {
    /// Its name: `suite/subject: what it shows`.
    pub(crate) name: &'static str,
    /// Does it.
    pub(crate) run: fn(&Tools<'_>) -> Result<String, String>,
}

/// Every check.
pub(crate) const ALL: &[Check] = &[];
