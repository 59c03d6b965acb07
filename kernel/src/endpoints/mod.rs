//! Endpoints: objects that a process serves, and the life of a call to one.
//!
//! An [`Endpoint`] is the receive side of a service; a [`Minted`] is an object of it, with the cookie that its server chose.
//! `receive` brings calls and receives together, from their `queues`, `reply` ends a call, `direct` does both on a short way (by `conversation`; `settling` leads from there to the general one), `events` tells servers what they must know, `end` is
//! the death of a server and of an endpoint. Called by `calls::submission` for the opcodes, by `objects` for references, by
//! `work` and by the end of processes; calls `calls::passage` for what travels.
//!
//! Invariant: a call is in the queue of its endpoint, or in the list of the process that received it; it completes exactly
//! once for its caller. No receive of a process waits at an endpoint that has an event for it. A record is charged to one
//! account until it goes.

mod conversation;
pub(crate) mod direct;
mod end;
mod events;
mod queues;
mod receive;
mod reply;
mod settling;

use crate::calls::operation::Operation;
use crate::holdings::Kind;
use crate::kernel::Kernel;
use crate::memory::charge::insert;
use crate::processes::Process;
use crate::processes::thread::Thread;
use capos_abi::error::Transport;
use capos_abi::ring::Mint;
use capos_kernel_core::fair_queue::FairQueue;
use capos_kernel_core::pool::Id;
use capos_kernel_hal::frames;

/// The receive side of a service.
pub(crate) struct Endpoint {
    /// Who is charged.
    pub(crate) account: Option<Id<Process>>,
    /// The object with the cookie 0.
    root: Option<Id<Minted>>,
    /// Capabilities to the receive side; without one it is closed.
    receivers: u32,
    /// The receive that has waited longest, if nothing was in the queue when it came: most servers have one and no other. On
    /// the direct way its thread,
    waiting: Option<Id<Thread>>,
    /// otherwise its record.
    front: Option<Id<Operation>>,
    /// All other receives, a line for each process.
    receives: FairQueue,
    /// Calls that wait, a line for each caller.
    pub(crate) calls: FairQueue,
    /// What servers have not been told, a line for each: calls that were given up, objects without capabilities.
    events: FairQueue,
}

impl Endpoint {
    const fn has_no_receives(&self) -> bool {
        self.waiting.is_none() && self.front.is_none() && self.receives.is_empty()
    }
}

/// An object of an endpoint.
pub(crate) struct Minted {
    endpoint: Id<Endpoint>,
    pub(crate) interface: u64,
    cookie: u64,
    /// The methods that there are.
    pub(crate) methods: u64,
    /// Numbers are never reused.
    number: u64,
    /// The process that minted it, with whose end it dies at once; none for the root. `end` takes away what is left.
    server: Option<Id<Process>>,
    /// Capabilities and calls that name it.
    holders: u32,
    /// Who is charged.
    pub(crate) account: Option<Id<Process>>,
}

impl Kernel {
    /// Makes an endpoint without holders and its root object, charged to `account`.
    ///
    /// # Errors
    /// "limit reached", "out of memory".
    pub(crate) fn create_endpoint(
        &mut self,
        account: Id<Process>,
        interface: u64,
        methods: u64,
    ) -> Result<(Id<Endpoint>, Id<Minted>), Transport> {
        self.prepare_minted(account, 1)?;
        let made = self.take_entries(account, Kind::Endpoint, 1).and_then(|()| {
            let queue = FairQueue::EMPTY;
            let endpoint = Endpoint {
                account: Some(account),
                root: None,
                receivers: 0,
                waiting: None,
                front: None,
                receives: queue,
                calls: queue,
                events: queue,
            };
            insert(&mut self.endpoints, endpoint).ok_or_else(|| {
                self.return_entries(account, Kind::Endpoint, 1);
                Transport::OutOfMemory
            })
        });
        let mint = Mint { interface, cookie: 0, methods };
        let id = made.inspect_err(|_| self.cancel_minted(account, 1))?;
        let root = self.insert_minted(account, id, None, mint).ok_or(Transport::OutOfMemory)?;
        if let Some(endpoint) = self.endpoints.get_mut(id) {
            endpoint.root = Some(root);
        }
        Ok((id, root))
    }

