//! What comes out of a manifest that is accepted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use capos_manifest_model::{
    Contents, Grant, Instance, Source, decode, describe, encode, graph, load, verify,
};

use crate::Bench;

const SYSTEM: &str = r#"
package x

import "capos.local/cue/defaults"

defaults.#System & {
	name: "sample"
	main: "server"
	machine: memory: "512MiB"
	processes: [{
		name:    "reader"
		program: "./reader"
		after: ["hello"]
		uses: {clock: "Timer", text: "MemoryObject", memory: "VirtualMemory"}
		limits: {memory: "1MiB", stack: "64KiB"}
	}, {
		name:    "server"
		program: "smoke"
		uses: {stdout: "Console", timer: "Timer"}
		limits: {time: "90s", memory: "32MiB", reserve: "2MiB", weight: 250, budget: "5ms", period: "20ms"}
		rings: {submissions: 32, completions: 64, area: "16KiB"}
	}, {
		name:   "hello"
		binary: "hello.wasm"
		args: ["one", '\xff', "zwei"]
		env: {B: "2", A: "1"}
		caps: {console: stdout: true, timer: ["now"], random: true}
		limits: {memory: "8MiB", fuel: 1000, recursion: 77, stack: "1MiB", reserve: "7MiB"}
	}, {
		name:   "again"
		binary: "hello.wasm"
		caps: log: true
	}]
	parts: text: "text.txt"
	offers: [
		{cap: "timer", from: "server", to: "reader", as: "clock", methods: ["now"]},
		{cap: "text", from: "kernel", to: "reader", methods: ["read"]},
		{cap: "memory", from: "kernel", to: "reader", methods: ["reserve", "commit"]},
		{cap: "stdout", from: "kernel", to: "server", methods: ["write"]},
		{cap: "timer", from: "kernel", to: "server", methods: ["now", "sleep"]},
	]
}
"#;

const DESCRIPTION: &str = r#"system "sample": its outcome is that of "server"; 285MiB of memory are set aside, of the machine's 512MiB

process "server": program "smoke", memory 32MiB, reserve 2MiB, weight 250, 5ms of each 20ms, time 90s
  stdout  Console  write
  timer   Timer    now, sleep

process "hello": WASI instance of hello.wasm in "capos-wasm", linear memory 8MiB, in all 26MiB, reserve 7MiB, weight 100, fuel 1000, no time limit
  stdout  Console        write
  timer   Timer          now
  random  EntropySource  read
  memory  VirtualMemory  reserve, commit, decommit, unmap, map, createObject, usage
  module  MemoryObject   info, read  (part "module/hello")
  launch  MemoryObject   info, read  (arguments, environment, limits)

process "reader": program "program/reader", memory 1MiB, reserve 1MiB, weight 100, no time limit
  clock   Timer          now
  text    MemoryObject   read  (part "file/text")
  memory  VirtualMemory  reserve, commit

process "again": WASI instance of hello.wasm in "capos-wasm", linear memory 256MiB, in all 273MiB, reserve 273MiB, weight 100, no fuel limit, no time limit
  log     Console        write
  memory  VirtualMemory  reserve, commit, decommit, unmap, map, createObject, usage
  module  MemoryObject   info, read  (part "module/hello")
  launch  MemoryObject   info, read  (arguments, environment, limits)

process "virtio-console": program "virtio-console", memory 1MiB, reserve 1MiB, weight 100, no time limit, started again whenever it ends: 3 times, after 10ms
  device   Device         info, open, allocate, reset  (virtio-console)
  names    MemoryObject   info, read
  timer    Timer          now
  memory   VirtualMemory  reserve, commit, decommit, unmap, map, createObject, usage
  console  Endpoint       receive, mint  (serves Console)
  drives a device: without an IOMMU it can reach all of the machine's memory

process "virtio-rng": program "virtio-rng", memory 1MiB, reserve 1MiB, weight 100, no time limit, started again whenever it ends: 3 times, after 10ms
  device        Device         info, open, allocate, reset  (virtio-rng)
  entropy-sink  EntropySink    feed
  timer         Timer          now, sleep
  memory        VirtualMemory  reserve, commit, decommit, unmap, map, createObject, usage
  drives a device: without an IOMMU it can reach all of the machine's memory
"#;

fn sample(bench: &Bench) -> capos_manifest_model::Package {
    bench.program("reader");
    fs::write(bench.path().join("text.txt"), "text").unwrap();
    bench.load(SYSTEM).unwrap_or_else(|refusals| panic!("{refusals}"))
}

