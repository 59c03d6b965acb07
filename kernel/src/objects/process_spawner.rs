//! ProcessSpawner: the right to create processes, endpoints for those that serve, and notifications.
//!
//! Specified by `schema/interfaces/process_spawner.capnp`. Called by `invoke`; the process is made by `processes::build`,
//! the endpoint by
//! `endpoints`, the notification by `objects::notification`.
//!
//! Invariant: a child's limit is carved out of its creator's, and everything is checked before the first effect.

use crate::calls::message::{SMALL, WITH_NAME, malformed};
use crate::calls::transfer::Gift;
use crate::calls::{Answer, Call};
use crate::kernel::Kernel;
use crate::log::log_line;
use crate::memory::object::MemoryObject as Pages;
use crate::objects::Object;
use crate::processes::build::{BuildError, Request};
use crate::processes::layout::{PAGE, STACK_BYTES_DEFAULT, STACK_BYTES_MAX};
use crate::processes::name::Name;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::ring::{KERNEL_INTERFACE, Layout};
use capos_kernel_core::pool::Id;
use capos_kernel_core::share::Rate;
use capos_schema::endpoint::Endpoint;
use capos_schema::memory_object::MemoryObject;
use capos_schema::process_handle::ProcessHandle;
use capos_schema::process_spawner::{
    ProcessSpawner, ProcessSpawnerCreateEndpointParams, ProcessSpawnerCreateEndpointResults,
    ProcessSpawnerCreateParams, ProcessSpawnerCreateResults, ProcessSpawnerCreateWithinParams,
};
use capos_schema::virtual_memory::VirtualMemory;

/// The ring layout that a caller asks for; 0 is the default of each size, which for completions grows with submissions.
fn layout(submission_entries: u32, completion_entries: u32, area_bytes: u32) -> Option<Layout> {
    let default = Layout::DEFAULT;
    let or = |value, default| if value == 0 { default } else { value };
    let submission_entries = or(submission_entries, default.submission_entries);
    let least = submission_entries.saturating_mul(2).max(default.completion_entries);
    let completion_entries = or(completion_entries, least);
    let layout =
        Layout { submission_entries, completion_entries, area_bytes: or(area_bytes, default.area_bytes) };
    Some(layout).filter(Layout::is_valid)
}

/// Whole pages of stack; 0 is the default.
fn stack_bytes(bytes: u64) -> Option<u64> {
    match bytes {
        0 => Some(STACK_BYTES_DEFAULT),
        1..=STACK_BYTES_MAX => Some(bytes.next_multiple_of(PAGE)),
        _ => None,
    }
}

/// A budget for each period; none of both for no such limit.
fn rate(weight: u32, budget: u64, period: u64) -> Result<Option<Rate>, Exception> {
    let rate = Rate { budget, period };
    match (budget, period) {
        (0, 0) => Ok(None),
        _ if weight > 0 && rate.is_valid() => Ok(Some(rate)),
        _ => Err(Exception::InvalidArgument),
    }
}

