//! Modules that are refused before they start, each with its own message.
#![forbid(unsafe_code)]

mod support;

use capos_abi::outcome::OutcomeKind;
use capos_wasm::engine;
use capos_wasm::launch::Launch;
use capos_wasm::port::Ports;
use support::{launch, refusal, run_with};

#[track_caller]
fn refused(bytes: &[u8], message: &str) {
    let ending = engine::run(bytes, launch(), Ports::default());
    assert_eq!(refusal(&ending), message);
    assert_eq!(ending.status().kind, OutcomeKind::Invalid);
    assert_eq!(ending.report(), message);
}

#[track_caller]
fn text_refused(text: &str, message: &str) {
    refused(&support::bytes(text), message);
}

#[test]
fn what_is_no_module() {
    refused(b"", "the file is empty; a WebAssembly module is needed");
    refused(
        b"\x7fELF\x02\x01\x01",
        "this is an ELF program, not WebAssembly; compile it for wasm32-wasip1 (Rust: --target wasm32-wasip1)",
    );
    refused(
        b"\0asm\x0d\0\x01\0\0\0\0",
        "this is a component, and components do not run yet; build a core module (Rust: --target wasm32-wasip1)",
    );
    let no_wasm = "this is not a WebAssembly module: it does not begin with the bytes 00 61 73 6d";
    refused(b"#!/bin/sh\n", no_wasm);
    refused(b"\0as", no_wasm);
    refused(&[0; 100_000], no_wasm);
    let text = "this is WebAssembly text; give the file the ending .wat, or convert it to binary";
    refused(b"  (module)", text);
    refused(b";; a comment\n(module)", text);
    refused(b"\0asm\x02\0\0\0", "unknown version 0x2 of the WebAssembly binary format; version 1 is needed");
    refused(b"\0asm\x01\0", "the module is not valid: the header is cut short");
}

#[test]
fn what_does_not_validate() {
    let whole =
        support::bytes("(module (memory 1) (func (export \"_start\") (drop (i32.load (i32.const 0)))))");
    for length in 9..whole.len() {
        let ending = engine::run(&whole[..length], launch(), Ports::default());
        let message = refusal(&ending);
        assert!(
            message.starts_with("the module is not valid: ") || message.starts_with("nothing to run: "),
            "{length} bytes: {message}"
        );
    }
    text_refused(
        "(module (func (export \"_start\") i32.const 1))",
        "the module is not valid: type mismatch: values remaining on stack at end of block (at offset 0x25), in function 0",
    );
}

#[test]
fn features_that_the_engine_lacks() {
    let lacking = "the module uses a feature of WebAssembly that the engine does not have: ";
    let cases = [
        ("(memory 1 1 shared)", "", "threads must be enabled for shared memories (at offset 0x15)"),
        (
            "(memory 1)",
            "(drop (i32.atomic.load (i32.const 0)))",
            "threads support is not enabled (at offset 0x2a), in function 0",
        ),
        ("(tag $e)", "(throw $e)", "exceptions proposal not enabled (at offset 0x14)"),
        (
            "",
            "(try_table (catch_all 0))",
            "exceptions support is not enabled (at offset 0x23), in function 0",
        ),
        (
            "(type $s (struct (field i32)))",
            "(drop (struct.new $s (i32.const 1)))",
            "struct indexed types not supported without the gc feature (at offset 0xb)",
        ),
        (
            "(type $f (func))",
            "(call_ref $f (ref.null $f))",
            "function references required for index reference types (at offset 0x23), in function 0",
        ),
        (
            "(memory 1 (pagesize 1))",
            "",
            "the custom page sizes proposal must be enabled to customize a memory's page size (at offset 0x15)",
        ),
    ];
    for (fields, body, message) in cases {
        let text = format!("(module {fields} (func (export \"_start\") {body}))");
        text_refused(&text, &format!("{lacking}{message}"));
    }
}

#[test]
fn imports_that_nobody_has() {
    let with = |import: &str| format!("(module {import} (func (export \"_start\")))");
    let there = "only the functions of wasi_snapshot_preview1 are there";
    text_refused(
        &with("(import \"env\" \"puts\" (func (param i32)))"),
        &format!("unknown import env.puts (a function); {there}"),
    );
    text_refused(
        &with("(import \"wasi_snapshot_preview1\" \"sock_open\" (func))"),
        &format!("unknown import wasi_snapshot_preview1.sock_open (a function); {there}"),
    );
    text_refused(
        &with("(import \"wasi_snapshot_preview2\" \"proc_exit\" (func (param i32)))"),
        &format!("unknown import wasi_snapshot_preview2.proc_exit (a function); {there}"),
    );
    text_refused(
        &with("(import \"wasi_snapshot_preview1\" \"fd_write\" (memory 1))"),
        &format!("unknown import wasi_snapshot_preview1.fd_write (a memory); {there}"),
    );
    text_refused(
        &with("(import \"env\" \"table\" (table 1 funcref))"),
        &format!("unknown import env.table (a table); {there}"),
    );
    text_refused(
        &with("(import \"env\" \"g\" (global i32))"),
        &format!("unknown import env.g (a global); {there}"),
    );
    text_refused(
        &with("(import \"a\\nb\" \"\\1b[31m\" (func))"),
        &format!("unknown import a\\nb.\\u{{1b}}[31m (a function); {there}"),
    );
}

#[test]
fn a_long_name_is_cut() {
    let name = "n".repeat(50_000);
    let text = format!("(module (import \"{name}\" \"f\" (func)) (func (export \"_start\")))");
    let message = refusal(&run_with(&text, launch(), Ports::default()));
    assert!(message.len() < 400 && message.contains("nnn....f (a function)"), "{message}");
}

