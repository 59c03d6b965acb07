//! An image's data: shared until it is written, and then the writer's own.
//!
//! Called by `main`; starts `crash`, whose data says what each process sees. The case compares how many pages of their own
//! the processes took, from the kernel's record.
//!
//! Invariant: the names of the processes are what the case looks for.

use crate::child::{self, end};
use crate::context::Context;
use crate::harness::{Harness, Outcome, equal};

/// What `crash` has in its data.
const BYTE: u8 = b'd';

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "image data",
        &[
            ("it is what the image says", |context| exits_well(context, "read data")),
            ("what one process writes is its own", |context| exits_well(context, "write data")),
            ("the next one does not see it", |context| exits_well(context, "read data")),
            ("the kernel reads what nobody has touched", report),
            ("the kernel writes what is shared, for one process", |context| {
                exits_well(context, "data by call")
            }),
            ("the next one does not see that either", |context| exits_well(context, "read data")),
        ],
    );
}

fn exits_well(context: &Context, way: &str) -> Outcome {
    equal("end", end(&child::run(context, way)?), ("exited", 0))
}

fn report(context: &Context) -> Outcome {
    let reply = child::run(context, "report from data")?;
    equal("end", end(&reply), ("exited", 9))?;
    equal("report", reply.report.as_bytes(), &[BYTE; 64])
}
