//! The kinds of steps: one row each, with its weight.
//!
//! Drawn from by `generator`; a row that cannot be made just now is replaced by a nop.
//!
//! Invariant: together the rows use every opcode and reach every refusal that is reachable.

mod accepted;
mod refused;
mod served;
mod shared;

use super::generator::{Follow, Generator};
use super::step::{Effect, Expected, RECEIVE_LIST, SLOT_BYTES, Step, base};
use capos_abi::ring::{Opcode, Submission};

/// One kind of step.
pub(crate) struct Row {
    /// How often, relative to the others.
    pub(crate) weight: u64,
    /// Makes one.
    pub(crate) make: fn(&mut Generator) -> Option<Step>,
}

const fn row(weight: u64, make: fn(&mut Generator) -> Option<Step>) -> Row {
    Row { weight, make }
}

/// Ends the operation that waits. Not drawn: it follows by itself.
pub(crate) const CANCEL: Row = row(0, accepted::cancel);

/// All that are drawn.
pub(crate) const ROWS: &[Row] = &[
    row(8, |generator| Some(nop(generator))),
    row(8, accepted::clock),
    row(8, accepted::entropy),
    row(5, accepted::object_information),
    row(5, accepted::object_read),
    row(5, accepted::object_write),
    row(9, accepted::derive),
    row(14, accepted::release),
    row(12, accepted::revoke),
    row(2, accepted::release_revoked),
    row(4, accepted::usage),
    row(4, accepted::unpark),
    row(5, accepted::create_object),
    row(3, accepted::sleep_in_the_past),
    row(3, refused::sleep_until_cancelled),
    row(3, refused::park_until_cancelled),
    row(3, refused::unknown_opcode),
    row(4, refused::reserved_field),
    row(2, refused::unknown_flag),
    row(2, refused::message_too_large),
    row(2, refused::reply_too_large),
    row(3, refused::area_offset),
    row(3, refused::pointer_to_parameters),
    row(2, refused::pointer_to_result),
    row(2, refused::misaligned),
    row(2, refused::parked_address),
    row(5, refused::dead_handle),
    row(12, refused::revoked),
    row(4, refused::wrong_interface),
    row(4, refused::denied),
    row(3, refused::no_such_method),
    row(4, refused::malformed_message),
    row(3, refused::no_slot),
    row(3, refused::over_the_limit),
    row(3, refused::mask_not_within),
    row(3, refused::value_changed),
    row(3, refused::nothing_to_cancel),
    row(3, refused::transfer_list),
    row(3, refused::exception),
    row(3, served::call_until_cancelled),
    row(3, served::receive_until_cancelled),
    row(6, served::call_given_up),
    row(3, served::call_too_large),
    row(3, served::disconnected),
    row(3, served::dead_object),
    row(4, served::caller_gone),
    row(2, served::call_mints),
    row(4, shared::signal),
    row(4, shared::poll),
    row(5, shared::wait_until_signalled),
    row(3, shared::wait_until_cancelled),
    row(2, shared::wait_for_nothing),
    row(6, shared::map),
    row(8, shared::unmap),
    row(4, refused::noise),
];

/// The step that follows another by itself.
pub(crate) fn following(generator: &mut Generator, follow: Follow) -> Step {
    match follow {
        Follow::Signal(bits) => shared::end_wait(generator, bits),
        follow => served::following(generator, follow),
    }
}

/// A step from a submission.
fn step(generator: &Generator, kind: &'static str, submission: &Submission, expected: Expected) -> Step {
    Step {
        words: submission.encode(),
        area: [0; SLOT_BYTES],
        expected,
        effect: Effect::None,
        receive_list: base(generator.slot) + RECEIVE_LIST,
        kind,
    }
}

/// The step that always can be made.
pub(crate) fn nop(generator: &Generator) -> Step {
    step(generator, "nop", &Submission::new(Opcode::Nop, 0), Expected::Success)
}