#[test]
fn a_system_grants_what_its_manifest_says() {
    let Some(bench) = Bench::new() else { return };
    let package = sample(&bench);
    assert_eq!(describe(&package.system), DESCRIPTION);
    let grant = |name: &str, source, methods| Grant { name: name.to_owned(), source, methods };
    assert_eq!(
        package.system.processes[2].grants,
        [
            grant("clock", Source::Timer, 0b1),
            grant("text", Source::Part("file/text".to_owned()), 0b10),
            grant("memory", Source::VirtualMemory, 0b11),
        ]
    );
    assert_eq!(package.system.processes[0].wall_clock, Some(Duration::from_secs(90)));
    let launch = package.system.processes[1].launch.as_ref().unwrap();
    assert_eq!(launch.arguments, [b"hello.wasm".to_vec(), b"one".to_vec(), vec![0xff], b"zwei".to_vec()]);
    assert_eq!(launch.environment, [b"B=2", b"A=1"]);
    assert_eq!((launch.fuel, launch.recursion_limit, launch.stack_bytes), (Some(1000), 77, 1 << 20));
    let names: Vec<&str> = package.parts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "file/text",
            "smoke",
            "module/hello",
            "capos-wasm",
            "program/reader",
            "virtio-console",
            "virtio-rng"
        ]
    );
}

#[test]
fn an_image_tells_the_same() {
    let Some(bench) = Bench::new() else { return };
    let package = sample(&bench);
    let system = decode(&encode(&package.system)).unwrap();
    assert_eq!(system, package.system);
    assert_eq!(describe(&system), DESCRIPTION);
    let parts: Vec<&str> = package.parts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(verify(&system, &parts), Ok(()));
}

#[test]
fn a_text_module_is_translated() {
    let Some(bench) = Bench::new() else { return };
    fs::write(bench.path().join("empty.wat"), "(module)").unwrap();
    let package = bench.load("name: \"x\"\nprocesses: [{name: \"a\", binary: \"empty.wat\"}]").unwrap();
    let module = Contents::Bytes(b"\0asm\x01\0\0\0".to_vec());
    assert_eq!(package.parts[0], ("module/a".to_owned(), module.clone()));
    assert_eq!(package.files[0], bench.path().canonicalize().unwrap().join("empty.wat"));
    fs::write(bench.path().join("text"), "\u{feff} ;; by its beginning\n(module)").unwrap();
    let package = bench.load("name: \"x\"\nprocesses: [{name: \"a\", binary: \"text\"}]").unwrap();
    assert_eq!(package.parts[0].1, module);
}

#[test]
fn a_module_at_hand_has_any_name() {
    use std::os::unix::ffi::OsStrExt;
    let Some(bench) = Bench::new() else { return };
    let name = std::ffi::OsStr::from_bytes(b"no/such/caf\xe9.wasm");
    let instance =
        Instance { binary: name.into(), module: Some(b"\0asm\x01\0\0\0".to_vec()), ..Instance::default() };
    let package = instance.package(&bench.library).unwrap();
    assert_eq!(package.parts[0].1, Contents::Bytes(b"\0asm\x01\0\0\0".to_vec()));
    let launch = package.system.processes[0].launch.as_ref().unwrap();
    assert_eq!(launch.arguments, [b"caf\xe9.wasm"]);
    assert_eq!(package.system.name, "caf");
    let text = instance.manifest().unwrap_err().to_string();
    assert!(text.ends_with(": a manifest can name this file only by a path in UTF-8; rename it"), "{text}");
}

/// An instance with everything that is hard to write down.
fn instance(bench: &Bench) -> Instance {
    let every_byte: Vec<u8> = (1..=255).collect();
    Instance {
        binary: bench.path().join("hello.wasm"),
        module: None,
        argument0: Some(b"\"quoted\" \\(name)\n".to_vec()),
        arguments: vec![every_byte, Vec::new(), "\u{feff}\u{7f}ä\u{1f980}'\t".into(), b"#{}".to_vec()],
        environment: vec![
            ("A".to_owned(), b"1".to_vec()),
            ("PATH with \"spaces\"".to_owned(), vec![0xfe]),
            ("A".to_owned(), b"2".to_vec()),
        ],
        denied: vec!["stderr".to_owned(), "random".to_owned()],
        memory: Some(5_000_000),
        fuel: Some(u64::MAX),
        time: Some(Duration::from_millis(1500)),
        stack: Some(1 << 16),
        recursion: Some(9),
    }
}

