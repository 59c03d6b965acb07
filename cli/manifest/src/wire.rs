//! A system as the Cap'n Proto message that init reads.
//!
//! Called by the host command: [`encode`] for the part `manifest` of an image, [`decode`] to tell what an image holds. Calls
//! the readers and builders of `capos-schema`.
//!
//! Invariant: `decode(&encode(system)) == system`, and a message is one segment with its root at word 0 and no segment table.

use std::fmt;
use std::time::Duration;

use capnp::Word;
use capnp::message::{Builder, HeapAllocator, Reader, ReaderOptions, SegmentArray};
use capos_schema::interface;
use capos_schema::launch_capnp::launch_parameters;
use capos_schema::manifest_capnp::system_manifest::{self, grant, process, restart, service};

use crate::sources::Device;
use crate::system::{
    Grant, Launch, Preopen, Process, ProcessorLimits, Restart, RingSizes, Service, Source, System, When,
};

/// Version of the message's meaning.
const VERSION: u32 = 1;

/// Why a message is not a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError(String);

impl fmt::Display for WireError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the image's manifest cannot be read: {}", self.0)
    }
}

impl std::error::Error for WireError {}

impl From<capnp::Error> for WireError {
    fn from(error: capnp::Error) -> WireError {
        WireError(error.to_string())
    }
}

impl From<std::str::Utf8Error> for WireError {
    fn from(error: std::str::Utf8Error) -> WireError {
        WireError(error.to_string())
    }
}

/// The message of a system.
#[must_use]
pub fn encode(system: &System) -> Vec<u8> {
    let mut words = 1 << 10;
    loop {
        let mut message = Builder::new(HeapAllocator::new().first_segment_words(words));
        write_system(message.init_root(), system);
        let segments = message.get_segments_for_output();
        if let [segment] = segments[..] {
            return segment.to_vec();
        }
        words *= 2;
    }
}

fn write_system(mut root: system_manifest::Builder<'_>, system: &System) {
    root.set_version(VERSION);
    root.set_name(system.name.as_str());
    root.set_main(system.main.as_str());
    root.set_machine_memory(system.machine_memory.unwrap_or(0));
    let mut processes = root.init_processes(system.processes.len() as u32);
    for (index, process) in system.processes.iter().enumerate() {
        write_process(processes.reborrow().get(index as u32), process);
    }
}

