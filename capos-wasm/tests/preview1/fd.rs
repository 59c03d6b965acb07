//! Descriptors: output, state, closing.

use crate::support::{code, launch, module, probe, run, run_with, trap};
use capos_wasm::port::fake::{Fake, Target};
use capos_wasm::port::{PortError, Ports};

const WRITE: &str = "i32 i32 i32 i32";
const EBADF: u32 = 8;

/// Calls `fd_write` with vectors at 0 and the count at 64; exits with the errno or, on success, with 1000 plus the count.
fn write(fd: i32, vectors: u32, more: &str) -> String {
    let body = format!(
        "(local $errno i32)
         (local.set $errno (call $f (i32.const {fd}) (i32.const 0) (i32.const {vectors}) (i32.const 64)))
         (if (local.get $errno) (then (call $exit (local.get $errno))))
         (call $exit (i32.add (i32.const 1000) (i32.load (i32.const 64))))"
    );
    module("fd_write", WRITE, &body, more)
}

/// A data segment with vectors at 0.
fn vectors(list: &[(u32, u32)]) -> String {
    let bytes: String = list
        .iter()
        .flat_map(|(address, length)| [address.to_le_bytes(), length.to_le_bytes()].concat())
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    format!("(data (i32.const 0) \"{bytes}\")")
}

#[test]
pub(crate) fn fd_write() {
    // Three vectors, one of them empty with an address outside the memory: one message, bytes as they are.
    let data = vectors(&[(100, 3), (0xffff_fff0, 0), (200, 4)])
        + "(data (i32.const 100) \"a\\00\\ff\") (data (i32.const 200) \"\\0a\\80bc\")";
    for (fd, target) in [(1, Target::Stdout), (2, Target::Stderr)] {
        let (ending, fake) = run(&write(fd, 3, &data));
        assert_eq!(code(&ending), 1007);
        assert_eq!(fake.with(|record| record.writes.clone()), [(target, b"a\x00\xff\x0a\x80bc".to_vec())]);
    }
}

#[test]
fn the_order_between_the_streams_is_kept() {
    let body = "(drop (call $f (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
                (drop (call $f (i32.const 2) (i32.const 8) (i32.const 1) (i32.const 64)))
                (drop (call $f (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 64)))";
    let data = vectors(&[(100, 1), (101, 1), (102, 1)]) + "(data (i32.const 100) \"abc\")";
    let (_, fake) = run(&module("fd_write", WRITE, body, &data));
    let writes = fake.with(|record| record.writes.clone());
    let expected = [(Target::Stdout, b"a"), (Target::Stderr, b"b"), (Target::Stdout, b"c")];
    assert_eq!(writes, expected.map(|(target, bytes)| (target, bytes.to_vec())));
}

#[test]
fn nothing_to_write_is_no_message() {
    for (count, list) in [(0, vec![]), (2, vec![(0, 0), (0xffff_ffff, 0)])] {
        let (ending, fake) = run(&write(1, count, &vectors(&list)));
        assert_eq!(code(&ending), 1000);
        assert!(fake.with(|record| record.writes.is_empty()));
    }
}