#[test]
fn a_printed_manifest_gives_the_same_system() {
    let Some(bench) = Bench::new() else { return };
    for instance in [
        instance(&bench),
        Instance { binary: bench.path().join("hello.wasm"), ..Instance::default() },
        Instance {
            binary: bench.path().join("hello.wasm"),
            denied: ["stdout", "stderr", "timer", "random"].map(str::to_owned).to_vec(),
            ..Instance::default()
        },
    ] {
        let expected = instance.package(&bench.library).unwrap();
        let text = instance.manifest().unwrap();
        let loaded = bench.load(&text).unwrap_or_else(|refusals| panic!("{refusals}\n{text}"));
        assert_eq!(loaded, expected, "{text}");
        let formatted = Command::new(bench.library.manifest_tool())
            .args(["fmt", "--check"])
            .arg(bench.path().join("x.cue"))
            .output()
            .unwrap();
        assert!(formatted.status.success(), "{}{text}", String::from_utf8_lossy(&formatted.stderr));
    }
}

#[test]
fn drivers_come_with_what_needs_them_or_when_named() {
    let Some(bench) = Bench::new() else { return };
    let names = |fields: &str| -> Vec<String> {
        let text = format!("name: \"x\"\nprocesses: [{{name: \"a\", binary: \"hello.wasm\"{fields}");
        let system = bench.load(&text).unwrap().system;
        system.processes.iter().filter(|process| process.is_driver()).map(|it| it.name.clone()).collect()
    };
    // The console's is in every system in which nobody else drives it.
    assert_eq!(names("}]"), ["virtio-console"]);
    assert_eq!(names(", caps: random: true}]"), ["virtio-console", "virtio-rng"]);
    assert_eq!(names("}]\ndrivers: [\"virtio-rng\"]"), ["virtio-console", "virtio-rng"]);
    assert_eq!(names("}]\ndrivers: [\"virtio-rng\", \"virtio-console\"]"), ["virtio-rng", "virtio-console"]);
    assert_eq!(names(", caps: random: true}]\ndrivers: []"), ["virtio-console"]);
    let own = "}, {name: \"own\", program: \"smoke\", uses: device: \"Device\", serves: it: \"Console\"}]\noffers: [{\
        cap: \"virtio-console\", from: \"kernel\", to: \"own\", as: \"device\", methods: [\"open\"]}]";
    assert_eq!(names(&format!(", caps: console: true{own}")), ["own"]);
}

#[test]
fn a_run_grants_what_is_not_denied() {
    let Some(bench) = Bench::new() else { return };
    let mut instance = Instance { binary: bench.path().join("hello.wasm"), ..Instance::default() };
    let names = |instance: &Instance| -> Vec<String> {
        let package = instance.package(&bench.library).unwrap();
        package.system.processes[0].grants.iter().map(|grant| grant.name.clone()).collect()
    };
    assert_eq!(names(&instance), ["stdout", "stderr", "timer", "random", "memory"]);
    for denied in ["stdout", "stderr", "timer", "random"] {
        instance.denied = vec![denied.to_owned()];
        assert!(!names(&instance).iter().any(|name| name == denied), "{denied}");
        assert_eq!(names(&instance).len(), 4);
    }
    instance.denied = vec!["clock".to_owned()];
    assert_eq!(
        instance.package(&bench.library).unwrap_err().to_string(),
        "nothing that is granted is called \"clock\"; accepted: stdout, stderr, timer, random"
    );
}

#[test]
fn options_are_checked_like_a_manifest() {
    let Some(bench) = Bench::new() else { return };
    let refused = |change: fn(&mut Instance)| {
        let mut instance = Instance { binary: bench.path().join("hello.wasm"), ..Instance::default() };
        change(&mut instance);
        instance.package(&bench.library).unwrap_err().to_string()
    };
    assert_eq!(
        refused(|it| it.memory = Some(1 << 40)),
        "processes[0].limits.memory: the size 1024GiB is out of range; accepted: 0B to 64GiB"
    );
    assert_eq!(
        refused(|it| it.environment = vec![("=".to_owned(), Vec::new())]),
        "processes[0].env.\"=\": wrong name \"=\"; accepted: a name without \"=\" and NUL, not empty"
    );
    assert_eq!(
        refused(|it| it.binary = PathBuf::from("/nonexistent/x.wasm")),
        "processes[0].binary: no file \"/nonexistent/x.wasm\"; accepted: the path of a .wasm or .wat file, relative to the manifest"
    );
}