fn write_process(mut builder: process::Builder<'_>, process: &Process) {
    builder.set_name(process.name.as_str());
    builder.set_image(process.image.as_str());
    builder.set_memory_limit(process.memory_limit);
    builder.set_memory_reserve(process.memory_reserve);
    builder.set_weight(process.processor.weight);
    let (budget, period) = process.processor.rate.unwrap_or_default();
    builder.set_budget_nanoseconds(nanoseconds(budget));
    builder.set_period_nanoseconds(nanoseconds(period));
    builder.set_stack_bytes(process.stack_bytes);
    builder.set_wall_clock_nanoseconds(process.wall_clock.map_or(0, nanoseconds));
    builder.set_module(process.module.as_deref().unwrap_or(""));
    builder.set_submission_entries(process.rings.submission_entries);
    builder.set_completion_entries(process.rings.completion_entries);
    builder.set_area_bytes(process.rings.area_bytes);
    let mut grants = builder.reborrow().init_grants(process.grants.len() as u32);
    for (index, grant) in process.grants.iter().enumerate() {
        let mut builder = grants.reborrow().get(index as u32);
        builder.set_name(grant.name.as_str());
        builder.set_methods(grant.methods);
        builder.set_source(number_of(&grant.source));
        match &grant.source {
            Source::Part(part) => builder.set_part(part.as_str()),
            Source::Device(device) => builder.set_device(*device as u32),
            Source::Service { process, service } => {
                builder.set_process(process.as_str());
                builder.set_service(service.name.as_str());
            }
            _ => {}
        }
    }
    let mut serves = builder.reborrow().init_serves(process.serves.len() as u32);
    for (index, service) in process.serves.iter().enumerate() {
        let mut builder = serves.reborrow().get(index as u32);
        builder.set_name(service.name.as_str());
        builder.set_interface(service.interface.id);
        builder.set_methods(service.methods);
    }
    let mut restart = builder.reborrow().init_restart();
    restart.set_when(match process.restart.when {
        When::Never => restart::When::Never,
        When::OnFailure => restart::When::OnFailure,
        When::Always => restart::When::Always,
    });
    restart.set_most(process.restart.most);
    let delay = u64::try_from(process.restart.delay.as_nanos()).unwrap_or(u64::MAX);
    restart.set_delay_nanoseconds(delay);
    if let Some(launch) = &process.launch {
        write_launch(builder.init_launch(), launch);
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn write_launch(mut builder: launch_parameters::Builder<'_>, launch: &Launch) {
    let mut arguments = builder.reborrow().init_arguments(launch.arguments.len() as u32);
    for (index, argument) in launch.arguments.iter().enumerate() {
        arguments.set(index as u32, argument);
    }
    let mut environment = builder.reborrow().init_environment(launch.environment.len() as u32);
    for (index, variable) in launch.environment.iter().enumerate() {
        environment.set(index as u32, variable);
    }
    builder.set_fuel(launch.fuel.unwrap_or(0));
    builder.set_memory_limit(launch.memory_limit);
    builder.set_recursion_limit(launch.recursion_limit);
    builder.set_stack_bytes(launch.stack_bytes);
    builder.set_module_name(launch.module_name.as_str());
    builder.set_validated(launch.validated);
    let mut preopens = builder.init_preopens(launch.preopens.len() as u32);
    for (index, preopen) in launch.preopens.iter().enumerate() {
        let mut builder = preopens.reborrow().get(index as u32);
        builder.set_capability(preopen.capability.as_str());
        builder.set_path(preopen.path.as_str());
    }
}

/// The system of a message.
///
/// # Errors
/// The message is malformed, of another version, or holds something that this version does not know.
pub fn decode(bytes: &[u8]) -> Result<System, WireError> {
    if !bytes.len().is_multiple_of(8) {
        return Err(WireError("its length is not a multiple of 8".to_owned()));
    }
    let mut words = Word::allocate_zeroed_vec(bytes.len() / 8);
    Word::words_to_bytes_mut(&mut words).copy_from_slice(bytes);
    let segments = [Word::words_to_bytes(&words)];
    // Everything is read once, so a message that makes more of itself than it holds is not one of ours.
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(4 * words.len() + 64));
    let message = Reader::new(SegmentArray::new(&segments), options);
    let root: system_manifest::Reader<'_> = message.get_root()?;
    if root.get_version() != VERSION {
        return Err(WireError(format!("version {}, expected {VERSION}", root.get_version())));
    }
    // Grants name services of other processes, so these come first.
    let mut services = Vec::new();
    for process in root.get_processes()? {
        services.push((process.get_name()?.to_string()?, read_services(process)?));
    }
    let processes = root.get_processes()?.iter().map(|process| read_process(process, &services));
    Ok(System {
        name: root.get_name()?.to_string()?,
        main: root.get_main()?.to_string()?,
        processes: processes.collect::<Result<_, _>>()?,
        machine_memory: Some(root.get_machine_memory()).filter(|bytes| *bytes != 0),
    })
}

/// What each process serves, by its name.
type Services = [(String, Vec<Service>)];

fn read_services(reader: process::Reader<'_>) -> Result<Vec<Service>, WireError> {
    let read = |reader: service::Reader<'_>| -> Result<Service, WireError> {
        let interface = interface::by_id(reader.get_interface())
            .ok_or_else(|| WireError("a service of an unknown interface".to_owned()))?;
        Ok(Service { name: reader.get_name()?.to_string()?, interface, methods: reader.get_methods() })
    };
    reader.get_serves()?.iter().map(read).collect()
}

fn read_restart(reader: restart::Reader<'_>) -> Result<Restart, WireError> {
    let when = match reader.get_when().map_err(|_| WireError("an unknown word for a restart".to_owned()))? {
        restart::When::Never => When::Never,
        restart::When::OnFailure => When::OnFailure,
        restart::When::Always => When::Always,
    };
    let delay = Duration::from_nanos(reader.get_delay_nanoseconds());
    Ok(Restart { when, most: reader.get_most(), delay })
}

