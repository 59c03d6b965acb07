//! The short way of an `enter` with nothing to take, or with one submission that is a plain call: no capabilities, messages
//! in the message area.
//!
//! Almost every `enter` is one. [`serve`] is called by the scheduler before it looks at anything else, with no more than the
//! thread and what it may read; a call that needs the whole kernel goes on in [`Kernel::finish_lone`], one to another process
//! and the answer to it in `endpoints::direct`. A path of its own, so that what is rare costs nothing here.
//!
//! Invariant: whatever is not plain, or would be refused before the object sees it, is left to the general way untouched.
//! What is answered here changes the thread's ring and result and nothing else, so the scheduler need not look around.

use super::enter::Next;
use super::{Answer, Call, Origin};
use crate::endpoints::direct::Opening;
use crate::kernel::Kernel;
use crate::objects::{Object, timer};
use crate::processes::ring::Ring;
use crate::processes::thread::{Thread, Wait};
use capos_abi::error::CallError;
use capos_abi::handle::Handle;
use capos_abi::ring::{Completion, Submission, is_plain_call_head, is_plain_return_head};
use capos_abi::system_call::{DEADLINE_NEVER, DEADLINE_NOW, SystemCall};
use capos_kernel_core::capability::{Capability, SlotStore, Table};
use capos_kernel_core::derivation::Tree;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::time::Clock;
use capos_kernel_hal::user::Seat;
use capos_schema::endpoint::Endpoint as Receiving;

/// What the short way reads of the kernel.
pub(crate) struct Readable<'k> {
    pub(crate) slots: &'k SlotStore<Object>,
    pub(crate) nodes: &'k Tree,
    pub(crate) clock: &'k Clock,
}

/// A call that was taken from the ring, its completion entry promised, and checked against interface and mask.
pub(crate) struct Taken {
    submission: Submission,
    capability: Capability<Object>,
    wait: Wait,
}

/// What came of a system call on the short way. Small, so that it comes in registers.
#[derive(Clone, Copy)]
pub(crate) enum Lone {
    /// It is answered: the thread goes on in ring 3.
    Answered,
    /// It is a call for [`Kernel::finish_lone`].
    Taken,
    /// It is a call to another process, or the answer to one, that may go directly. Nothing has changed.
    Direct(Opening),
    /// It is something else, and nothing has changed.
    Other,
}

/// Serves the system call of a thread that has just left ring 3, if it has the frequent shape. What [`Lone::Taken`] means goes
/// into `taken`.
#[inline(always)] // One caller, in the loop around ring 3.
pub(crate) fn serve(
    seat: &mut Seat<'_>,
    ring: &mut Ring,
    table: &Table,
    readable: &Readable<'_>,
    taken: &mut Option<Taken>,
) -> Lone {
    let (number, [completions, deadline, ..]) = seat.system_call();
    if number != SystemCall::Enter as u64 || (deadline != DEADLINE_NEVER && deadline != DEADLINE_NOW) {
        return Lone::Other;
    }
    let pending = ring.pending();
    if pending > 1 || ring.observe().is_err() {
        return Lone::Other;
    }
    let ready = ring.completions.ready();
    if pending == 0 {
        if u64::from(ready) < completions && deadline != DEADLINE_NOW {
            return Lone::Other;
        }
        seat.set_result(ready.into());
        return Lone::Answered;
    }
    let Some(head) = ring.submission_head() else { return Lone::Other };
    let is_call = is_plain_call_head(&head);
    if !is_call && !is_plain_return_head(&head) {
        return Lone::Other;
    }
    let handle = Handle((head[0] >> 32) as u32);
    let Ok(capability) = table.get(readable.slots, handle) else { return Lone::Other };
    if !readable.nodes.is_live(capability.node) {
        return Lone::Other;
    }
    // For one completion more than there are: an answer, or the next call.
    let waits = || u64::from(ready) + 1 == completions && deadline == DEADLINE_NEVER;
    if !is_call {
        return match capability.object {
            Object::Endpoint(endpoint) if capability.permits(Receiving::RECEIVE) && waits() => {
                Lone::Direct(Opening::Return(endpoint, capability.node))
            }
            _ => Lone::Other,
        };
    }
    let method = (head[0] >> 16) as u16;
    if head[1] != capability.interface || !capability.permits(method) {
        return Lone::Other;
    }
    if let Object::Service(object) = capability.object
        && waits()
    {
        return Lone::Direct(Opening::Call(object, capability.node, head[0]));
    }
    if !ring.completions.has_room() {
        return Lone::Other;
    }
    let Some([user_data, parameters, lengths, results, operand, lists]) = ring.submission_rest() else {
        return Lone::Other;
    };
    let words = [head[0], head[1], user_data, parameters, lengths, results, operand, lists];
    let Some(submission) = Submission::decode_plain_call(&words, ring.message_limit) else {
        return Lone::Other;
    };
    ring.take_submission();
    ring.publish_taken();
    if (u64::from(ready) + 1 >= completions || deadline == DEADLINE_NOW)
        && capability.object == Object::Timer
        && let Some(results) = timer::read(readable.clock, submission.method)
        && submission.result_capacity as usize >= size_of_val(&results)
        && ring.write_area_words(submission.result_address, &results)
    {
        let length = size_of_val(&results) as u32;
        ring.complete(&Completion { length, ..Completion::new(submission.user_data, 0) });
        seat.set_result(u64::from(ready) + 1);
        return Lone::Answered;
    }
    ring.completions.promise();
    let wait = Wait { completions, deadline, timer: Handle::NULL };
    *taken = Some(Taken { submission, capability: *capability, wait });
    Lone::Taken
}

impl Kernel {
    /// Lets the object serve a taken call, writes the completion, and goes back to ring 3 if that is enough.
    #[inline(never)] // Its registers are not the loop's.
    pub(crate) fn finish_lone(&mut self, id: Id<Thread>, taken: &Taken) -> Next {
        let Some(process) = self.threads.get(id).map(|thread| thread.process) else { return Next::Leave };
        let origin = Origin { thread: id, process, submission: taken.submission };
        let answer = self.invoke(&Call { origin: &origin, capability: taken.capability });
        if let Some(completion) = completion_of(answer, taken.submission.user_data) {
            let Some(thread) = self.threads.get_mut(id) else { return Next::Leave };
            thread.ring.post(&completion);
        }
        self.conclude_enter(id, process, taken.wait, false)
    }
}

/// The completion of an answer; none for what is in progress.
fn completion_of(answer: Result<Answer, CallError>, user_data: u64) -> Option<Completion> {
    match answer {
        Ok(Answer::Parked | Answer::Unfinished) => None,
        Ok(Answer::Reply { length, capabilities, result }) => {
            Some(Completion { user_data, result, capability_count: capabilities, length })
        }
        Err(error) => Some(Completion::new(user_data, error.result())),
    }
}
