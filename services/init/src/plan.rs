//! The manifest, read and checked: what to start, with what.
//!
//! Called by `run`; calls the generated readers of `capos-schema`. The host refused wrong manifests already; a manifest that
//! comes here wrong was not made by it, and is refused again with the process and the grant by name.
//!
//! Invariant: a plan that is returned can only fail for lack of memory or because a part is corrupt.

mod check;

pub(crate) use check::{LAUNCH, MODULE};

#[cfg(test)]
mod tests;

use alloc::string::String;
use alloc::vec::Vec;

use capnp::message::{Reader, ReaderOptions, SegmentArray};
use capos_schema::launch_capnp::launch_parameters;
pub use capos_schema::manifest_capnp::system_manifest::Source;
pub use capos_schema::manifest_capnp::system_manifest::restart::When;
use capos_schema::manifest_capnp::system_manifest::{self, grant, process};

use crate::end::{INIT, Refusal};
use crate::package::Part;

/// The version of the manifest that init reads.
pub const VERSION: u32 = 1;
/// Processes at most: as many as the host accepts, and room for the drivers.
pub const PROCESSES_MAX: usize = 1_024 + crate::ends::GROUP;

/// A checked manifest.
pub struct Plan<'m> {
    /// Place, in `processes`, of the one whose end is the outcome.
    pub main: usize,
    /// As the manifest lists them.
    pub processes: Vec<Process<'m>>,
}

impl<'m> Plan<'m> {
    /// The places of the processes in the order in which they are started: drivers first.
    pub fn in_order(&self) -> impl Iterator<Item = usize> {
        let those = |is_driver: bool| {
            let all = self.processes.iter().enumerate();
            all.filter(move |(_, process)| process.is_driver() == is_driver).map(|(place, _)| place)
        };
        those(true).chain(those(false))
    }
}

/// A process to start.
pub struct Process<'m> {
    /// Its name, distinct.
    pub name: String,
    /// The part with its ELF.
    pub image: String,
    /// What it gets from the manifest's list.
    pub grants: Vec<Grant>,
    /// Bytes.
    pub memory_limit: u64,
    /// Bytes of it that are set aside.
    pub memory_reserve: u64,
    /// Of the processor.
    pub weight: u32,
    /// Nanoseconds of the processor in each period of nanoseconds; both 0 for no limit.
    pub rate: [u64; 2],
    /// Bytes; 0 for the default.
    pub stack_bytes: u64,
    /// Nanoseconds; `None` for no limit.
    pub wall_clock: Option<u64>,
    /// For a WASI instance.
    pub launch: Option<launch_parameters::Reader<'m>>,
    /// The part that it gets as "module".
    pub module: Option<String>,
    /// Entries and bytes of its rings; 0 for defaults.
    pub rings: Rings,
    /// Endpoints of which it gets the receive side.
    pub serves: Vec<Service>,
    /// What follows its end.
    pub restart: Restart,
}

/// An endpoint that a process serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// The name of the receive side in its CapSet.
    pub name: String,
    /// The interface of the root object.
    pub interface: u64,
    /// The methods of the root object.
    pub methods: u64,
}

/// What follows the end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// After which ends it is started again.
    pub when: When,
    /// How many times at most.
    pub most: u32,
    /// Nanoseconds before the first time.
    pub delay: u64,
}

impl Process<'_> {
    /// The kinds of devices that it drives.
    pub fn devices(&self) -> impl Iterator<Item = u32> {
        self.grants.iter().filter(|grant| grant.source == Source::Device).map(|grant| grant.device)
    }

    /// True if one of its grants is from this source.
    #[must_use]
    pub fn holds(&self, source: Source) -> bool {
        self.grants.iter().any(|grant| grant.source == source)
    }

    /// True if it drives a device: the run does not go on without it.
    #[must_use]
    pub fn is_driver(&self) -> bool {
        self.holds(Source::Device)
    }
}

/// Sizes of rings; 0 for the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rings {
    /// Entries of the submission ring.
    pub submission_entries: u32,
    /// Entries of the completion ring.
    pub completion_entries: u32,
    /// Bytes of the message area.
    pub area_bytes: u32,
}