impl Kernel {
    pub(crate) fn call_process_spawner(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            ProcessSpawner::CREATE => self.create_process(call),
            ProcessSpawner::CREATE_ENDPOINT => self.create_endpoint_for(call),
            ProcessSpawner::CREATE_WITHIN => self.create_process_within(call),
            ProcessSpawner::CREATE_NOTIFICATION => self.create_notification(call),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn create_endpoint_for(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let ProcessSpawnerCreateEndpointParams { interface, methods } =
            ProcessSpawnerCreateEndpointParams::decode(message.bytes()).map_err(malformed)?;
        if interface == KERNEL_INTERFACE {
            return Err(Exception::InvalidArgument.into());
        }
        self.prepare_reply(call, ProcessSpawnerCreateEndpointResults::FIXED_BYTES, 2)?;
        let creator = call.origin.process;
        let (receiver, root) = self
            .create_endpoint(creator, interface, methods)
            .inspect_err(|_| self.cancel_slots(creator, 2))?;
        self.give(call, 0, Gift::of::<Endpoint>(Object::Endpoint(receiver), Endpoint::ALL_METHODS))?;
        self.give(call, 1, Gift { object: Object::Service(root), interface, methods })?;
        let results = ProcessSpawnerCreateEndpointResults { receiver: Some(0), root: Some(1) };
        let answer = self.reply(call.origin, |out| results.encode(out))?;
        Ok(answer.with_capabilities(2))
    }

    fn create_process(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<WITH_NAME>(call)?;
        let params = ProcessSpawnerCreateParams::decode(message.bytes()).map_err(malformed)?;
        let name = Name::new(params.name).ok_or(Exception::InvalidArgument)?;
        let image = self.image_object(call, params.image)?;
        let layout = layout(params.submission_entries, params.completion_entries, params.area_bytes)
            .ok_or(Exception::InvalidArgument)?;
        let stack_bytes = stack_bytes(params.stack_bytes).ok_or(Exception::InvalidArgument)?;
        let request = Request {
            name,
            image,
            memory_limit: params.memory_limit,
            memory_reserve: params.memory_limit,
            stack_bytes,
            layout,
            weight: 0,
            rate: None,
            parent: Some(call.origin.process),
        };
        self.create_requested(call, &request)
    }

    fn create_process_within(&mut self, call: &Call<'_>) -> Result<Answer, CallError> {
        let message = self.parameters::<WITH_NAME>(call)?;
        let params = ProcessSpawnerCreateWithinParams::decode(message.bytes()).map_err(malformed)?;
        let image = self.image_object(call, params.image)?;
        let layout = layout(params.submission_entries, params.completion_entries, params.area_bytes)
            .ok_or(Exception::InvalidArgument)?;
        let request = Request {
            name: Name::new(params.name).ok_or(Exception::InvalidArgument)?,
            image,
            memory_limit: params.memory_limit,
            memory_reserve: params.memory_reserve,
            stack_bytes: stack_bytes(params.stack_bytes).ok_or(Exception::InvalidArgument)?,
            layout,
            weight: params.weight,
            rate: rate(params.weight, params.budget, params.period)?,
            parent: Some(call.origin.process),
        };
        if request.memory_reserve > request.memory_limit {
            return Err(Exception::InvalidArgument.into());
        }
        self.create_requested(call, &request)
    }

    fn create_requested(&mut self, call: &Call<'_>, request: &Request) -> Result<Answer, CallError> {
        // The replies of both methods are the same.
        self.prepare_reply(call, ProcessSpawnerCreateResults::FIXED_BYTES, 2)?;
        let process = match self.build_process(request) {
            Ok(process) => process,
            Err(error) => {
                self.cancel_slots(call.origin.process, 2);
                return Err(refusal(&request.name, error));
            }
        };
        let handle = Gift::of::<ProcessHandle>(Object::ProcessHandle(process), ProcessHandle::ALL_METHODS);
        let memory = Gift::of::<VirtualMemory>(Object::VirtualMemory(process), VirtualMemory::ALL_METHODS);
        self.give(call, 0, handle)?;
        self.give(call, 1, memory)?;
        let results = ProcessSpawnerCreateResults { process: Some(0), memory: Some(1) };
        let answer = self.reply(call.origin, |out| results.encode(out))?;
        Ok(answer.with_capabilities(2))
    }

    fn image_object(&self, call: &Call<'_>, index: Option<u32>) -> Result<Id<Pages>, CallError> {
        let capability = self.sent(call, index)?;
        let Object::MemoryObject(image) = capability.object else {
            return Err(Transport::WrongInterface.into());
        };
        if !capability.permits(MemoryObject::READ) {
            return Err(Transport::MethodDenied.into());
        }
        let object = self.memory_objects.get(image).ok_or(Transport::Disconnected)?;
        if object.is_sealed { Ok(image) } else { Err(Exception::InvalidArgument.into()) }
    }
}

fn refusal(name: &Name, error: BuildError) -> CallError {
    match error {
        BuildError::Elf(error) => {
            log_line!("process \"{}\" is refused: {}", name.as_str().escape_debug(), error.text());
            Exception::InvalidArgument.into()
        }
        BuildError::Transport(error) => error.into(),
    }
}
