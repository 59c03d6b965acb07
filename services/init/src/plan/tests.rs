//! Plans read from messages that the `capnp` crate builds: the good one, and one for each refusal.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use capnp::message::Builder;
use capos_schema::manifest_capnp::system_manifest::{self, Source};

use super::{Grant, message, read};
use crate::end::Refusal;
use crate::package::Part;

type Manifest<'a> = system_manifest::Builder<'a>;

/// A system with one WASI instance, changed by `change`, as `read` sees it.
fn with(change: impl FnOnce(&mut Manifest<'_>)) -> Result<(usize, Vec<Grant>), Refusal> {
    let mut builder = Builder::new_default();
    let mut manifest = builder.init_root::<Manifest<'_>>();
    manifest.set_version(1);
    manifest.set_main("hello");
    let mut processes = manifest.reborrow().init_processes(2);
    let mut helper = processes.reborrow().get(0);
    helper.set_name("helper");
    helper.set_image("capos-wasm");
    helper.set_memory_limit(1 << 20);
    helper.set_weight(1);
    let mut process = processes.get(1);
    process.set_name("hello");
    process.set_image("capos-wasm");
    process.set_module("module/hello");
    process.set_memory_limit(1 << 20);
    process.set_memory_reserve(1 << 20);
    process.set_weight(100);
    process.reborrow().init_launch();
    let mut grants = process.init_grants(2);
    let mut stdout = grants.reborrow().get(0);
    stdout.set_name("stdout");
    stdout.set_source(Source::ConsoleOutput);
    stdout.set_methods(0b1);
    let mut data = grants.get(1);
    data.set_name("data");
    data.set_source(Source::Part);
    data.set_methods(0b11);
    data.set_part("data");
    change(&mut manifest);
    read_bytes(&segment(&builder))
}

fn segment(builder: &Builder<capnp::message::HeapAllocator>) -> Vec<u8> {
    let mut flat = Builder::new(capnp::message::HeapAllocator::new().first_segment_words(1 << 16));
    flat.set_root(builder.get_root_as_reader::<system_manifest::Reader<'_>>().unwrap()).unwrap();
    let segments = flat.get_segments_for_output();
    assert_eq!(segments.len(), 1);
    segments[0].to_vec()
}

fn parts() -> [Part; 3] {
    ["capos-wasm", "module/hello", "data"].map(|name| Part {
        name: name.to_string(),
        bytes: 1,
        checksum: 0,
        is_prepared: false,
    })
}

fn read_bytes(bytes: &[u8]) -> Result<(usize, Vec<Grant>), Refusal> {
    let segments = [bytes];
    let message = message(&segments);
    let plan = read(&message, &parts())?;
    Ok((plan.main, plan.processes[plan.main].grants.clone()))
}

/// The refusal of a system whose process "hello" was changed by `change`.
fn refusal(change: impl FnOnce(&mut system_manifest::process::Builder<'_>)) -> alloc::string::String {
    with(|manifest| change(&mut manifest.reborrow().get_processes().unwrap().get(1))).unwrap_err().to_string()
}

/// The same, for its grant at `index`.
fn grant_refusal(
    index: u32,
    change: impl FnOnce(&mut system_manifest::grant::Builder<'_>),
) -> alloc::string::String {
    refusal(|process| change(&mut process.reborrow().get_grants().unwrap().get(index)))
}

#[test]
fn a_good_manifest_becomes_a_plan() {
    let (main, grants) = with(|_| {}).unwrap();
    assert_eq!(main, 1);
    assert_eq!(grants.len(), 2);
    assert_eq!(grants[0].source, Source::ConsoleOutput);
    assert_eq!((grants[1].name.as_str(), grants[1].part.as_str(), grants[1].methods), ("data", "data", 0b11));
}

#[test]
fn drivers_are_started_first() {
    let mut builder = Builder::new_default();
    let mut manifest = builder.init_root::<Manifest<'_>>();
    manifest.set_version(1);
    manifest.set_main("app");
    let mut processes = manifest.init_processes(3);
    for (index, name) in ["app", "other", "driver"].into_iter().enumerate() {
        let mut process = processes.reborrow().get(index as u32);
        process.set_name(name);
        process.set_image("capos-wasm");
        process.set_memory_limit(1 << 20);
        process.set_weight(1);
    }
    let mut grant = processes.get(2).init_grants(1).get(0);
    grant.set_name("device");
    grant.set_source(Source::Device);
    grant.set_methods(0b10);
    grant.set_device(4);
    let bytes = segment(&builder);
    let segments = [&bytes[..]];
    let message = message(&segments);
    let plan = read(&message, &parts()).unwrap();
    assert_eq!(plan.in_order().collect::<Vec<_>>(), [2, 0, 1]);
    assert_eq!(plan.processes[2].devices().collect::<Vec<_>>(), [4]);
}

#[test]
fn whole_manifests_are_refused() {
    let text = |change: fn(&mut Manifest<'_>)| with(change).unwrap_err().to_string();
    assert_eq!(text(|manifest| manifest.set_version(2)), "manifest: version 2, expected 1");
    assert_eq!(text(|manifest| manifest.set_main("other")), "manifest: main \"other\" is not a process");
    let none = text(|manifest| {
        manifest.reborrow().init_processes(0);
    });
    assert_eq!(none, "manifest: 0 processes; there must be 1 to 1088");
    let many = text(|manifest| {
        manifest.reborrow().init_processes(1089);
    });
    assert_eq!(many, "manifest: 1089 processes; there must be 1 to 1088");
}

#[test]
fn processes_are_refused_by_name() {
    assert_eq!(
        refusal(|process| process.set_name("helper")),
        "process \"helper\": there are two processes of this name"
    );
    assert_eq!(
        refusal(|process| process.set_name("")),
        "process \"\": the name has 0 bytes; it must have 1 to 64"
    );
    assert_eq!(refusal(|process| process.set_memory_limit(0)), "process \"hello\": no memory limit");
    assert_eq!(
        refusal(|process| process.set_memory_reserve(1 << 21)),
        "process \"hello\": a memory reserve of 2097152 above the limit of 1048576"
    );
    assert_eq!(refusal(|process| process.set_weight(0)), "process \"hello\": no share of the processor");
    assert_eq!(
        refusal(|process| process.set_weight(999_999)),
        "manifest: weights of 1000000 together; there are less than 1000000"
    );
    let rate = |budget, period| {
        refusal(|process| {
            process.set_budget_nanoseconds(budget);
            process.set_period_nanoseconds(period);
        })
    };
    assert_eq!(
        rate(1_000_001, 1_000_000),
        "process \"hello\": a budget of 1000001 ns in a period of 1000000 ns"
    );
    for (budget, period) in [(0, 1_000_000), (1, 0), (1, 999_999), (1, u64::MAX)] {
        assert_eq!(
            rate(budget, period),
            format!("process \"hello\": a budget of {budget} ns in a period of {period} ns")
        );
    }
    assert_eq!(
        refusal(|process| process.set_image("nothing")),
        "process \"hello\": the image: the boot image has no part \"nothing\""
    );
    assert_eq!(
        refusal(|process| process.set_module("nothing")),
        "process \"hello\": the module: the boot image has no part \"nothing\""
    );
}

#[test]
fn grants_are_refused_by_name() {
    assert_eq!(
        grant_refusal(0, |grant| grant.set_methods(0b100)),
        "process \"hello\": grant \"stdout\": methods 0b100; Console has 0b1, and one at least must be granted"
    );
    assert_eq!(
        grant_refusal(0, |grant| grant.set_methods(0)),
        "process \"hello\": grant \"stdout\": methods 0b0; Console has 0b1, and one at least must be granted"
    );
    assert_eq!(
        grant_refusal(1, |grant| grant.set_name("stdout")),
        "process \"hello\": grant \"stdout\": there are two grants of this name"
    );
    assert_eq!(
        grant_refusal(1, |grant| grant.set_name("launch")),
        "process \"hello\": grant \"launch\": there are two grants of this name"
    );
    assert_eq!(
        grant_refusal(1, |grant| grant.set_name("")),
        "process \"hello\": grant \"\": a name has 1 to 40 bytes and no NUL"
    );
    assert_eq!(
        grant_refusal(1, |grant| grant.set_part("nothing")),
        "process \"hello\": grant \"data\": the boot image has no part \"nothing\""
    );
}

#[test]
fn services_are_refused_by_name() {
    // The process "helper" serves "keys", and "hello" is granted something of it.
    let refused = |service: (&str, u64, u64), grant: (&str, u64)| {
        with(|manifest| {
            let mut processes = manifest.reborrow().get_processes().unwrap();
            let mut served = processes.reborrow().get(0).init_serves(1).get(0);
            served.set_name(service.0);
            served.set_interface(service.1);
            served.set_methods(service.2);
            let mut granted = processes.get(1).get_grants().unwrap().get(0);
            granted.set_source(Source::Service);
            granted.set_process("helper");
            granted.set_service(grant.0);
            granted.set_methods(grant.1);
        })
    };
    assert!(refused(("keys", 7, 0b11), ("keys", 0b10)).is_ok());
    let text = |service, grant| refused(service, grant).unwrap_err().to_string();
    assert_eq!(
        text(("keys", 7, 0b11), ("keys", 0b110)),
        "process \"hello\": grant \"stdout\": methods 0b110; keys has 0b11, and one at least must be granted"
    );
    assert_eq!(
        text(("keys", 7, 0b11), ("kees", 1)),
        "process \"hello\": grant \"stdout\": \"helper\" does not serve \"kees\""
    );
    assert_eq!(text(("", 7, 1), ("", 1)), "process \"helper\": service \"\": no name, or one that is taken");
    assert_eq!(
        text(("keys", 0, 1), ("keys", 1)),
        "process \"helper\": service \"keys\": no interface, or no methods"
    );
}

#[test]
fn main_is_not_started_again() {
    use super::When;
    let text = refusal(|process| process.reborrow().init_restart().set_when(When::Always));
    assert_eq!(text, "process \"hello\": it is main, and main is not started again");
}

#[test]
fn more_grants_than_a_capset_holds_are_refused() {
    let text = refusal(|process| {
        let mut grants = process.reborrow().init_grants(62);
        for index in 0..62 {
            let mut grant = grants.reborrow().get(index);
            grant.set_name(alloc::format!("timer-{index}"));
            grant.set_source(Source::Timer);
            grant.set_methods(1);
        }
    });
    assert_eq!(text, "process \"hello\": 64 grants; a CapSet holds 63");
}

#[test]
fn bytes_that_are_no_manifest_are_refused() {
    for bytes in [&[][..], &[0xff; 64], &[0; 7]] {
        assert!(read_bytes(bytes).is_err());
    }
    let mut builder = Builder::new_default();
    builder.init_root::<Manifest<'_>>().set_version(1);
    let whole = segment(&builder);
    for length in 0..whole.len() {
        assert!(read_bytes(&whole[..length]).is_err());
    }
}
