//! One submission: decode, dispatch, complete.
//!
//! Called by `enter` with the kernel's own copy of the eight words.
//!
//! Invariant: each submission ends in exactly one completion, at once or by its operation.

use super::{Answer, Call, Origin};
use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::objects::Object;
use crate::processes::Process;
use crate::processes::thread::{Thread, ThreadState};
use capos_abi::error::{CallError, Transport};
use capos_abi::ring::{Completion, Opcode, Submission};
use capos_kernel_core::authority::{self, Authority};
use capos_kernel_core::capability::Capability;
use capos_kernel_core::pool::Id;

impl Kernel {
    /// Serves a submission for which a completion entry is promised.
    pub(crate) fn submit(&mut self, thread: Id<Thread>, process: Id<Process>, words: &[u64; 8]) {
        let answer = self.perform(thread, process, words);
        self.answer(thread, Submission::user_data_of(words), answer);
    }

    /// Completes a submission, unless it has become an operation.
    pub(crate) fn answer(&mut self, thread: Id<Thread>, user_data: u64, answer: Result<Answer, CallError>) {
        let completion = match answer {
            Ok(Answer::Parked | Answer::Unfinished) => return,
            Ok(Answer::Reply { length, capabilities, result }) => {
                Completion { user_data, result, capability_count: capabilities, length }
            }
            Err(error) => Completion::new(user_data, error.result()),
        };
        self.post(thread, &completion);
    }

    /// Writes a promised completion, and wakes the thread if it waited for it.
    pub(crate) fn post(&mut self, id: Id<Thread>, completion: &Completion) {
        if self.write_completion(id, completion) {
            self.wake(id);
        }
    }

    /// The same for the other side of a call, which runs next.
    pub(crate) fn post_to_peer(&mut self, id: Id<Thread>, completion: &Completion) {
        if self.write_completion(id, completion) {
            self.hand_over_to(id);
        }
    }

    /// Writes a promised completion; true if the thread waited for it.
    fn write_completion(&mut self, id: Id<Thread>, completion: &Completion) -> bool {
        let Some(thread) = self.threads.get_mut(id) else { return false };
        thread.ring.post(completion);
        matches!(thread.state, ThreadState::Waiting(wait)
            if u64::from(thread.ring.completions.ready()) >= wait.completions)
    }

    fn perform(
        &mut self,
        thread: Id<Thread>,
        process: Id<Process>,
        words: &[u64; 8],
    ) -> Result<Answer, CallError> {
        let layout = &self.threads.get(thread).ok_or(Transport::Disconnected)?.ring.layout;
        let origin = Origin { thread, process, submission: Submission::decode(words, layout)? };
        match origin.submission.opcode {
            Opcode::Call => self.call(&origin),
            Opcode::Nop => Ok(Answer::DONE),
            Opcode::Derive => self.derive(&origin),
            Opcode::Release => self.release_handle(&origin),
            Opcode::Cancel => self.cancel(&origin),
            Opcode::Park => self.park_on_word(&origin),
            Opcode::Unpark => self.unpark(&origin),
            Opcode::Revoke => self.revoke(&origin),
            Opcode::Receive => self.receive(&origin),
            Opcode::Return => self.return_reply(&origin),
            Opcode::ReturnAndReceive => self.return_and_receive(&origin),
        }
    }

    /// The capability that the submission names, if it works.
    pub(crate) fn named(&self, origin: &Origin) -> Result<Capability<Object>, Transport> {
        let process = self.processes.get(origin.process).ok_or(Transport::Disconnected)?;
        authority::working(&process.table, &self.slots, &self.nodes, origin.submission.handle)
    }

    fn call(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let capability = self.named(origin)?;
        let submission = &origin.submission;
        if submission.interface != capability.interface {
            return Err(Transport::WrongInterface.into());
        }
        if !capability.permits(submission.method) {
            let is_known = self.has_method(capability.object, submission.method);
            let error = if is_known { Transport::MethodDenied } else { Transport::NoSuchMethod };
            return Err(error.into());
        }
        let call = Call { origin, capability };
        // What goes to another process moves when it is received.
        if submission.send_count == 0 || matches!(capability.object, Object::Service(_)) {
            return self.invoke(&call);
        }
        let moved = self.check_send_list(origin)?;
        let answer = self.invoke(&call)?;
        self.finish_moves(origin.process, &moved);
        Ok(answer)
    }

    /// `derive`: a child with fewer methods, in the same table.
    fn derive(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let Submission { handle, operand: methods, .. } = origin.submission;
        let source = self.named(origin)?;
        source.restricted(methods)?;
        self.nodes.can_derive(source.node).map_err(Transport::from)?;
        self.prepare_slots(origin.process, 1)?;
        let process = self.processes.get_mut(origin.process).ok_or(Transport::Disconnected)?;
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        let (handle, derived) =
            authority.derive(&mut process.table, origin.process.index(), handle, methods)?;
        self.retain_reference(origin.process, derived.object);
        Ok(Answer::Reply { length: handle.0, capabilities: 0, result: 0 })
    }

    /// `release`: the handle names nothing any more. A revoked capability can be released too.
    fn release_handle(&mut self, origin: &Origin) -> Result<Answer, CallError> {
        let process = self.processes.get_mut(origin.process).ok_or(Transport::Disconnected)?;
        let mut authority = Authority { slots: &mut self.slots, nodes: &mut self.nodes };
        let (capability, owner) = authority.release(&mut process.table, origin.submission.handle)?;
        self.end_charge(owner);
        self.release_reference(origin.process, capability.object);
        Ok(Answer::DONE)
    }

    /// What follows when a capability has left the table of `holder`.
    pub(crate) fn drop_capability(&mut self, holder: Id<Process>, capability: &Capability<Object>) {
        let owner = self.nodes.release(capability.node);
        self.end_charge(owner);
        self.release_reference(holder, capability.object);
    }

    /// A node is nobody's any more, or free: its owner's charge for it ends.
    pub(crate) fn end_charge(&mut self, owner: Option<u32>) {
        if let Some(owner) = owner.and_then(|owner| self.processes.id_at(owner)) {
            self.return_entries(owner, Kind::Capability, 1);
        }
    }
}