fn read_process(reader: process::Reader<'_>, services: &Services) -> Result<Process, WireError> {
    let module = reader.get_module()?.to_string()?;
    Ok(Process {
        name: reader.get_name()?.to_string()?,
        image: reader.get_image()?.to_string()?,
        grants: reader
            .get_grants()?
            .iter()
            .map(|grant| read_grant(grant, services))
            .collect::<Result<_, _>>()?,
        serves: read_services(reader)?,
        restart: read_restart(reader.get_restart()?)?,
        memory_limit: reader.get_memory_limit(),
        memory_reserve: reader.get_memory_reserve(),
        processor: ProcessorLimits {
            weight: reader.get_weight(),
            rate: Some([reader.get_budget_nanoseconds(), reader.get_period_nanoseconds()])
                .filter(|rate| *rate != [0, 0])
                .map(|[budget, period]| (Duration::from_nanos(budget), Duration::from_nanos(period))),
        },
        stack_bytes: reader.get_stack_bytes(),
        wall_clock: Some(reader.get_wall_clock_nanoseconds()).filter(|it| *it != 0).map(Duration::from_nanos),
        launch: if reader.has_launch() { Some(read_launch(reader.get_launch()?)?) } else { None },
        module: Some(module).filter(|module| !module.is_empty()),
        rings: RingSizes {
            submission_entries: reader.get_submission_entries(),
            completion_entries: reader.get_completion_entries(),
            area_bytes: reader.get_area_bytes(),
        },
    })
}

fn read_grant(reader: grant::Reader<'_>, services: &Services) -> Result<Grant, WireError> {
    let number = reader.get_source().map_err(|_| WireError("a grant from an unknown source".to_owned()))?;
    let source = if number == system_manifest::Source::Service {
        let (process, name) = (reader.get_process()?.to_string()?, reader.get_service()?.to_string()?);
        let server = services.iter().find(|(server, _)| *server == process);
        let service = server.and_then(|(_, all)| all.iter().find(|service| service.name == name));
        let service =
            service.ok_or_else(|| WireError("a grant of a service that nobody serves".to_owned()))?;
        Source::Service { service: service.clone(), process }
    } else {
        source_of(number, reader.get_part()?.to_string()?, reader.get_device())?
    };
    Ok(Grant { name: reader.get_name()?.to_string()?, source, methods: reader.get_methods() })
}

fn read_launch(reader: launch_parameters::Reader<'_>) -> Result<Launch, WireError> {
    let bytes = |list: capnp::data_list::Reader<'_>| -> Result<Vec<Vec<u8>>, WireError> {
        list.iter().map(|item| Ok(item?.to_vec())).collect()
    };
    let preopen = |reader: launch_parameters::preopen::Reader<'_>| -> Result<Preopen, WireError> {
        Ok(Preopen {
            capability: reader.get_capability()?.to_string()?,
            path: reader.get_path()?.to_string()?,
        })
    };
    Ok(Launch {
        arguments: bytes(reader.get_arguments()?)?,
        environment: bytes(reader.get_environment()?)?,
        fuel: Some(reader.get_fuel()).filter(|fuel| *fuel != 0),
        memory_limit: reader.get_memory_limit(),
        recursion_limit: reader.get_recursion_limit(),
        stack_bytes: reader.get_stack_bytes(),
        preopens: reader.get_preopens()?.iter().map(preopen).collect::<Result<_, _>>()?,
        module_name: reader.get_module_name()?.to_string()?,
        validated: reader.get_validated(),
    })
}

fn number_of(source: &Source) -> system_manifest::Source {
    match source {
        Source::ConsoleOutput => system_manifest::Source::ConsoleOutput,
        Source::ConsoleError => system_manifest::Source::ConsoleError,
        Source::ConsoleNames => system_manifest::Source::ConsoleNames,
        Source::Timer => system_manifest::Source::Timer,
        Source::EntropySource => system_manifest::Source::EntropySource,
        Source::EntropySink => system_manifest::Source::EntropySink,
        Source::Accounting => system_manifest::Source::Accounting,
        Source::VirtualMemory => system_manifest::Source::VirtualMemory,
        Source::Part(_) => system_manifest::Source::Part,
        Source::ProcessSpawner => system_manifest::Source::ProcessSpawner,
        Source::BootPackage => system_manifest::Source::BootPackage,
        Source::CodeMemory => system_manifest::Source::CodeMemory,
        Source::Device(_) => system_manifest::Source::Device,
        Source::Service { .. } => system_manifest::Source::Service,
    }
}

