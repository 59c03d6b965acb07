//! The console, as init hands it out: an object for each stream of each process, at whoever drives the console and serves it.
//!
//! Made by `run`; asked by `spawn` for what processes are granted, by `supervise` for init's own lines and the outcome. Calls
//! Endpoint and Console.
//!
//! Invariant: an object belongs to one stream for as long as the machine runs, whoever serves it: init makes it, so it does not die
//! with the driver. `finish` is init's alone. init waits for no write of its own: it is what starts the driver again.

use alloc::vec::Vec;

use capos_rt::abi::error::{CallError, Transport};
use capos_rt::abi::host::StreamKind;
use capos_rt::abi::streams;
use capos_rt::schema::console::Console;
use capos_rt::schema::interface::mask;
use capos_rt::{Cap, Pending};

use crate::end::{Ending, INIT};
use crate::plan::{Plan, Process};
use crate::services::{Served, Services};

/// The kind of device, by its number in the virtio specification.
const DEVICE: u32 = 3;
/// The row of init's own streams; the processes of the plan follow.
const OWN_ROW: usize = 0;
/// The cookie with which the run is ended: no stream has it.
const ROOT: u64 = 0;

/// The streams of all processes.
pub struct Streams<'p, 'm> {
    plan: &'p Plan<'m>,
    /// The driver's place in the plan, and the place of what it serves among its services.
    server: Option<(usize, usize)>,
    /// By row: output and error.
    objects: Vec<[Option<Cap<Console>>; 2]>,
    /// Lines of init's own that are not out yet.
    told: Vec<Pending<u32>>,
    /// The driver was started before.
    is_again: bool,
}

impl<'p, 'm> Streams<'p, 'm> {
    /// The streams of a plan, none of them made yet.
    #[must_use]
    pub fn new(plan: &'p Plan<'m>) -> Streams<'p, 'm> {
        let serves = |process: &Process<'_>| {
            let is_driver = process.devices().any(|kind| kind == DEVICE);
            let service = process.serves.iter().position(|service| service.interface == Console::ID);
            service.filter(|_| is_driver)
        };
        let mut processes = plan.processes.iter().enumerate();
        let server = processes.find_map(|(place, process)| Some((place, serves(process)?)));
        let objects = (0..=plan.processes.len()).map(|_| [None, None]).collect();
        Streams { plan, server, objects, told: Vec::new(), is_again: false }
    }

    /// True for the process that serves the console.
    #[must_use]
    pub fn is_server(&self, place: usize) -> bool {
        self.server.is_some_and(|(server, _)| server == place)
    }

    fn served<'s>(&self, services: &'s Services<'_, '_>) -> Option<&'s Served> {
        let (place, service) = self.server?;
        services.of(place).get(service)
    }

    /// A stream of the process at `place`.
    ///
    /// # Errors
    /// "disconnected" if nobody serves the console; what the call says.
    pub fn of(
        &mut self,
        services: &Services<'_, '_>,
        place: usize,
        kind: StreamKind,
    ) -> Result<&Cap<Console>, CallError> {
        self.object(services, place + 1, kind)
    }

    fn object(
        &mut self,
        services: &Services<'_, '_>,
        row: usize,
        kind: StreamKind,
    ) -> Result<&Cap<Console>, CallError> {
        let served = self.served(services).ok_or(Transport::Disconnected)?;
        let number = streams::number(row, kind).ok_or(Transport::LimitReached)?;
        let place = self.objects.get_mut(row).and_then(|row| row.get_mut(kind as usize - 1));
        let place = place.ok_or(Transport::NotFound)?;
        if place.is_none() {
            let object = served.endpoint.mint(Console::ID, number.into(), mask(&[Console::WRITE]))?;
            *place = Some(object.typed());
        }
        Ok(place.as_ref().ok_or(Transport::NotFound)?)
    }

    /// What the driver is told at its next start: `capos_abi::streams`.
    #[must_use]
    pub fn names(&mut self) -> Vec<u8> {
        let mut list = Vec::new();
        list.push(streams::flag(core::mem::replace(&mut self.is_again, true)));
        for name in core::iter::once(INIT).chain(self.plan.processes.iter().map(|process| &*process.name)) {
            list.push(name.len() as u8);
            list.extend_from_slice(name.as_bytes());
        }
        list
    }

    /// Begins to write a line to init's error stream. The run goes on without it if that is impossible.
    pub fn tell(&mut self, services: &Services<'_, '_>, line: &str) {
        self.told.retain(|told| !told.call().is_complete());
        let writing = self
            .object(services, OWN_ROW, StreamKind::Error)
            .and_then(|own| own.begin_write(line.as_bytes()));
        if let Ok(writing) = writing {
            self.told.push(writing);
        }
    }

    /// Begins to tell the host the outcome; it comes behind init's lines. `None` if nobody serves the console.
    #[must_use]
    pub fn begin_finish(&self, services: &Services<'_, '_>, ending: &Ending) -> Option<Pending<()>> {
        let endpoint = &self.served(services)?.endpoint;
        let root = endpoint.mint(Console::ID, ROOT, mask(&[Console::FINISH])).ok()?.typed::<Console>();
        root.begin_finish(ending.kind, ending.code, &ending.process, ending.report()).ok()
    }
}
