//! Runs modules in text form over fakes. Used by every test of this crate.
#![allow(dead_code, reason = "each test program uses a part of it")]

use capos_wasm::ending::Ending;
use capos_wasm::engine;
use capos_wasm::launch::Launch;
use capos_wasm::port::Ports;
use capos_wasm::port::fake::Fake;

/// A launch that limits only the linear memory, to 16 MiB.
pub(crate) fn launch() -> Launch {
    Launch { memory_limit: 16 << 20, ..Launch::default() }
}

/// The bytes of a module in text form.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a module in text form with these ports.
pub(crate) fn run_with(text: &str, launch: Launch, ports: Ports) -> Ending {
    engine::run(&bytes(text), launch, ports)
}

/// Runs it with everything granted.
pub(crate) fn run(text: &str) -> (Ending, Fake) {
    let fake = Fake::default();
    (run_with(text, launch(), fake.ports()), fake)
}

/// The exit code of a run that ended with `proc_exit`.
#[track_caller]
pub(crate) fn code(ending: &Ending) -> u32 {
    match ending {
        Ending::Exited(code) => *code,
        other => panic!("ended with {other:?}"),
    }
}

/// The text of a trap.
#[track_caller]
pub(crate) fn trap(ending: &Ending) -> &str {
    match ending {
        Ending::Trap(text) => text,
        other => panic!("ended with {other:?}"),
    }
}

/// The text of a refusal.
#[track_caller]
pub(crate) fn refusal(ending: &Ending) -> String {
    match ending {
        Ending::Invalid(refusal) => refusal.to_string(),
        other => panic!("ended with {other:?}"),
    }
}

/// A module that imports `name` with these parameter types, has one page of memory and the code `body` as its `_start`. The
/// body calls the import as `$f` and `proc_exit` as `$exit`; `more` are more fields of the module.
pub(crate) fn module(name: &str, parameters: &str, body: &str, more: &str) -> String {
    let parameters = if parameters.is_empty() { String::new() } else { format!("(param {parameters})") };
    format!(
        "(module
           (import \"wasi_snapshot_preview1\" \"{name}\" (func $f {parameters} (result i32)))
           (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
           (memory (export \"memory\") 1)
           {more}
           (func (export \"_start\") {body}))"
    )
}

/// A module that calls `name` once and exits with its errno.
pub(crate) fn probe(name: &str, parameters: &str, arguments: &str, more: &str) -> String {
    module(name, parameters, &format!("(call $exit (call $f {arguments}))"), more)
}