fn source_of(number: system_manifest::Source, part: String, kind: u32) -> Result<Source, WireError> {
    Ok(match number {
        system_manifest::Source::ConsoleOutput => Source::ConsoleOutput,
        system_manifest::Source::ConsoleError => Source::ConsoleError,
        system_manifest::Source::ConsoleNames => Source::ConsoleNames,
        system_manifest::Source::Timer => Source::Timer,
        system_manifest::Source::EntropySource => Source::EntropySource,
        system_manifest::Source::EntropySink => Source::EntropySink,
        system_manifest::Source::Accounting => Source::Accounting,
        system_manifest::Source::VirtualMemory => Source::VirtualMemory,
        system_manifest::Source::Part => Source::Part(part),
        system_manifest::Source::ProcessSpawner => Source::ProcessSpawner,
        system_manifest::Source::BootPackage => Source::BootPackage,
        system_manifest::Source::CodeMemory => Source::CodeMemory,
        system_manifest::Source::Device => {
            let unknown = || WireError(format!("a grant of a device of the unknown kind {kind}"));
            Source::Device(Device::from_number(kind).ok_or_else(unknown)?)
        }
        system_manifest::Source::Service => {
            return Err(WireError("a grant of a service that nobody serves".to_owned()));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> System {
        let launch = Launch {
            arguments: vec![b"hello".to_vec(), vec![0xff, 1]],
            environment: vec![b"A=b".to_vec()],
            fuel: Some(7),
            memory_limit: 1 << 20,
            recursion_limit: 3,
            stack_bytes: 4096,
            preopens: vec![Preopen { capability: "data".to_owned(), path: "/data".to_owned() }],
            module_name: "hello.wasm".to_owned(),
            validated: true,
        };
        let interface = interface::by_name("KeyValue").unwrap();
        let service = Service { name: "store".to_owned(), interface, methods: interface.all_methods };
        let sources = [
            Source::ConsoleOutput,
            Source::ConsoleError,
            Source::ConsoleNames,
            Source::Timer,
            Source::EntropySource,
            Source::EntropySink,
            Source::Accounting,
            Source::VirtualMemory,
            Source::Part("file/x".to_owned()),
            Source::ProcessSpawner,
            Source::BootPackage,
            Source::CodeMemory,
            Source::Device(Device::Entropy),
            Source::Service { process: "plain".to_owned(), service: service.clone() },
        ];
        let grants = sources
            .into_iter()
            .enumerate()
            .map(|(index, source)| Grant { name: format!("c{index}"), source, methods: 1 << index })
            .collect();
        let process = Process {
            name: "hello".to_owned(),
            image: "capos-wasm".to_owned(),
            grants,
            memory_limit: 1 << 24,
            memory_reserve: 1 << 20,
            processor: ProcessorLimits {
                weight: 7,
                rate: Some((Duration::from_millis(2), Duration::from_millis(10))),
            },
            stack_bytes: 8192,
            wall_clock: Some(Duration::from_millis(1500)),
            launch: Some(launch),
            module: Some("module/hello".to_owned()),
            rings: RingSizes { submission_entries: 8, completion_entries: 16, area_bytes: 4096 },
            ..Process::default()
        };
        let plain = Process {
            name: "plain".to_owned(),
            image: "smoke".to_owned(),
            serves: vec![service],
            restart: Restart { when: When::OnFailure, most: 7, delay: Duration::from_millis(3) },
            ..Process::default()
        };
        System {
            name: "sample".to_owned(),
            main: "hello".to_owned(),
            processes: vec![process, plain],
            machine_memory: Some(1 << 30),
        }
    }

    #[test]
    fn every_field_comes_back() {
        let system = sample();
        assert_eq!(decode(&encode(&system)), Ok(system));
    }

    #[test]
    fn a_large_system_is_still_one_segment() {
        let mut system = sample();
        if let Some(launch) = &mut system.processes[0].launch {
            launch.arguments = vec![vec![b'x'; 1000]; 500];
        }
        assert_eq!(decode(&encode(&system)), Ok(system));
    }

    #[test]
    fn broken_messages_are_refused() {
        let message = encode(&sample());
        assert_eq!(
            decode(&message[..message.len() - 1]).unwrap_err().to_string(),
            "the image's manifest cannot be read: its length is not a multiple of 8"
        );
        assert!(decode(&message[..message.len() / 16 * 8]).is_err());
        assert!(decode(&[]).is_err());
        let mut other = message.clone();
        other[8] = 2;
        assert_eq!(
            decode(&other).unwrap_err().to_string(),
            "the image's manifest cannot be read: version 2, expected 1"
        );
    }

    #[test]
    fn no_flipped_bit_is_a_panic() {
        let message = encode(&sample());
        for bit in 0..message.len() * 8 {
            let mut flipped = message.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let _ = decode(&flipped);
        }
    }
}