/// Lengths of the messages of one write of these vectors, in a memory of 8 pages that is filled with a pattern.
fn messages(list: &[(u32, u32)]) -> (u32, Vec<usize>, Vec<u8>) {
    let text = write(1, list.len() as u32, &vectors(list)).replace(
        "(func (export \"_start\")",
        "(func $fill (local $i i32)
           (drop (memory.grow (i32.const 7)))
           (local.set $i (i32.const 1024))
           (loop $next
             (i32.store8 (local.get $i) (i32.mul (local.get $i) (i32.const 7)))
             (local.set $i (i32.add (local.get $i) (i32.const 1)))
             (br_if $next (i32.lt_u (local.get $i) (i32.const 524288)))))
         (start $fill)
         (func (export \"_start\")",
    );
    let (ending, fake) = run(&text);
    let lengths = fake.with(|record| record.writes.iter().map(|(_, bytes)| bytes.len()).collect());
    (code(&ending), lengths, fake.written(Target::Stdout))
}

/// The same bytes by another way.
fn pattern(list: &[(u32, u32)]) -> Vec<u8> {
    list.iter().flat_map(|(at, length)| *at..at + length).map(|at| (at.wrapping_mul(7)) as u8).collect()
}

#[test]
fn large_writes_go_in_chunks() {
    let one = [(1024, 200_000)];
    assert_eq!(messages(&one), (1000 + 200_000, vec![65_536, 65_536, 65_536, 3_392], pattern(&one)));
    let several = [(1024, 40_000), (2_048, 40_000), (300_000, 100_000)];
    let (code, lengths, bytes) = messages(&several);
    assert_eq!((code, lengths), (1000 + 180_000, vec![65_536, 65_536, 48_928]));
    assert!(bytes == pattern(&several), "bytes in another order or lost");
    let whole = [(1024, 65_536), (1024, 65_536)];
    assert_eq!(messages(&whole).1, [65_536, 65_536]);
}

#[test]
fn vectors_may_overlap_each_other_and_the_count() {
    let data = vectors(&[(60, 8), (62, 8)]);
    let (ending, fake) = run(&write(1, 2, &data));
    assert_eq!(code(&ending), 1016);
    assert_eq!(fake.written(Target::Stdout).len(), 16);
}

#[test]
fn descriptors_that_are_not_there() {
    for fd in [0, 3, 4, -1, i32::MIN] {
        assert_eq!(code(&run(&write(fd, 1, &vectors(&[(0, 1)]))).0), EBADF);
    }
}

#[test]
fn nothing_granted() {
    for fd in 0..3 {
        assert_eq!(code(&run_with(&write(fd, 1, &vectors(&[(0, 1)])), launch(), Ports::default())), EBADF);
        let stat = probe("fd_fdstat_get", "i32 i32", &format!("(i32.const {fd}) (i32.const 0)"), "");
        assert_eq!(code(&run_with(&stat, launch(), Ports::default())), EBADF);
        let close = probe("fd_close", "i32", &format!("(i32.const {fd})"), "");
        assert_eq!(code(&run_with(&close, launch(), Ports::default())), EBADF);
    }
    let fake = Fake::default();
    let only_stderr = Ports { stderr: Some(fake.stream(Target::Stderr)), ..Ports::default() };
    assert_eq!(code(&run_with(&write(2, 1, &vectors(&[(0, 1)])), launch(), only_stderr)), 1001);
}

#[test]
fn refusals_of_the_stream() {
    let errors =
        [(PortError::Denied, 2), (PortError::Gone, 29), (PortError::NotReady, 6), (PortError::NoMemory, 48)];
    for (error, errno) in errors {
        let fake = Fake::default();
        fake.with(|record| record.fail_next = Some(error));
        assert_eq!(code(&run_with(&write(1, 1, &vectors(&[(0, 9)])), launch(), fake.ports())), errno);
        assert!(fake.written(Target::Stdout).is_empty());
    }
}

#[test]
fn a_stream_may_take_less() {
    let fake = Fake::default();
    fake.with(|record| record.write_at_most = Some(5));
    let data = vectors(&[(0, 4), (0, 4)]);
    assert_eq!(code(&run_with(&write(1, 2, &data), launch(), fake.ports())), 1005);
    assert_eq!(fake.with(|record| record.writes.len()), 1);
}

#[test]
fn impossible_counts_are_traps() {
    for count in [0, 10] {
        let fake = Fake::default();
        fake.with(|record| record.claimed_count = Some(count));
        let ending = run_with(&write(1, 1, &vectors(&[(0, 9)])), launch(), fake.ports());
        assert!(trap(&ending).starts_with("fd_write: impossible reply: "), "{ending:?}");
    }
}

#[test]
fn bad_pointers_write_nothing() {
    let good = vectors(&[(0, 4), (0, 4)]);
    let cases = [
        ("(i32.const 1) (i32.const 2) (i32.const 1) (i32.const 64)", "iovs", "no multiple of 4"),
        ("(i32.const 1) (i32.const 65532) (i32.const 1) (i32.const 64)", "iovs", "8 bytes at 0xfffc"),
        ("(i32.const 1) (i32.const 0) (i32.const 8193) (i32.const 64)", "iovs", "65544 bytes at 0x0"),
        ("(i32.const 1) (i32.const 8) (i32.const -1) (i32.const 64)", "iovs", "34359738360 bytes at 0x8"),
        ("(i32.const 1) (i32.const 0) (i32.const 2) (i32.const 65534)", "nwritten", "no multiple of 4"),
        ("(i32.const 1) (i32.const 0) (i32.const 2) (i32.const 65536)", "nwritten", "4 bytes at 0x10000"),
    ];
    for (arguments, argument, part) in cases {
        let (ending, fake) = run(&probe("fd_write", WRITE, arguments, &good));
        let report = trap(&ending);
        assert!(report.starts_with(&format!("fd_write: bad pointer in argument `{argument}`: ")), "{report}");
        assert!(report.contains(part), "{report}");
        assert!(fake.with(|record| record.writes.is_empty()));
    }
    for bad in [(65_536, 1), (65_535, 2), (0xffff_ffff, 1), (1, 0xffff_ffff)] {
        let (ending, fake) = run(&write(1, 2, &vectors(&[(0, 4), bad])));
        assert!(trap(&ending).starts_with("fd_write: bad pointer in argument `iovs`: "));
        assert!(
            fake.with(|record| record.writes.is_empty()),
            "the good vector went out before the bad one was seen"
        );
    }
}

#[test]
fn more_than_32_bits_are_refused() {
    // 65,537 vectors of 65,536 bytes, all the same bytes: more than a count can tell.
    let body = "(local $i i32)
                (drop (memory.grow (i32.const 15)))
                (loop $next
                  (i32.store (i32.add (i32.const 131072) (i32.shl (local.get $i) (i32.const 3))) (i32.const 0))
                  (i32.store (i32.add (i32.const 131076) (i32.shl (local.get $i) (i32.const 3))) (i32.const 65536))
                  (local.set $i (i32.add (local.get $i) (i32.const 1)))
                  (br_if $next (i32.lt_u (local.get $i) (i32.const 65537))))
                (call $exit (call $f (i32.const 1) (i32.const 131072) (i32.const 65537) (i32.const 64)))";
    let (ending, fake) = run(&module("fd_write", WRITE, body, ""));
    assert_eq!(code(&ending), 28);
    assert!(fake.with(|record| record.writes.is_empty()));
}

#[test]
pub(crate) fn fd_fdstat_get() {
    // File type and flags 0, both rights exactly fd_write; the padding is written too.
    let body = "(memory.fill (i32.const 8) (i32.const 255) (i32.const 32))
                (if (call $f (i32.const 1) (i32.const 8)) (then unreachable))
                (if (i64.ne (i64.load (i32.const 8)) (i64.const 0)) (then unreachable))
                (if (i64.ne (i64.load (i32.const 16)) (i64.const 64)) (then unreachable))
                (if (i64.ne (i64.load (i32.const 24)) (i64.const 64)) (then unreachable))
                (if (i64.ne (i64.load (i32.const 32)) (i64.const -1)) (then unreachable))
                (call $exit (i32.const 77))";
    assert_eq!(code(&run(&module("fd_fdstat_get", "i32 i32", body, "")).0), 77);
    let bad = probe("fd_fdstat_get", "i32 i32", "(i32.const 1) (i32.const 4)", "");
    assert!(trap(&run(&bad).0).contains("fd_fdstat_get: bad pointer in argument `stat`"));
    let unknown = probe("fd_fdstat_get", "i32 i32", "(i32.const 9) (i32.const -1)", "");
    assert_eq!(code(&run(&unknown).0), EBADF);
}

#[test]
pub(crate) fn fd_close() {
    let text = "(module
        (import \"wasi_snapshot_preview1\" \"fd_close\" (func $close (param i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
        (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
        (memory (export \"memory\") 1) (data (i32.const 4) \"\\01\")
        (func (export \"_start\")
          (if (call $close (i32.const 1)) (then unreachable))
          (if (i32.ne (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)) (i32.const 8)) (then unreachable))
          (if (i32.ne (call $close (i32.const 1)) (i32.const 8)) (then unreachable))
          (if (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 64)) (then unreachable))
          (call $exit (i32.const 5))))";
    let (ending, fake) = run(text);
    assert_eq!(code(&ending), 5);
    assert_eq!(fake.with(|record| record.writes.clone()), [(Target::Stderr, vec![0])]);
    for fd in [0, 3, -1] {
        assert_eq!(code(&run(&probe("fd_close", "i32", &format!("(i32.const {fd})"), "")).0), EBADF);
    }
}

#[test]
pub(crate) fn fd_prestat_get() {
    // No preopened directory at any number, and the pointer is not looked at.
    for fd in [0, 1, 2, 3, 4, -1] {
        let arguments = format!("(i32.const {fd}) (i32.const -1)");
        assert_eq!(code(&run(&probe("fd_prestat_get", "i32 i32", &arguments, "")).0), EBADF);
    }
}
