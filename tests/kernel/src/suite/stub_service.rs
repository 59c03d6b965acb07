//! A service on generated stubs that the suite runs itself, for tests of the stubs and of the server loop.
//!
//! Used by `stubs` and `stub_answers`. The suite is client and server at once: each step of the loop is a call of the test.
//!
//! Invariant: the service does what the test told it, and writes down what it was asked.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Exception};
use capos_rt::schema::accounting::Accounting;
use capos_rt::schema::console::{Console, ConsoleStream};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::schema::interface::Interface;
use capos_rt::schema::memory_object::{MemoryObject, MemoryObjectInfoResults};
use capos_rt::schema::notification::Notification;
use capos_rt::schema::process_handle::{ProcessHandle, ProcessHandleFault, ProcessHandleWaitResults};
use capos_rt::schema::timer::Timer;
use capos_rt::server::{
    Answer, Call, ConsoleFinish, ConsoleOpen, ConsoleServer, ConsoleWrite, Given, Kept, Loop,
    MemoryObjectInfo, MemoryObjectRead, MemoryObjectSeal, MemoryObjectServer, MemoryObjectWrite, Next,
    ProcessHandleAccounting, ProcessHandleBind, ProcessHandleGrant, ProcessHandleKill, ProcessHandleServer,
    ProcessHandleStart, ProcessHandleWait, Server, Sizes, TimerNow, TimerResolution, TimerServer, TimerSleep,
    Token, Unanswered,
};
use capos_rt::{Cap, Deadline, Pending, Untyped};

use crate::context::Context;
use crate::harness::{Outcome, done, equal};

/// What fits the message area.
pub(crate) const SMALL: Sizes = Sizes { request: 256, reply: 256 };

/// Serves four interfaces.
#[derive(Default)]
pub(crate) struct Recorder {
    /// What it was asked, in words.
    pub(crate) told: Vec<String>,
    /// The bytes of its memory object.
    pub(crate) contents: Vec<u8>,
    /// What it gives out: a copy, or itself.
    pub(crate) clock: Option<Cap<Console>>,
    /// Sleeps that it has not answered.
    pub(crate) kept: Vec<Kept<TimerSleep>>,
    /// What it refuses each write with.
    pub(crate) refusal: Option<Exception>,
    /// Tokens of callers that have gone.
    pub(crate) abandoned: Vec<Token>,
}

impl Server for Recorder {
    type Interfaces = (Console, MemoryObject, ProcessHandle, Timer);

    fn unreferenced(&mut self, cookie: u64, _: u64) {
        self.told.push(format!("unreferenced {cookie}"));
    }

    fn abandoned(&mut self, token: Token) {
        self.abandoned.push(token);
        self.kept.retain(|kept| kept.token() != token);
    }
}

impl ConsoleServer for Recorder {
    fn finish(
        &mut self,
        _call: Call<'_, ConsoleFinish>,
        _kind: u16,
        _code: u32,
        _process: &str,
        _report: &str,
    ) -> Answer<()> {
        Err(Exception::Unimplemented.into())
    }

    fn write(&mut self, call: Call<'_, ConsoleWrite>, bytes: &[u8]) -> Answer<u32> {
        if let Some(exception) = self.refusal {
            return Err(exception.into());
        }
        self.told.push(format!("{}: write {}", call.cookie(), String::from_utf8_lossy(bytes)));
        Ok(bytes.len() as u32)
    }

    fn open(
        &mut self,
        mut call: Call<'_, ConsoleOpen>,
        name: &str,
        stream: ConsoleStream,
    ) -> Answer<Given<Console>> {
        self.told.push(format!("{}: open {name} {stream:?}", call.cookie()));
        let clock = self.clock.take();
        match (name, clock) {
            ("copy", Some(clock)) => {
                let given = call.copy(&clock);
                self.clock = Some(clock);
                Ok(given)
            }
            ("give", Some(clock)) => Ok(call.give(clock)),
            ("give and refuse", Some(clock)) => {
                let _ = call.give(clock);
                Err(Exception::Overloaded.into())
            }
            _ => Ok(call.mint(7, 1 << Console::WRITE)),
        }
    }
}

impl MemoryObjectServer for Recorder {
    fn info(&mut self, _: Call<'_, MemoryObjectInfo>) -> Answer<MemoryObjectInfoResults> {
        Ok(MemoryObjectInfoResults { bytes: self.contents.len() as u64, is_sealed: true })
    }

