//! ProcessHandle: one process, to its creator.
//!
//! Specified by `schema/interfaces/process_handle.capnp`. Called by `invoke`; `wait` is completed by `processes::end`.
//!
//! Invariant: grants end with the start, so a running process's CapSet page never changes; `wait` completes only when
//! everything that the process held has been given back.

use crate::calls::message::{SMALL, WITH_NAME, malformed};
use crate::calls::operation::Parked;
use crate::calls::transfer::Gift;
use crate::calls::{Answer, Call, Origin};
use crate::kernel::Kernel;
use crate::objects::Object;
use crate::processes::{Outcome, Process, ProcessState};
use capos_abi::capset::{self, ENTRIES_MAX, Entry, PAGE_BYTES};
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::outcome::{OutcomeKind, REPORT_BYTES_MAX};
use capos_kernel_core::capability::Capability;
use capos_kernel_core::pool::Id;
use capos_schema::accounting::Accounting;
use capos_schema::process_handle::{
    ProcessHandle, ProcessHandleAccountingResults, ProcessHandleBindParams, ProcessHandleFault,
    ProcessHandleGrantParams, ProcessHandleKillParams, ProcessHandleWaitResults,
};

/// Bytes of a `wait` reply at most.
const WAIT_BYTES: usize = REPORT_BYTES_MAX + 128;

impl Kernel {
    pub(crate) fn call_process_handle(
        &mut self,
        call: &Call<'_>,
        id: Id<Process>,
    ) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            ProcessHandle::GRANT => self.grant(call, id),
            ProcessHandle::START => self.start(id),
            ProcessHandle::WAIT => self.wait(call, id),
            ProcessHandle::KILL => self.kill(call, id),
            ProcessHandle::ACCOUNTING => self.give_accounting(call, id),
            ProcessHandle::BIND => self.bind_end(call, id),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn give_accounting(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        self.prepare_reply(call, ProcessHandleAccountingResults::FIXED_BYTES, 1)?;
        self.give(call, 0, Gift::of::<Accounting>(Object::Accounting(id), Accounting::ALL_METHODS))?;
        let results = ProcessHandleAccountingResults { accounting: Some(0) };
        let answer = self.reply(call.origin, |out| results.encode(out))?;
        Ok(answer.with_capabilities(1))
    }

    /// The end sets bits of a notification from now on, and now if it is over.
    fn bind_end(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let ProcessHandleBindParams { notification, bits } =
            ProcessHandleBindParams::decode(message.bytes()).map_err(malformed)?;
        let notification = self.sent_notification(call, notification, bits)?;
        let process = self.processes.get_mut(id).ok_or(Transport::Disconnected)?;
        let before = process.bound.replace((notification, bits));
        let has_ended = process.state == ProcessState::Ended;
        self.retain_notification(notification);
        if let Some((before, _)) = before {
            self.release_notification(before);
        }
        if has_ended {
            self.signal_end(id);
        }
        Ok(Answer::DONE)
    }

    fn grant(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<WITH_NAME>(call)?;
        let ProcessHandleGrantParams { name, capability, methods } =
            ProcessHandleGrantParams::decode(message.bytes()).map_err(malformed)?;
        let capability = self.sent(call, capability)?;
        if methods & !capability.methods != 0 {
            return Err(Transport::MaskNotWithin.into());
        }
        self.grant_capability(id, name, Capability { methods, ..capability })
    }

    /// Puts a capability into the CapSet of a process that was not started: a child of the given one's node.
    ///
    /// # Errors
    /// Exceptions "failed" and "invalid argument", "revocation in progress", "no slot", "limit reached", "out of memory".
    pub(crate) fn grant_capability(
        &mut self,
        id: Id<Process>,
        name: &str,
        capability: Capability<Object>,
    ) -> Result<Answer, CallError> {
        let process = self.processes.get(id).ok_or(Transport::Disconnected)?;
        let capset = process.capset.clone().filter(|_| process.state == ProcessState::Created);
        let capset = capset.ok_or(Exception::Failed)?;
        let mut page = [0; PAGE_BYTES];
        capset.read(0, &mut page).map_err(|_| Exception::Failed)?;
        let is_acceptable = capset::is_valid_name(name)
            && capset::find(&page, name) == Ok(None)
            && capset::count(&page).is_ok_and(|count| count < ENTRIES_MAX);
        if !is_acceptable {
            return Err(Exception::InvalidArgument.into());
        }
        self.nodes.can_derive(capability.node).map_err(Transport::from)?;
        self.prepare_slots(id, 1)?;
        let handle = self.insert_child(id, capability.node, capability)?;
        let Capability { interface, methods, .. } = capability;
        capset::append(&mut page, &Entry { name, handle, interface, methods })
            .map_err(|_| Exception::Failed)?;
        capset.write(0, &page).map_err(|_| Exception::Failed)?;
        Ok(Answer::DONE)
    }

    /// Lets a process run.
    ///
    /// # Errors
    /// Exception "failed" if it was started before.
    pub(crate) fn start(&mut self, id: Id<Process>) -> Result<Answer, CallError> {
        let process = self.processes.get_mut(id).ok_or(Transport::Disconnected)?;
        let Some(thread) = process.thread.filter(|_| process.state == ProcessState::Created) else {
            return Err(Exception::Failed.into());
        };
        process.state = ProcessState::Running;
        self.enqueue(thread.index());
        Ok(Answer::DONE)
    }

    fn wait(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let process = self.processes.get(id).ok_or(Transport::Disconnected)?;
        if process.state == ProcessState::Ended {
            let length = self.reply_outcome(call.origin, id)?;
            return Ok(Answer::reply(length));
        }
        self.park(call.origin, Parked::ProcessEnd(id), Some(call.capability.node))?;
        Ok(Answer::Parked)
    }

    /// Writes the outcome of an ended process as the reply of a `wait`; returns its bytes.
    ///
    /// # Errors
    /// "too large", "bad address", "out of memory".
    pub(crate) fn reply_outcome(&mut self, origin: &Origin, id: Id<Process>) -> Result<usize, CallError> {
        let process = self.processes.get(id).ok_or(Transport::Disconnected)?;
        let Outcome { kind, code, fault, .. } = &process.outcome;
        let results = ProcessHandleWaitResults {
            kind: *kind as u16,
            code: *code,
            report: process.outcome.report(),
            fault: ProcessHandleFault {
                vector: fault.vector,
                error_code: fault.error_code,
                address: fault.address,
                instruction_pointer: fault.instruction_pointer,
            },
        };
        let mut bytes = [0; WAIT_BYTES];
        let length = results.encode(&mut bytes).map_err(|_| Transport::TooLarge)?;
        self.write_result(origin, 0, bytes.get(..length).unwrap_or(&[]))?;
        Ok(length)
    }

    fn kill(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let ProcessHandleKillParams { kind } =
            ProcessHandleKillParams::decode(message.bytes()).map_err(malformed)?;
        let kind = match OutcomeKind::from_number(kind) {
            Some(
                kind @ (OutcomeKind::Killed
                | OutcomeKind::WallClock
                | OutcomeKind::Revoked
                | OutcomeKind::Output),
            ) => kind,
            _ => return Err(Exception::InvalidArgument.into()),
        };
        self.end_process(id, Outcome::new(kind, 0));
        Ok(Answer::DONE)
    }
}