/// The manifests of this project are accepted.
#[test]
fn the_manifests_of_the_project_are_good() {
    let Some(bench) = Bench::new() else { return };
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests");
    let copies = bench.path().join("manifests");
    let demos = bench.path().join("target/capos/demos");
    fs::create_dir(&copies).unwrap();
    fs::create_dir_all(&demos).unwrap();
    for name in ["wasm-empty", "wasi-hello-rust", "wasi-hello-c"] {
        fs::write(demos.join(format!("{name}.wasm")), name).unwrap();
    }
    for entry in fs::read_dir(&manifests).unwrap() {
        let file = entry.unwrap().path();
        if file.is_file() {
            fs::copy(&file, copies.join(file.file_name().unwrap())).unwrap();
        }
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&copies).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "cue") {
            load(&bench.library, &file).unwrap_or_else(|refusals| panic!("{refusals}"));
            names.push(file.file_stem().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let all = ["services", "smoke", "wasi-hello-c", "wasi-hello-rust", "wasm-host"];
    assert_eq!(names, all.map(|name| format!("system-{name}")));
}

/// The first example of the book is a manifest, and the others are parts of one.
#[test]
fn the_examples_of_the_book_are_manifests() {
    let Some(bench) = Bench::new() else { return };
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/book/manifest.md");
    let chapter = fs::read_to_string(chapter).unwrap();
    let examples: Vec<&str> =
        chapter.split("```cue\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 3);
    bench.program("reader.elf");
    bench.program("client.elf");
    fs::write(bench.path().join("text.txt"), "text").unwrap();
    let part = |text| format!("name: \"x\"\n{text}");
    for text in [examples[0].to_owned(), part(examples[1]), part(examples[2])] {
        bench.load(&text).unwrap_or_else(|refusals| panic!("{refusals}\n{text}"));
    }
}

#[test]
fn a_manifest_chooses_when_functions_are_validated() {
    let Some(bench) = Bench::new() else { return };
    for (words, validated) in [("", true), (", verify: \"call\"", true), (", verify: \"boot\"", false)] {
        let text = format!("name: \"x\"\nprocesses: [{{name: \"a\", binary: \"hello.wasm\"{words}}}]");
        let package = bench.load(&text).unwrap();
        assert_eq!(
            package.system.processes[0].launch.as_ref().map(|launch| launch.validated),
            Some(validated)
        );
    }
}

/// A service, two clients of different authority, and what the manifest says of them.
#[test]
fn services_are_offered_with_explicit_masks() {
    let Some(bench) = Bench::new() else { return };
    let text = r#"
name: "x"
processes: [
	{name: "c", program: "smoke", uses: keys: "KeyValue"},
	{name: "d", program: "smoke", uses: store: "KeyValue"},
	{name: "s", program: "smoke", serves: keys: "KeyValue", restart: {when: "on-failure", most: 5, delay: "2ms"}},
]
offers: [
	{cap: "keys", from: "s", to: "c", methods: "all"},
	{cap: "keys", from: "c", to: "d", as: "store", methods: ["borrow", "calls"]},
]
"#;
    let system = bench.load(text).unwrap().system;
    let order: Vec<&str> = system.processes.iter().map(|process| process.name.as_str()).collect();
    assert_eq!(order, ["s", "c", "d", "virtio-console"]);
    assert_eq!(system.processes[0].serves[0].methods, 0b1_1111);
    assert_eq!(system.processes[1].grants[0].methods, 0b1_1111);
    assert_eq!(system.processes[2].grants[0].methods, 0b1100);
    assert_eq!(decode(&encode(&system)), Ok(system.clone()));
    assert_eq!(verify(&system, &["smoke", "virtio-console"]), Ok(()));
    let expected = r#"system "x": its outcome is that of "c"; 49MiB of memory are set aside

process "s": program "smoke", memory 16MiB, reserve 16MiB, weight 100, no time limit, started again when it fails: 5 times, after 2ms
  keys  Endpoint  receive, mint  (serves KeyValue)

process "c": program "smoke", memory 16MiB, reserve 16MiB, weight 100, no time limit
  keys  KeyValue  open, lend, borrow, calls, stop  (served by "s")

process "d": program "smoke", memory 16MiB, reserve 16MiB, weight 100, no time limit
  store  KeyValue  borrow, calls  (served by "s")

process "virtio-console": program "virtio-console", memory 1MiB, reserve 1MiB, weight 100, no time limit, started again whenever it ends: 3 times, after 10ms
  device   Device         info, open, allocate, reset  (virtio-console)
  names    MemoryObject   info, read
  timer    Timer          now
  memory   VirtualMemory  reserve, commit, decommit, unmap, map, createObject, usage
  console  Endpoint       receive, mint  (serves Console)
  drives a device: without an IOMMU it can reach all of the machine's memory
"#;
    assert_eq!(describe(&system), expected);
    let edges = r"s -> c                    keys    KeyValue       open, lend, borrow, calls, stop
s -> d                    store   KeyValue       borrow, calls
kernel -> virtio-console  device  Device         info, open, allocate, reset
kernel -> virtio-console  names   MemoryObject   info, read
kernel -> virtio-console  timer   Timer          now
kernel -> virtio-console  memory  VirtualMemory  reserve, commit, decommit, unmap, map, createObject, usage
";
    assert_eq!(graph(&system), edges);
}
