//! Clocks.

use crate::support::{code, launch, module, probe, run, run_with, trap};
use capos_wasm::port::fake::Fake;
use capos_wasm::port::{PortError, Ports};

const TIME: &str = "i32 i64 i32";
const RESOLUTION: &str = "i32 i32";

#[test]
pub(crate) fn clock_time_get() {
    // Two readings: the second is later, and the difference is the fake clock's step.
    let body = "(if (call $f (i32.const 1) (i64.const 0) (i32.const 8)) (then unreachable))
                (if (call $f (i32.const 1) (i64.const 0) (i32.const 16)) (then unreachable))
                (call $exit (i32.wrap_i64 (i64.sub (i64.load (i32.const 16)) (i64.load (i32.const 8)))))";
    let (ending, fake) = run(&module("clock_time_get", TIME, body, ""));
    assert_eq!(code(&ending), 1_000);
    assert_eq!(fake.with(|record| record.clock_reads), 2);
}

#[test]
pub(crate) fn clock_res_get() {
    let body = "(if (call $f (i32.const 1) (i32.const 8)) (then unreachable))
                (call $exit (i32.wrap_i64 (i64.load (i32.const 8))))";
    let (ending, _) = run(&module("clock_res_get", RESOLUTION, body, ""));
    assert_eq!(code(&ending), 1);
}

#[test]
fn other_clocks() {
    for (id, errno) in [(0, 58), (2, 8), (3, 8), (4, 28), (-1, 28)] {
        let arguments = format!("(i32.const {id}) (i64.const 0) (i32.const 0)");
        assert_eq!(code(&run(&probe("clock_time_get", TIME, &arguments, "")).0), errno, "clock {id}");
        let arguments = format!("(i32.const {id}) (i32.const 0)");
        assert_eq!(code(&run(&probe("clock_res_get", RESOLUTION, &arguments, "")).0), errno, "clock {id}");
    }
}

#[test]
fn nothing_granted() {
    for (id, errno) in [(0, 58), (1, 52), (2, 8), (3, 8), (4, 28)] {
        let time =
            probe("clock_time_get", TIME, &format!("(i32.const {id}) (i64.const 0) (i32.const 0)"), "");
        assert_eq!(code(&run_with(&time, launch(), Ports::default())), errno, "clock {id}");
        let resolution = probe("clock_res_get", RESOLUTION, &format!("(i32.const {id}) (i32.const 0)"), "");
        assert_eq!(code(&run_with(&resolution, launch(), Ports::default())), errno, "clock {id}");
    }
}

#[test]
fn refusals_of_the_port() {
    let errors =
        [(PortError::Denied, 2), (PortError::Gone, 29), (PortError::NotReady, 6), (PortError::NoMemory, 48)];
    for (error, errno) in errors {
        for text in [
            probe("clock_time_get", TIME, "(i32.const 1) (i64.const 0) (i32.const 0)", ""),
            probe("clock_res_get", RESOLUTION, "(i32.const 1) (i32.const 0)", ""),
        ] {
            let fake = Fake::default();
            fake.with(|record| record.fail_next = Some(error));
            assert_eq!(code(&run_with(&text, launch(), fake.ports())), errno, "{error:?}");
        }
    }
}

#[test]
fn an_impossible_reply_is_a_trap() {
    let fake = Fake::default();
    fake.with(|record| record.fail_next = Some(PortError::Impossible("no time in it")));
    let text = probe("clock_time_get", TIME, "(i32.const 1) (i64.const 0) (i32.const 0)", "");
    let ending = run_with(&text, launch(), fake.ports());
    assert_eq!(trap(&ending), "clock_time_get: impossible reply: no time in it, in function 2");
}

#[test]
fn bad_pointers() {
    let (ending, fake) =
        run(&probe("clock_time_get", TIME, "(i32.const 1) (i64.const 0) (i32.const 65532)", ""));
    assert_eq!(
        trap(&ending),
        "clock_time_get: bad pointer in argument `time`: address 0xfffc is no multiple of 8, in function 2"
    );
    assert_eq!(fake.with(|record| record.clock_reads), 0);
    let (ending, _) = run(&probe("clock_res_get", RESOLUTION, "(i32.const 1) (i32.const 65536)", ""));
    assert_eq!(
        trap(&ending),
        "clock_res_get: bad pointer in argument `resolution`: 8 bytes at 0x10000 lie outside the memory of 65536 bytes, in function 2"
    );
}