/// A capability that a process gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its name in the CapSet.
    pub name: String,
    /// What it is.
    pub source: Source,
    /// The methods that it permits.
    pub methods: u64,
    /// The boot image's part, for the source "part".
    pub part: String,
    /// The process that serves it and the name of its endpoint, for the source "service".
    pub service: (String, String),
    /// The kind of device, for the source "device".
    pub device: u32,
}

/// The manifest's bytes, one segment with the root at word 0, as a message.
#[must_use]
pub fn message<'b>(segments: &'b [&'b [u8]; 1]) -> Reader<SegmentArray<'b>> {
    Reader::new(SegmentArray::new(segments), ReaderOptions::new())
}

/// Reads the manifest.
///
/// # Errors
/// The first thing that is wrong.
pub fn read<'m>(message: &'m Reader<SegmentArray<'_>>, parts: &[Part]) -> Result<Plan<'m>, Refusal> {
    let manifest = message.get_root::<system_manifest::Reader<'_>>().map_err(malformed)?;
    if manifest.get_version() != VERSION {
        let found = manifest.get_version();
        return Err(Refusal::invalid(INIT, format_args!("manifest: version {found}, expected {VERSION}")));
    }
    let mut processes = Vec::new();
    for reader in manifest.get_processes().map_err(malformed)? {
        processes.push(read_process(reader)?);
    }
    let main = text(manifest.get_main())?;
    check::processes(&processes, parts)?;
    let place = processes.iter().position(|process| process.name == main);
    let main = place
        .ok_or_else(|| Refusal::invalid(INIT, format_args!("manifest: main \"{main}\" is not a process")))?;
    if processes[main].restart.when != When::Never {
        let reason = format_args!("it is main, and main is not started again");
        return Err(Refusal::invalid(&processes[main].name, reason));
    }
    Ok(Plan { main, processes })
}

fn read_process(reader: process::Reader<'_>) -> Result<Process<'_>, Refusal> {
    let name = text(reader.get_name())?;
    let mut grants = Vec::new();
    for grant in reader.get_grants().map_err(malformed)? {
        grants.push(read_grant(&name, grant)?);
    }
    let mut serves = Vec::new();
    for service in reader.get_serves().map_err(malformed)? {
        let (interface, methods) = (service.get_interface(), service.get_methods());
        serves.push(Service { name: text(service.get_name())?, interface, methods });
    }
    let restart = reader.get_restart().map_err(malformed)?;
    let when = restart
        .get_when()
        .map_err(|_| Refusal::invalid(&name, format_args!("an unknown word for a restart")))?;
    let launch = if reader.has_launch() { Some(reader.get_launch().map_err(malformed)?) } else { None };
    let module = text(reader.get_module())?;
    Ok(Process {
        restart: Restart { when, most: restart.get_most(), delay: restart.get_delay_nanoseconds() },
        serves,
        grants,
        launch,
        image: text(reader.get_image())?,
        memory_limit: reader.get_memory_limit(),
        memory_reserve: reader.get_memory_reserve(),
        weight: reader.get_weight(),
        rate: [reader.get_budget_nanoseconds(), reader.get_period_nanoseconds()],
        stack_bytes: reader.get_stack_bytes(),
        wall_clock: Some(reader.get_wall_clock_nanoseconds()).filter(|limit| *limit != 0),
        module: Some(module).filter(|module| !module.is_empty()),
        rings: Rings {
            submission_entries: reader.get_submission_entries(),
            completion_entries: reader.get_completion_entries(),
            area_bytes: reader.get_area_bytes(),
        },
        name,
    })
}

fn read_grant(process: &str, reader: grant::Reader<'_>) -> Result<Grant, Refusal> {
    let name = text(reader.get_name())?;
    let source = reader
        .get_source()
        .map_err(|_| Refusal::invalid(process, format_args!("grant \"{name}\": unknown source")))?;
    let service = (text(reader.get_process())?, text(reader.get_service())?);
    Ok(Grant {
        source,
        methods: reader.get_methods(),
        part: text(reader.get_part())?,
        service,
        device: reader.get_device(),
        name,
    })
}

fn text(field: capnp::Result<capnp::text::Reader<'_>>) -> Result<String, Refusal> {
    let text = field.map_err(malformed)?;
    let text = text.to_str().map_err(|_| malformed("a text is not UTF-8"))?;
    Ok(text.into())
}

fn malformed(error: impl core::fmt::Display) -> Refusal {
    Refusal::invalid(INIT, format_args!("manifest: malformed: {error}"))
}
