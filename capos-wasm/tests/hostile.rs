//! Modules made to exhaust the host: each ends with an ending of its own, on the native stack that a process has.
#![forbid(unsafe_code)]

mod support;

use capos_abi::outcome::OutcomeKind;
use capos_wasm::ending::Ending;
use capos_wasm::engine;
use capos_wasm::port::Ports;
use support::{launch, refusal, trap};

/// Runs a module on a thread with 256 KiB of stack. A panic of the host fails the test.
#[track_caller]
fn run(text: &str) -> Ending {
    let module = support::bytes(text);
    let thread = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(move || engine::run(&module, launch(), Ports::default()));
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(ending)) => ending,
        other => panic!("the host died: {other:?}"),
    }
}

fn start(fields: &str, body: &str) -> String {
    format!("(module {fields} (func (export \"_start\") {body}))")
}

#[test]
fn large_tables_are_refused() {
    let message = "the module needs larger or more tables from the start than it may have";
    assert_eq!(refusal(&run(&start("(table 100000000 funcref)", ""))), message);
    assert_eq!(refusal(&run(&start(&"(table 20000 funcref)".repeat(60), ""))), message);
    assert_eq!(refusal(&run(&start(&"(table 1 funcref)".repeat(65), ""))), message);
}

#[test]
fn many_memories_are_refused() {
    let message = "the module needs more linear memories than it may have";
    assert_eq!(refusal(&run(&start(&"(memory 0)".repeat(65), ""))), message);
    let memory64 = refusal(&run(&start("(memory i64 100000000)", "")));
    assert_eq!(
        memory64,
        "the module needs 6553600000000 bytes of linear memory from the start; the limit is 16777216 bytes"
    );
}

#[test]
fn deep_nesting_is_no_recursion() {
    for (open, close) in [("(block ", ")"), ("(loop ", ")"), ("(if (i32.const 1) (then ", "))")] {
        let body = format!("{}{}", open.repeat(300), close.repeat(300));
        assert_eq!(run(&start("", &body)).status().kind, OutcomeKind::Exited, "{open}");
    }
    // The text form's parser recurses, so deeper nesting is written in binary: 200,000 blocks one in the other.
    let depth = 200_000;
    let mut body = vec![0];
    body.extend([0x02, 0x40].repeat(depth));
    body.extend(vec![0x0b; depth + 1]);
    let mut module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x0a\x01\x06_start\0\0".to_vec();
    let mut code = vec![1];
    code.extend(leb(body.len()));
    code.extend(body);
    module.push(0x0a);
    module.extend(leb(code.len()));
    module.extend(code);
    let thread = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(move || engine::run(&module, launch(), Ports::default()).status().kind);
    assert_eq!(thread.ok().and_then(|thread| thread.join().ok()), Some(OutcomeKind::Exited));
}

/// An unsigned number in the encoding of the binary format.
fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[test]
fn frames_as_large_as_they_can_be() {
    let locals = "(local i64) ".repeat(1_000);
    let text = format!("(module (func $f (export \"_start\") {locals} (call $f)))");
    assert_eq!(trap(&run(&text)), "stack overflow in function \"f\"");
    let locals = "i64 ".repeat(49_000);
    let ending = run(&format!("(module (func $f (export \"_start\") (local {locals}) (call $f)))"));
    let kind = ending.status().kind;
    assert!(matches!(kind, OutcomeKind::Trap | OutcomeKind::Invalid), "{ending:?}");
}

#[test]
fn an_end_in_the_start_section_is_an_end() {
    let text = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
                  (func $first (call $exit (i32.const 9))) (start $first)
                  (func (export \"_start\") unreachable))";
    assert!(matches!(run(text), Ending::Exited(9)));
}

#[test]
fn mutated_modules_never_kill_the_host() {
    let whole = support::bytes(
        "(module
           (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
           (memory (export \"memory\") 1) (table 4 funcref) (global $g (mut i32) (i32.const 7))
           (elem (i32.const 0) $start $add) (data (i32.const 8) \"hello\")
           (func $add (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
           (func $start (export \"_start\") (local $i i32)
             (loop $l
               (local.set $i (call $add (local.get $i) (i32.const 1)))
               (br_if $l (i32.lt_u (local.get $i) (i32.const 100))))
             (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))))",
    );
    // A fixed sequence (xorshift), so that every run tries the same 20,000 modules.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut module = whole.clone();
        for _ in 0..1 + next() % 3 {
            let at = 8 + next() % (module.len() - 8);
            module[at] = next() as u8;
        }
        let launch = capos_wasm::launch::Launch { fuel: Some(100_000), ..launch() };
        let ending = engine::run(&module, launch, Ports::default());
        assert!(!matches!(ending, Ending::Internal(_)), "{ending:?}");
        accepted += usize::from(!matches!(ending, Ending::Invalid(_)));
    }
    assert!(accepted > 1_000, "only {accepted} of the modules ran: the mutations show nothing");
}
