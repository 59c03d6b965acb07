//! Random bytes, yielding, and the end of the process.

use crate::support::{code, launch, module, probe, run, run_with, trap};
use capos_wasm::ending::Ending;
use capos_wasm::port::fake::Fake;
use capos_wasm::port::{PortError, Ports};

const RANDOM: &str = "i32 i32";

#[test]
pub(crate) fn random_get() {
    // 200,000 bytes from address 16 on: three chunks of 64 KiB and the rest, and not a byte more.
    let body = "(drop (memory.grow (i32.const 3)))
                (if (call $f (i32.const 16) (i32.const 200000)) (then unreachable))
                (if (i32.load8_u (i32.const 15)) (then unreachable))
                (if (i32.load8_u (i32.const 200016)) (then unreachable))
                (call $exit (i32.add (i32.load8_u (i32.const 16)) (i32.load8_u (i32.const 200015))))";
    let (ending, fake) = run(&module("random_get", RANDOM, body, ""));
    let last = (167_u64 * 200_000) as u8;
    assert_eq!(code(&ending), 167 + u32::from(last));
    assert_eq!(fake.with(|record| record.random_requests.clone()), [65_536, 65_536, 65_536, 3_392]);
}

#[test]
fn random_get_without_a_grant() {
    let text = probe("random_get", RANDOM, "(i32.const -1) (i32.const -1)", "");
    assert_eq!(code(&run_with(&text, launch(), Ports::default())), 52);
}

#[test]
fn a_refusal_of_the_source_leaves_zeros() {
    for (error, errno) in [(PortError::NotReady, 6), (PortError::Denied, 2), (PortError::Gone, 29)] {
        let body = "(local $errno i32)
                    (i64.store (i32.const 0) (i64.const -1))
                    (local.set $errno (call $f (i32.const 0) (i32.const 8)))
                    (if (i64.ne (i64.load (i32.const 0)) (i64.const 0)) (then unreachable))
                    (call $exit (local.get $errno))";
        let fake = Fake::default();
        fake.with(|record| record.fail_next = Some(error));
        let text = module("random_get", RANDOM, body, "");
        assert_eq!(code(&run_with(&text, launch(), fake.ports())), errno);
    }
}

#[test]
fn random_get_checks_before_it_acts() {
    for (address, length) in [("65536", "1"), ("0", "65537"), ("1", "-1"), ("-1", "-1"), ("65537", "0")] {
        let arguments = format!("(i32.const {address}) (i32.const {length})");
        let (ending, fake) = run(&probe("random_get", RANDOM, &arguments, ""));
        let text = trap(&ending);
        assert!(text.starts_with("random_get: bad pointer in argument `buf`: "), "{text}");
        assert!(fake.with(|record| record.random_requests.is_empty()));
    }
    let (ending, fake) = run(&probe("random_get", RANDOM, "(i32.const 65536) (i32.const 0)", ""));
    assert_eq!(code(&ending), 0);
    assert!(fake.with(|record| record.random_requests.is_empty()));
}

#[test]
pub(crate) fn sched_yield() {
    assert_eq!(code(&run(&probe("sched_yield", "", "", "")).0), 0);
}

#[test]
pub(crate) fn proc_exit() {
    for value in [0_u32, 1, 42, 125, 126, 255, 256, 0x8000_0000, u32::MAX] {
        let text = format!(
            "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
               (func (export \"_start\") (call $exit (i32.const {value})) unreachable))"
        );
        assert_eq!(code(&run(&text).0), value);
    }
}

#[test]
fn the_end_in_a_nested_call_is_an_end() {
    let text = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
                  (table 1 funcref) (elem (i32.const 0) $inner)
                  (func $inner (call $exit (i32.const 7)))
                  (func (export \"_start\") (call_indirect (i32.const 0)) unreachable))";
    assert_eq!(code(&run(text).0), 7);
}

#[test]
fn the_old_module_name_is_served() {
    let text = "(module (import \"wasi_unstable\" \"proc_exit\" (func $exit (param i32)))
                  (import \"wasi_unstable\" \"sched_yield\" (func $yield (result i32)))
                  (func (export \"_start\") (call $exit (i32.add (call $yield) (i32.const 3)))))";
    assert_eq!(code(&run(text).0), 3);
}

#[test]
fn one_function_may_be_imported_twice() {
    let text = "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $one (param i32)))
                  (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $two (param i32)))
                  (import \"wasi_unstable\" \"proc_exit\" (func $three (param i32)))
                  (func (export \"_start\") (if (i32.const 0) (then (call $one (i32.const 1)))) (call $two (i32.const 2))))";
    assert_eq!(code(&run(text).0), 2);
}

#[test]
fn calls_work_in_the_start_section_too() {
    let text =
        "(module (import \"wasi_snapshot_preview1\" \"random_get\" (func $f (param i32 i32) (result i32)))
                  (memory (export \"memory\") 1)
                  (func $early (if (call $f (i32.const 0) (i32.const 4)) (then unreachable)))
                  (start $early)
                  (func (export \"_start\")))";
    let (ending, fake) = run(text);
    assert!(matches!(ending, Ending::Returned), "{ending:?}");
    assert_eq!(fake.with(|record| record.random_requests.clone()), [4]);
}