    fn read(&mut self, _: Call<'_, MemoryObjectRead>, offset: u64, length: u32) -> Answer<&[u8]> {
        let range = offset as usize..offset as usize + length as usize;
        self.contents.get(range).ok_or(Exception::InvalidArgument.into())
    }

    fn write(&mut self, _: Call<'_, MemoryObjectWrite>, offset: u64, bytes: &[u8]) -> Answer<()> {
        self.contents.truncate(offset as usize);
        self.contents.extend_from_slice(bytes);
        Ok(())
    }

    fn seal(&mut self, _: Call<'_, MemoryObjectSeal>) -> Answer<()> {
        Ok(())
    }
}

impl ProcessHandleServer for Recorder {
    fn grant(
        &mut self,
        _: Call<'_, ProcessHandleGrant>,
        name: &str,
        capability: Cap<Untyped>,
        methods: u64,
    ) -> Answer<()> {
        let clock: Cap<Timer> = capability.typed();
        let works = clock.now().is_ok();
        self.told.push(format!("grant {name} {methods:#b} {works}"));
        Ok(())
    }

    fn start(&mut self, _: Call<'_, ProcessHandleStart>) -> Answer<()> {
        self.told.push("start".into());
        Ok(())
    }

    fn wait(&mut self, _: Call<'_, ProcessHandleWait>) -> Answer<ProcessHandleWaitResults<'_>> {
        let fault =
            ProcessHandleFault { vector: 14, error_code: 6, address: 0x1000, instruction_pointer: 0x40_0000 };
        Ok(ProcessHandleWaitResults { kind: 3, code: 9, report: "it fell", fault })
    }

    fn kill(&mut self, _: Call<'_, ProcessHandleKill>, kind: u16) -> Answer<()> {
        self.told.push(format!("kill {kind}"));
        Ok(())
    }

    fn bind(
        &mut self,
        _: Call<'_, ProcessHandleBind>,
        notification: Cap<Notification>,
        bits: u64,
    ) -> Answer<()> {
        let works = notification.signal(bits).is_ok();
        self.told.push(format!("bind {bits:#b} {works}"));
        Ok(())
    }

    fn accounting(&mut self, mut call: Call<'_, ProcessHandleAccounting>) -> Answer<Given<Accounting>> {
        Ok(call.mint(8, Accounting::ALL_METHODS))
    }
}

impl TimerServer for Recorder {
    fn now(&mut self, _: Call<'_, TimerNow>) -> Answer<u64> {
        Ok(42)
    }

    fn sleep(&mut self, call: Call<'_, TimerSleep>, _: u64) -> Answer<()> {
        self.kept.push(call.keep());
        Err(Unanswered::Later)
    }

    /// Breaks the rule: it says "later" and keeps nothing.
    fn resolution(&mut self, _: Call<'_, TimerResolution>) -> Answer<u64> {
        Err(Unanswered::Later)
    }
}

/// An endpoint whose root is a `T`.
pub(crate) fn create<T: Interface>(context: &Context) -> Result<(Cap<Endpoint>, Cap<T>), String> {
    let all = T::DESCRIPTION.all_methods;
    let made = done("create endpoint", context.spawner.create_endpoint(T::DESCRIPTION.id, all))?;
    Ok((made.receiver, made.root.typed()))
}

/// An object of the endpoint.
pub(crate) fn mint<T: Interface>(endpoint: &Cap<Endpoint>, cookie: u64) -> Result<Cap<T>, String> {
    let all = T::DESCRIPTION.all_methods;
    Ok(done("mint", endpoint.mint(T::DESCRIPTION.id, cookie, all))?.typed())
}

/// A loop for the recorder.
pub(crate) fn serving(endpoint: &Cap<Endpoint>) -> Result<Loop<'_>, String> {
    done("loop", Loop::new::<Recorder>(endpoint, SMALL))
}

/// Hands the service one call or event.
pub(crate) fn step(serving: &mut Loop<'_>, service: &mut Recorder) -> Outcome {
    let next = done("next", serving.next(service, &[], Deadline::NEVER))?;
    equal("next", next, Next::Served)
}

/// Serves until the call is complete.
pub(crate) fn serve<R>(
    serving: &mut Loop<'_>,
    service: &mut Recorder,
    call: Pending<R>,
) -> Result<R, CallError> {
    while serving.next(service, &[call.call()], Deadline::NEVER)? == Next::Served {}
    call.wait()
}