    /// Makes sure that `count` objects can be minted on behalf of `account`, and charges for them.
    ///
    /// # Errors
    /// "limit reached", "out of memory".
    pub(crate) fn prepare_minted(&mut self, account: Id<Process>, count: u32) -> Result<(), Transport> {
        if frames::is_refused() {
            return Err(Transport::OutOfMemory);
        }
        self.take_entries(account, Kind::Minted, count)
    }

    /// Takes back what [`Kernel::prepare_minted`] charged.
    pub(crate) fn cancel_minted(&mut self, account: Id<Process>, count: u32) {
        self.return_entries(account, Kind::Minted, count);
    }

    /// Makes an object without holders, behind [`Kernel::prepare_minted`]; `None` if that was not asked.
    pub(crate) fn insert_minted(
        &mut self,
        account: Id<Process>,
        endpoint: Id<Endpoint>,
        server: Option<Id<Process>>,
        mint: Mint,
    ) -> Option<Id<Minted>> {
        let Mint { interface, cookie, methods } = mint;
        let number = self.next_mint;
        self.next_mint += 1;
        if let Some(server) = server.and_then(|server| self.processes.get_mut(server)) {
            server.has_minted = true;
        }
        let (holders, account) = (0, Some(account));
        self.minted.insert(Minted { endpoint, interface, cookie, methods, number, server, holders, account })
    }

    /// True while somebody holds the receive side.
    pub(crate) fn is_open(&self, endpoint: Id<Endpoint>) -> bool {
        self.endpoints.get(endpoint).is_some_and(|endpoint| endpoint.receivers > 0)
    }

    /// The open endpoint of an object that works.
    ///
    /// # Errors
    /// "disconnected": the receive side, or the process that minted the object, is gone.
    fn endpoint_of(&self, object: Id<Minted>) -> Result<Id<Endpoint>, Transport> {
        let endpoint = self.working_object(object).map(|minted| minted.endpoint);
        endpoint.filter(|endpoint| self.is_open(*endpoint)).ok_or(Transport::Disconnected)
    }

    /// The object, if the process that minted it has not begun to end.
    fn working_object(&self, object: Id<Minted>) -> Option<&Minted> {
        self.minted.get(object).filter(|minted| !self.is_dead(minted))
    }

    fn is_dead(&self, minted: &Minted) -> bool {
        minted.server.is_some_and(|server| !self.is_running(server))
    }

    /// One more capability names the receive side.
    pub(crate) fn retain_endpoint(&mut self, endpoint: Id<Endpoint>) {
        if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
            endpoint.receivers += 1;
        }
    }

    /// One capability less names the receive side; behind the last one `work` closes the endpoint.
    pub(crate) fn release_endpoint(&mut self, id: Id<Endpoint>) {
        let Some(endpoint) = self.endpoints.get_mut(id) else { return };
        endpoint.receivers = endpoint.receivers.saturating_sub(1);
        if endpoint.receivers == 0 {
            self.work.add_endpoint(id);
        }
    }

    /// One more capability or call names the object.
    pub(crate) fn retain_minted(&mut self, object: Id<Minted>) {
        if let Some(minted) = self.minted.get_mut(object) {
            minted.holders += 1;
        }
    }

    /// One capability or call less names the object; behind the last one its server is told. The root stays for as long as
    /// the endpoint.
    pub(crate) fn release_minted(&mut self, id: Id<Minted>) {
        let Some(minted) = self.minted.get_mut(id) else { return };
        minted.holders = minted.holders.saturating_sub(1);
        if minted.holders > 0 {
            return;
        }
        let (endpoint, server) = (minted.endpoint, minted.server);
        if server.is_some_and(|server| !self.is_running(server)) || !self.is_open(endpoint) {
            self.remove_minted(id);
        } else if let Some(server) = server
            && !self.add_event(endpoint, Kernel::minted_element(id.index()), server)
        {
            self.remove_minted(id);
        }
    }

    fn remove_minted(&mut self, id: Id<Minted>) {
        if let Some(minted) = self.minted.remove(id)
            && let Some(account) = minted.account
        {
            self.return_entries(account, Kind::Minted, 1);
        }
    }
}
