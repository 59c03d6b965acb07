//! The cases of `tests/wasi` that need no compiler, run over fakes on the build host.
//!
//! The same files are booted by `capos-suites`; here they say whether a difference is the WASI layer's or the system's.
#![forbid(unsafe_code)]

mod support;

#[path = "../../tests/runner/src/case.rs"]
#[expect(dead_code, reason = "running on the host needs less than a case can say")]
mod case;

use std::fs;
use std::path::{Path, PathBuf};

use capos_abi::outcome::OutcomeKind;
use capos_wasm::ending::Ending;
use capos_wasm::engine;
use capos_wasm::launch::Launch;
use capos_wasm::port::Ports;
use capos_wasm::port::fake::{Fake, Target};
use case::{Case, Run};

/// What `capos run` grants unless it is told otherwise.
const MEMORY_DEFAULT: u64 = 256 << 20;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/wasi")
}

/// Every case below a folder, with the folder that it lies in.
fn cases(folder: &Path, found: &mut Vec<(PathBuf, Case)>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.map(|entry| entry.path()).unwrap_or_default();
        if path.is_dir() {
            cases(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let mut case = Case::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            case.load(folder).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push((path, case));
        }
    }
}

/// The module of a case; `None` if it has to be compiled first.
fn module(path: &Path, case: &Case) -> Option<Vec<u8>> {
    let guest = path.with_file_name(case.guest.as_ref()?);
    match guest.extension()?.to_str()? {
        "wat" => Some(wat::parse_file(&guest).unwrap_or_else(|error| panic!("{error}"))),
        "wasm" => Some(fs::read(&guest).unwrap_or_else(|error| panic!("{}: {error}", guest.display()))),
        _ => None,
    }
}

/// Launch and ports as `capos run` makes them from its options.
fn granted(run: &Run, name: &str, fake: &Fake) -> (Launch, Ports) {
    let mut ports = fake.ports();
    let mut launch = Launch { memory_limit: MEMORY_DEFAULT, ..Launch::default() };
    let mut argv0 = name.to_owned();
    for option in run.options.chunks(2) {
        let [option, value] = option else { panic!("{option:?} has no value") };
        match option.as_str() {
            "--deny" => value.split(',').for_each(|name| match name {
                "stdout" => ports.stdout = None,
                "stderr" => ports.stderr = None,
                "timer" => ports.clock = None,
                "random" => ports.random = None,
                other => panic!("--deny {other}"),
            }),
            "--fuel" => launch.fuel = value.parse().ok(),
            "--memory" => {
                let mebibytes = value.strip_suffix("MiB").and_then(|number| number.parse::<u64>().ok());
                launch.memory_limit = mebibytes.unwrap_or_else(|| panic!("--memory {value}")) << 20;
            }
            "--env" => launch.environment.push(value.clone().into_bytes()),
            "--argv0" => argv0.clone_from(value),
            other => panic!("{other} is not known here"),
        }
    }
    launch.arguments =
        std::iter::once(&argv0).chain(&run.arguments).map(|text| text.clone().into_bytes()).collect();
    (launch, ports)
}

/// The exit status of `capos run`, and what it adds to standard error.
fn told(ending: &Ending) -> (i32, String) {
    let status = ending.status();
    let line = |text: String| format!("capos: {}: {text}\n", status.kind.word());
    match status.kind {
        OutcomeKind::Exited if status.code <= 125 => (status.code.cast_signed(), String::new()),
        OutcomeKind::Exited => (1, line(status.code.to_string())),
        OutcomeKind::Invalid => (126, line(ending.report())),
        OutcomeKind::Trap => (134, line(ending.report())),
        OutcomeKind::Memory => (137, line(ending.report())),
        OutcomeKind::Fuel => (152, line(ending.report())),
        other => panic!("ended as {other:?}: {}", ending.report()),
    }
}

/// What is wrong with one run.
fn difference(module: &[u8], name: &str, run: &Run) -> Option<String> {
    let fake = Fake::default();
    let (launch, ports) = granted(run, name, &fake);
    let ending = engine::run(module, launch, ports);
    let (status, line) = told(&ending);
    let stdout = fake.written(Target::Stdout);
    let stderr = String::from_utf8_lossy(&fake.written(Target::Stderr)).into_owned() + &line;
    let expect = &run.expect;
    let exact =
        expect.stdout_bytes.clone().unwrap_or_else(|| expect.stdout.clone().unwrap_or_default().into_bytes());
    let stderr_is_right = match &expect.stderr_has {
        Some(parts) => parts.iter().all(|part| stderr.lines().any(|line| line.contains(part))),
        None => stderr == expect.stderr.clone().unwrap_or_default(),
    };
    let outcome_is_right = expect.outcome.iter().all(|(key, value)| match key.as_str() {
        "kind" => value.as_str() == Some(ending.status().kind.word()),
        "code" => value.as_u64() == Some(u64::from(ending.status().code)),
        other => panic!("outcome {other}"),
    });
    let is_right = status == expect.status && stdout == exact && stderr_is_right && outcome_is_right;
    (!is_right).then(|| {
        format!("{name}: {}: {ending:?}, stdout {} bytes, stderr {stderr:?}", run.name, stdout.len())
    })
}

#[test]
fn every_case_in_text_form() {
    let mut found = Vec::new();
    cases(&folder(), &mut found);
    let mut differences = Vec::new();
    let mut runs = 0;
    for (path, case) in &found {
        let Some(module) = module(path, case) else { continue };
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        for run in &case.runs {
            differences.extend(difference(&module, name, run));
            runs += 1;
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(runs >= 60, "only {runs} runs: files are missing");
}

#[test]
fn the_probe_imports_each_row_once() {
    let text = fs::read_to_string(folder().join("every-function.wat")).unwrap_or_default();
    let imported: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.trim().strip_prefix("(import \"wasi_snapshot_preview1\" \"")?.split('"').next()
        })
        .collect();
    assert_eq!(imported.len(), 46);
    let mut missing: Vec<&str> = capos_wasm::table::ROWS.iter().map(|row| row.name).collect();
    missing.retain(|name| imported.iter().filter(|other| *other == name).count() != 1);
    assert!(missing.is_empty(), "rows that the probe does not import once: {missing:?}");
}
