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
use crate::endpoints::direct::{Direct, Target};
use crate::kernel::Kernel;
use crate::objects::{Object, timer};
use crate::processes::ring::Ring;
use crate::processes::thread::{Thread, Wait};
use capos_abi::error::CallError;
use capos_abi::handle::Handle;
use capos_abi::ring::{Completion, Opcode, Submission};
use capos_abi::system_call::{DEADLINE_NEVER, DEADLINE_NOW, SystemCall};
use capos_kernel_core::capability::{Capability, SlotStore, Table};
use capos_kernel_core::derivation::Tree;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::time::Clock;
use capos_kernel_hal::user::Seat;
use capos_schema::endpoint::Endpoint;

/// What the short way reads.
pub(crate) struct Readable<'k> {
    /// The caller's capabilities.
    pub(crate) table: &'k Table,
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

/// What came of a system call on the short way.
pub(crate) enum Lone {
    /// It is answered: the thread goes on in ring 3.
    Answered,
    /// It is a call for [`Kernel::finish_lone`].
    Taken(Taken),
    /// It is a call to another process, or the answer to one, for the scheduler to go on with, and nothing has changed.
    Direct(Direct),
    /// It is something else, and nothing has changed.
    Other,
}

/// Serves the system call of a thread that has just left ring 3, if it has the frequent shape. A call that goes on directly
/// leaves its submission in `words`.
#[inline(always)] // One caller, in the loop around ring 3.
pub(crate) fn serve(
    seat: &mut Seat<'_>,
    ring: &mut Ring,
    readable: &Readable<'_>,
    words: &mut [u64; 8],
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
    if !ring.copy_submission(words) {
        return Lone::Other;
    }
    let is_return = words[0] as u8 == Opcode::ReturnAndReceive as u8;
    if !is_return && !Submission::is_plain_call(words, ring.message_limit) {
        return Lone::Other;
    }
    let handle = Handle((words[0] >> 32) as u32);
    let Ok(capability) = readable.table.get(readable.slots, handle) else { return Lone::Other };
    if !readable.nodes.is_live(capability.node) || !ring.completions.has_room() {
        return Lone::Other;
    }
    // Somebody waits here, for an answer or for the next call.
    let is_waiting = u64::from(ready) < completions && deadline == DEADLINE_NEVER;
    let node = capability.node;
    if is_return {
        let Object::Endpoint(endpoint) = capability.object else { return Lone::Other };
        let is_permitted = capability.permits(Endpoint::RECEIVE)
            && is_waiting
            && Submission::is_plain_return(words, ring.message_limit);
        let to = Target::Endpoint(endpoint);
        return if is_permitted { Lone::Direct(Direct { to, node, completions }) } else { Lone::Other };
    }
    if words[1] != capability.interface || !capability.permits((words[0] >> 16) as u16) {
        return Lone::Other;
    }
    if let Object::Service(object) = capability.object
        && is_waiting
    {
        return Lone::Direct(Direct { to: Target::Object(object), node, completions });
    }
    let submission = Submission::of_plain_call(words);
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
    Lone::Taken(Taken { submission, capability: *capability, wait })
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
