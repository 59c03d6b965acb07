//! Accounting: what one process uses, and what it may.
//!
//! Specified by `schema/interfaces/accounting.capnp`. Called by `invoke`.
//!
//! Invariant: reading changes nothing; times are up to date.

use crate::calls::{Answer, Call};
use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::processes::Process;
use capos_abi::error::{CallError, Transport};
use capos_kernel_core::pool::Id;
use capos_kernel_core::share::{Budget, Rate, Share};
use capos_schema::accounting::{
    Accounting, AccountingActivityResults, AccountingMemoryResults, AccountingObjectsResults,
    AccountingProcessorResults,
};

impl Kernel {
    pub(crate) fn call_accounting(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Accounting::MEMORY => self.account_memory(call, id),
            Accounting::PROCESSOR => self.account_processor(call, id),
            Accounting::ACTIVITY => self.account_activity(call, id),
            Accounting::OBJECTS => self.account_objects(call, id),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn accounted(&self, id: Id<Process>) -> Result<&Process, Transport> {
        self.processes.get(id).ok_or(Transport::Disconnected)
    }

    fn account_memory(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let account = &self.accounted(id)?.account;
        let results = AccountingMemoryResults {
            limit: account.limit(),
            committed: account.used(),
            peak: account.peak(),
            reserve: account.reserve(),
            backed: account.backed(),
            refusals: account.refusals(),
        };
        self.reply(call.origin, |out| results.encode(out))
    }

    fn account_processor(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let now = self.settle_time();
        self.bill_process(call.origin.process);
        let processor = &self.accounted(id)?.processor;
        let budget = processor.share.as_ref().and_then(Share::budget).map(|budget| budget.at(now));
        let Rate { budget: of_each, period } = budget.map_or(Rate { budget: 0, period: 0 }, |one| one.rate());
        let results = AccountingProcessorResults {
            time: processor.time,
            children_time: processor.children_time,
            weight: processor.share.as_ref().map_or(0, Share::weight),
            budget: of_each,
            period,
            left: budget.as_ref().map_or(0, Budget::left),
        };
        self.reply(call.origin, |out| results.encode(out))
    }

    fn account_activity(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let process = self.accounted(id)?;
        let running =
            process.thread.and_then(|thread| self.threads.get(thread)).map_or(0, |thread| thread.wakes);
        let results = AccountingActivityResults {
            entries: process.entries,
            wakes: process.wakes + running,
            calls_made: process.calls_made,
            calls_served: process.calls_served,
        };
        self.reply(call.origin, |out| results.encode(out))
    }

    fn account_objects(&mut self, call: &Call<'_>, id: Id<Process>) -> Result<Answer, CallError> {
        let holdings = self.accounted(id)?.holdings;
        let results = AccountingObjectsResults {
            processes: holdings.count(Kind::Process),
            operations: holdings.count(Kind::Operation),
            capabilities: holdings.count(Kind::Capability),
            memory_objects: holdings.count(Kind::MemoryObject),
            mappings: holdings.count(Kind::Mapping),
            endpoints: holdings.count(Kind::Endpoint),
            minted: holdings.count(Kind::Minted),
            notifications: holdings.count(Kind::Notification),
        };
        self.reply(call.origin, |out| results.encode(out))
    }
}