#[test]
fn imports_of_another_type() {
    text_refused(
        "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func (param i32 i64) (result i32)))
           (func (export \"_start\")))",
        "import wasi_snapshot_preview1.fd_write has the wrong type: expected (i32, i32, i32, i32) -> i32, \
         found (i32, i64) -> i32",
    );
    text_refused(
        "(module (import \"wasi_unstable\" \"proc_exit\" (func (result f32 f64))) (func (export \"_start\")))",
        "import wasi_unstable.proc_exit has the wrong type: expected (i32) -> (), found () -> (f32, f64)",
    );
    text_refused(
        "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32)))
           (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i64)))
           (func (export \"_start\")))",
        "import wasi_snapshot_preview1.proc_exit has the wrong type: expected (i32) -> (), found (i64) -> ()",
    );
}

#[test]
fn nothing_to_run() {
    let no_entry = "nothing to run: the module exports no function named _start";
    text_refused("(module)", no_entry);
    text_refused("(module (func (export \"main\")))", no_entry);
    text_refused(
        "(module (func (export \"_initialize\")))",
        "nothing to run: the module is a reactor (it exports _initialize and no _start); build a command",
    );
    let wrong = "the export _start is not a function without parameters and results";
    text_refused("(module (memory (export \"_start\") 1))", wrong);
    text_refused("(module (func (export \"_start\") (param i32)))", wrong);
    text_refused("(module (func (export \"_start\") (result i32) (i32.const 1)))", wrong);
}

#[test]
fn a_memory_over_the_limit() {
    let launch = || Launch { memory_limit: 2 << 16, ..Launch::default() };
    let with = |memories: &str| format!("(module {memories} (func (export \"_start\")))");
    let fits = run_with(&with("(memory 2)"), launch(), Ports::default());
    assert_eq!(fits.status().kind, OutcomeKind::Exited);
    let message = "the module needs 196608 bytes of linear memory from the start; the limit is 131072 bytes";
    assert_eq!(refusal(&run_with(&with("(memory 3)"), launch(), Ports::default())), message);
    assert_eq!(refusal(&run_with(&with("(memory 1) (memory 2)"), launch(), Ports::default())), message);
}

#[test]
fn the_host_refuses_with_the_same_words() {
    for text in [
        "(module (func (export \"_start\") i32.const 1))",
        "(module)",
        "(module (import \"a\" \"b\" (func)))",
    ] {
        let bytes = support::bytes(text);
        let message = engine::check(&bytes).err().map(|refusal| refusal.to_string());
        assert_eq!(message, Some(refusal(&engine::run(&bytes, launch(), Ports::default()))));
    }
    assert!(engine::check(&support::bytes("(module (memory 9) (func (export \"_start\")))")).is_ok());
}

#[test]
fn a_forged_statement_gains_nothing() {
    // Stated to be valid, and the second function is not: the first one runs, and the second ends the run as invalid.
    let stated = || Launch { is_validated: true, ..launch() };
    let text = "(module
        (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export \"memory\") 1) (data (i32.const 8) \"\\10\\00\\00\\00\\02\\00\\00\\00hi\")
        (func $bad (i32.const 1))
        (func (export \"_start\")
          (drop (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0)))
          (call $bad)))";
    let bytes = support::bytes(text);
    let fake = capos_wasm::port::fake::Fake::default();
    let ending = engine::run(&bytes, stated(), fake.ports());
    let message = engine::check(&bytes).err().map(|refusal| refusal.to_string()).unwrap_or_default();
    assert!(message.ends_with(", in function \"bad\""), "{message}");
    assert_eq!(refusal(&ending), message);
    assert_eq!(fake.written(capos_wasm::port::fake::Target::Stdout), b"hi");
    let in_entry = engine::run(
        &support::bytes("(module (func (export \"_start\") i32.const 1))"),
        stated(),
        Ports::default(),
    );
    assert_eq!(in_entry.status().kind, OutcomeKind::Invalid);
    let uncalled = support::bytes("(module (func (i32.const 1)) (func (export \"_start\")))");
    assert_eq!(engine::run(&uncalled, stated(), Ports::default()).status().kind, OutcomeKind::Exited);
    assert_eq!(engine::run(&uncalled, launch(), Ports::default()).status().kind, OutcomeKind::Invalid);
}

#[test]
fn nothing_of_a_refused_module_has_run() {
    // The start section would trap, so a refusal proves that it was not reached.
    let text = "(module (memory 3) (func $f unreachable) (start $f) (func (export \"_start\")))";
    let ending = run_with(text, Launch { memory_limit: 1 << 16, ..Launch::default() }, Ports::default());
    assert_eq!(ending.status().kind, OutcomeKind::Invalid);
}

#[test]
fn launch_parameters_that_wasi_cannot_show() {
    let text = "(module (func (export \"_start\")))";
    let cases = [
        (vec!["a", "b\0c"], vec![], "wrong launch parameters: argument 1 holds a NUL byte"),
        (vec![], vec!["K=v\0"], "wrong launch parameters: environment entry 0 holds a NUL byte"),
        (
            vec![],
            vec!["K=v", "K"],
            "wrong launch parameters: environment entry 1 is not KEY=VALUE with a key",
        ),
        (vec![], vec!["=v"], "wrong launch parameters: environment entry 0 is not KEY=VALUE with a key"),
    ];
    for (arguments, environment, message) in cases {
        let bytes = |list: Vec<&str>| list.into_iter().map(|entry| entry.as_bytes().to_vec()).collect();
        let launch = Launch { arguments: bytes(arguments), environment: bytes(environment), ..launch() };
        assert_eq!(refusal(&run_with(text, launch, Ports::default())), message);
    }
}
