//! How runs end: return, exit, traps by kind, fuel, limits.
#![forbid(unsafe_code)]

mod support;

use capos_abi::outcome::OutcomeKind;
use capos_wasm::ending::Ending;
use capos_wasm::launch::Launch;
use capos_wasm::port::Ports;
use capos_wasm::port::fake::Fake;
use support::{code, launch, run, run_with, trap};

fn start(fields: &str, body: &str) -> String {
    format!("(module {fields} (func (export \"_start\") {body}))")
}

#[test]
fn returning_is_code_0() {
    let (ending, _) = run(&start("", ""));
    assert!(matches!(ending, Ending::Returned));
    assert_eq!(ending.status().to_word(), 0);
    assert_eq!(ending.report(), "");
}

#[test]
fn traps_by_kind() {
    let cases = [
        ("", "unreachable", "unreachable instruction executed in function 0"),
        ("(memory 1)", "(drop (i32.load (i32.const 65533)))", "out of bounds memory access in function 0"),
        (
            "(memory 1)",
            "(i64.store (i32.const -8) (i64.const 0))",
            "out of bounds memory access in function 0",
        ),
        (
            "(memory 1)",
            "(memory.fill (i32.const 0) (i32.const 0) (i32.const 65537))",
            "out of bounds memory access in function 0",
        ),
        ("(memory 1) (data (i32.const 65535) \"ab\")", "", "out of bounds memory access"),
        ("", "(drop (i32.div_s (i32.const 1) (i32.const 0)))", "integer divide by zero in function 0"),
        ("", "(drop (i64.rem_u (i64.const 1) (i64.const 0)))", "integer divide by zero in function 0"),
        ("", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow in function 0"),
        ("", "(drop (i32.trunc_f64_s (f64.const nan)))", "invalid conversion to integer in function 0"),
        (
            "(table 1 funcref)",
            "(call_indirect (i32.const 0))",
            "indirect call of a null table element in function 0",
        ),
        ("(table 1 funcref)", "(call_indirect (i32.const 1))", "out of bounds table access in function 0"),
        (
            "(table 1 funcref) (func $f (param i32)) (elem (i32.const 0) $f)",
            "(call_indirect (i32.const 0))",
            "indirect call type mismatch in function 1",
        ),
        ("(table 1 funcref) (func $f) (elem (i32.const 1) $f)", "", "out of bounds table access"),
        ("(func $f unreachable) (start $f)", "", "unreachable instruction executed in function \"f\""),
    ];
    for (fields, body, text) in cases {
        let (ending, _) = run(&start(fields, body));
        assert_eq!(trap(&ending), text, "{fields} {body}");
        assert_eq!(ending.status().kind, OutcomeKind::Trap);
        assert_eq!(ending.report(), text);
    }
}

#[test]
fn a_trap_names_the_functions_that_led_to_it() {
    let text = "(module (import \"wasi_snapshot_preview1\" \"sched_yield\" (func $yield (result i32)))
        (table 1 funcref) (elem (i32.const 0) $low)
        (func $done (drop (call $yield)))
        (func $low (call $done) unreachable)
        (func $middle (call $done) (call_indirect (i32.const 0)))
        (func $top (call $middle))
        (func $start (export \"_start\") (call $top)))";
    let told =
        "unreachable instruction executed in function \"low\", called from \"middle\", \"top\", \"start\"";
    assert_eq!(trap(&run(text).0), told);
    let metered = Launch { fuel: Some(1 << 40), ..launch() };
    assert_eq!(trap(&run_with(text, metered, Fake::default().ports())), told);
    let tail =
        "(module (func $b unreachable) (func $a return_call $b) (func $s (export \"_start\") (call $a)))";
    let told = "unreachable instruction executed in function \"b\", called from \"s\"";
    assert_eq!(trap(&run(tail).0), told);
}

#[test]
fn fuel_ends_in_a_function_too() {
    let text = "(module (func $spin (loop (br 0))) (func $s (export \"_start\") (call $spin)))";
    let ending = run_with(text, Launch { fuel: Some(10_000), ..launch() }, Ports::default());
    assert_eq!(ending.report(), "the fuel is used up in function \"spin\", called from \"s\"");
}

#[test]
fn both_entries_run_in_order() {
    let text = "(module
        (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
        (global $g (mut i32) (i32.const 1))
        (func (export \"_initialize\") (global.set $g (i32.add (global.get $g) (i32.const 20))))
        (func (export \"_start\") (call $exit (i32.mul (global.get $g) (i32.const 2)))))";
    assert_eq!(code(&run(text).0), 42);
}

/// Recursion without end; each level has a few locals.
const DEEP: &str = "(module
    (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
    (func $down (param $left i32) (param $sum i64) (result i64)
      (if (result i64) (local.get $left)
        (then (i64.add (i64.const 1)
          (call $down (i32.sub (local.get $left) (i32.const 1)) (i64.add (local.get $sum) (i64.const 3)))))
        (else (local.get $sum))))
    (func (export \"_start\") (call $exit (i32.wrap_i64 (call $down (i32.const DEPTH) (i64.const 0))))))";

const TOO_DEEP: &str = "stack overflow in function \"down\"";

#[test]
fn recursion_up_to_the_limit_and_past_it() {
    let deep = |depth: u32| DEEP.replace("DEPTH", &depth.to_string());
    assert_eq!(code(&run(&deep(49_000)).0), 4 * 49_000);
    assert_eq!(trap(&run(&deep(51_000)).0), TOO_DEEP);
    let shallow = Launch { recursion_limit: Some(100), ..launch() };
    assert_eq!(trap(&run_with(&deep(200), shallow, Ports::default())), TOO_DEEP);
    let small = Launch { stack_bytes: Some(10_000), ..launch() };
    assert_eq!(trap(&run_with(&deep(2_000), small, Ports::default())), TOO_DEEP);
    let large = Launch { recursion_limit: Some(1_000_000), stack_bytes: Some(256 << 20), ..launch() };
    assert_eq!(code(&run_with(&deep(900_000), large, Ports::default())), 4 * 900_000);
}

#[test]
fn recursion_needs_no_native_stack() {
    // 256 KiB is what a process gets.
    let run = || trap(&run(&DEEP.replace("DEPTH", "60000")).0).to_owned();
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(run);
    assert_eq!(
        thread.and_then(|thread| thread.join().map_err(|_| std::io::ErrorKind::Other.into())).ok().as_deref(),
        Some(TOO_DEEP)
    );
}

/// Counts to a number and exits with the low bits of a sum.
const LOOP: &str = "(module
    (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
    (func (export \"_start\") (local $i i32) (local $sum i32)
      (loop $next
        (local.set $sum (i32.add (local.get $sum) (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 10000000))))
      (call $exit (local.get $sum))))";

#[test]
fn ten_million_rounds() {
    let expected = (0..10_000_000_u32).fold(0_u32, u32::wrapping_add);
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(|| code(&run(LOOP).0));
    assert_eq!(thread.map(|thread| thread.join().ok()).ok().flatten(), Some(expected));
}

#[test]
fn fuel() {
    let limited = |fuel| run_with(LOOP, Launch { fuel: Some(fuel), ..launch() }, Ports::default());
    let ending = limited(1_000_000);
    assert!(matches!(ending, Ending::Fuel(_)), "{ending:?}");
    assert_eq!(ending.status().kind, OutcomeKind::Fuel);
    assert!(matches!(limited(0), Ending::Fuel(_)));
    assert!(matches!(limited(1_000_000_000), Ending::Exited(_)));
    let endless = "(module (func $f (loop $l (br $l))) (start $f) (func (export \"_start\")))";
    let ending = run_with(endless, Launch { fuel: Some(1_000), ..launch() }, Ports::default());
    assert!(matches!(ending, Ending::Fuel(_)), "{ending:?}");
}

#[test]
fn fuel_is_the_same_in_every_run() {
    // The least fuel with which the loop ends, found twice: 64 runs in all, of a loop cut to 1,000 rounds.
    let least = || {
        let short = LOOP.replace("10000000", "1000");
        let enough = |fuel| {
            matches!(
                run_with(&short, Launch { fuel: Some(fuel), ..launch() }, Ports::default()),
                Ending::Exited(_)
            )
        };
        let (mut low, mut high) = (0_u64, 1 << 32);
        while high - low > 1 {
            let middle = low.midpoint(high);
            if enough(middle) { high = middle } else { low = middle }
        }
        high
    };
    let first = least();
    assert!((1_000..100_000).contains(&first), "{first}");
    assert_eq!(first, least());
}

/// Grows by one page until it is refused, then exits with the pages that it has, after touching each.
const GROW: &str = "(module
    (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
    (memory (export \"memory\") 1)
    (func (export \"_start\")
      (loop $next
        (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 1))
        (br_if $next (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (call $exit (memory.size))))";

#[test]
fn growth_ends_at_the_limit_and_the_guest_goes_on() {
    for pages in [1, 2, 3, 100, 256] {
        let launch = Launch { memory_limit: (pages << 16) + 65_535, ..launch() };
        assert_eq!(u64::from(code(&run_with(GROW, launch, Ports::default()))), pages);
    }
}

#[test]
fn growth_is_announced_to_the_process_page_by_page() {
    let fake = Fake::default();
    fake.with(|record| record.grow_at_most = Some(3 << 16));
    assert_eq!(code(&run_with(GROW, launch(), fake.ports())), 3);
    let page = 1 << 16;
    let expected = [(0, page), (page, 2 * page), (2 * page, 3 * page), (3 * page, 4 * page)];
    assert_eq!(fake.with(|record| record.growths.clone()), expected);
}

#[test]
fn a_first_memory_that_the_process_has_not_is_no_refusal_of_the_module() {
    let fake = Fake::default();
    fake.with(|record| record.grow_at_most = Some(0));
    let ending = run_with(GROW, launch(), fake.ports());
    assert_eq!(ending.status().kind, OutcomeKind::Memory, "{ending:?}");
}

#[test]
fn a_refused_growth_costs_nothing() {
    // Growing by too much fails; growing to exactly the limit succeeds after it. The module's own maximum counts too.
    let text = |maximum: &str| {
        format!(
            "(module
               (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
               (memory 1 {maximum})
               (func (export \"_start\")
                 (if (i32.ne (memory.grow (i32.const 8)) (i32.const -1)) (then unreachable))
                 (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable))
                 (if (i32.ne (memory.grow (i32.const -1)) (i32.const -1)) (then unreachable))
                 (if (i32.ne (memory.grow (i32.const 3)) (i32.const 1)) (then unreachable))
                 (call $exit (memory.size))))"
        )
    };
    let launch = |pages: u64| Launch { memory_limit: pages << 16, ..launch() };
    assert_eq!(code(&run_with(&text(""), launch(4), Ports::default())), 4);
    assert_eq!(code(&run_with(&text("4"), launch(100), Ports::default())), 4);
}

#[test]
fn tables_have_a_limit_too() {
    let text = "(module
        (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
        (table $t 1 funcref)
        (func (export \"_start\")
          (if (i32.ne (table.grow $t (ref.null func) (i32.const 100000000)) (i32.const -1)) (then unreachable))
          (if (i32.ne (table.grow $t (ref.null func) (i32.const 9)) (i32.const 1)) (then unreachable))
          (call $exit (table.size $t))))";
    assert_eq!(code(&run(text).0), 10);
}
