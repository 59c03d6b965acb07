//! The endpoints of all services: init holds their receive sides, and lends them to each instance.
//!
//! Made by `run` before the first process; used by `spawn` and `supervise`.
//!
//! Invariant: an endpoint lives as long as its process runs or is to be started again; its root object, which clients hold,
//! with it.

use alloc::vec::Vec;

use capos_rt::schema::endpoint::Endpoint;
use capos_rt::{Cap, Untyped};

use crate::authority::Authority;
use crate::end::Refusal;
use crate::plan::{Plan, Process};

/// One endpoint.
pub struct Served {
    /// The receive side.
    pub endpoint: Cap<Endpoint>,
    /// What others call.
    pub root: Cap<Untyped>,
}

/// The endpoints of each process, in the order of the plan; none for one that is closed.
pub struct Services<'p, 'm> {
    plan: &'p Plan<'m>,
    served: Vec<Vec<Served>>,
}

impl<'p, 'm> Services<'p, 'm> {
    /// Makes all endpoints of a plan.
    ///
    /// # Errors
    /// If the kernel has no room for one.
    pub fn open(authority: &Authority, plan: &'p Plan<'m>) -> Result<Services<'p, 'm>, Refusal> {
        let mut served = Vec::new();
        for process in &plan.processes {
            let mut endpoints = Vec::new();
            for service in &process.serves {
                let made = authority.spawner.create_endpoint(service.interface, service.methods).map_err(
                    |error| {
                        let name = &service.name;
                        Refusal::invalid(&process.name, format_args!("service \"{name}\": {error}"))
                    },
                )?;
                endpoints.push(Served { endpoint: made.receiver, root: made.root });
            }
            served.push(endpoints);
        }
        Ok(Services { plan, served })
    }

    /// The process at `place`.
    #[must_use]
    pub fn process(&self, place: usize) -> &'p Process<'m> {
        &self.plan.processes[place]
    }

    /// The endpoints of the process at `place`, in the order of its services.
    #[must_use]
    pub fn of(&self, place: usize) -> &[Served] {
        self.served.get(place).map_or(&[], Vec::as_slice)
    }

    /// The endpoint that a process serves under a name, if it is open.
    #[must_use]
    pub fn find(&self, process: &str, name: &str) -> Option<&Served> {
        let place = self.plan.processes.iter().position(|server| server.name == process)?;
        let service = self.plan.processes[place].serves.iter().position(|service| service.name == name)?;
        self.served.get(place)?.get(service)
    }

    /// Closes what the process at `place` served: calls that wait, and all later ones, complete as "disconnected".
    pub fn close(&mut self, place: usize) {
        if let Some(endpoints) = self.served.get_mut(place) {
            endpoints.clear();
        }
    }
}
