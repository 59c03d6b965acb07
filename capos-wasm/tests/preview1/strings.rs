//! Arguments and environment.

use crate::support::{bytes, code, launch, module, run_with, trap};
use capos_wasm::errno::Failure;
use capos_wasm::launch::Launch;
use capos_wasm::memory::{GuestMemory, Pointer};
use capos_wasm::p1::{Call, Instance, args};
use capos_wasm::port::Ports;
use capos_wasm::port::fake::{Fake, Target};

/// A guest that asks for the sizes, gets the strings, and writes the buffer to standard output; it exits with the count. The
/// buffer lies at 1024, the pointers at 16; the first pointer is checked.
fn echo(area: &str) -> String {
    format!(
        "(module
           (import \"wasi_snapshot_preview1\" \"{area}_sizes_get\" (func $sizes (param i32 i32) (result i32)))
           (import \"wasi_snapshot_preview1\" \"{area}_get\" (func $get (param i32 i32) (result i32)))
           (import \"wasi_snapshot_preview1\" \"fd_write\" (func $write (param i32 i32 i32 i32) (result i32)))
           (import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))
           (memory (export \"memory\") 2)
           (func (export \"_start\")
             (if (call $sizes (i32.const 0) (i32.const 4)) (then unreachable))
             (if (call $get (i32.const 16) (i32.const 1024)) (then unreachable))
             (if (i32.and (i32.gt_u (i32.load (i32.const 0)) (i32.const 0)) (i32.ne (i32.load (i32.const 16)) (i32.const 1024)))
               (then unreachable))
             (i32.store (i32.const 8) (i32.const 1024))
             (i32.store (i32.const 12) (i32.load (i32.const 4)))
             (if (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 4)) (then unreachable))
             (call $exit (i32.load (i32.const 0)))))"
    )
}

fn strings(list: &[&[u8]]) -> Vec<Vec<u8>> {
    list.iter().map(|entry| entry.to_vec()).collect()
}

#[track_caller]
fn echoes(area: &str, launch: Launch, count: u32, expected: &[u8]) {
    let fake = Fake::default();
    let ending = run_with(&echo(area), launch, fake.ports());
    assert_eq!(code(&ending), count);
    assert_eq!(fake.written(Target::Stdout), expected);
}

#[test]
pub(crate) fn args_get() {
    let arguments = strings(&[b"program", b"", b"two words", b"\xff\xfe not text"]);
    echoes("args", Launch { arguments, ..launch() }, 4, b"program\0\0two words\0\xff\xfe not text\0");
}

#[test]
pub(crate) fn args_sizes_get() {
    echoes("args", launch(), 0, b"");
}

#[test]
pub(crate) fn environ_get() {
    let environment = strings(&[b"KEY=value", b"EMPTY=", b"TWICE=a=b"]);
    echoes("environ", Launch { environment, ..launch() }, 3, b"KEY=value\0EMPTY=\0TWICE=a=b\0");
}

#[test]
pub(crate) fn environ_sizes_get() {
    // The argument vector is not the environment, and nothing is inherited from the host.
    let arguments = strings(&[b"program"]);
    echoes("environ", Launch { arguments, ..launch() }, 0, b"");
}

#[test]
fn bad_pointers() {
    let launch =
        || Launch { arguments: strings(&[b"abc", b"d"]), environment: strings(&[b"A=b"]), ..launch() };
    let cases = [
        ("args_get", "(i32.const 2) (i32.const 0)", "argv", "no multiple of 4"),
        ("args_get", "(i32.const 65532) (i32.const 0)", "argv", "8 bytes at 0xfffc"),
        ("args_get", "(i32.const 0) (i32.const 65531)", "argv_buf", "6 bytes at 0xfffb"),
        ("args_sizes_get", "(i32.const 65536) (i32.const 0)", "argc", "4 bytes at 0x10000"),
        ("args_sizes_get", "(i32.const 0) (i32.const -4)", "argv_buf_size", "4 bytes at 0xfffffffc"),
        ("environ_get", "(i32.const 1) (i32.const 0)", "environ", "no multiple of 4"),
        ("environ_get", "(i32.const 0) (i32.const 65536)", "environ_buf", "4 bytes at 0x10000"),
        ("environ_sizes_get", "(i32.const 3) (i32.const 0)", "environc", "no multiple of 4"),
        ("environ_sizes_get", "(i32.const 0) (i32.const 65534)", "environ_buf_size", "no multiple of 4"),
    ];
    for (name, arguments, argument, part) in cases {
        let text = module(name, "i32 i32", &format!("(drop (call $f {arguments}))"), "");
        let ending = run_with(&text, launch(), Fake::default().ports());
        let report = trap(&ending);
        assert!(report.starts_with(&format!("{name}: bad pointer in argument `{argument}`: ")), "{report}");
        assert!(report.contains(part), "{report}");
    }
}

/// Calls the functions themselves, on a memory that can be looked at afterwards.
#[test]
fn nothing_is_written_before_all_pointers_are_checked() {
    let mut instance = Instance::new(strings(&[b"abc"]), Vec::new(), Ports::default());
    let mut page = [0xaa_u8; 64];
    for (first, second) in [(0, 64), (64, 0), (0, 2), (61, 0)] {
        let mut call = Call { memory: GuestMemory::new(Some(&mut page)), instance: &mut instance };
        let sizes =
            args::sizes_get(&mut call, Pointer::new(first, "argc"), Pointer::new(second, "argv_buf_size"));
        assert!(matches!(sizes, Err(Failure::BadPointer(_))));
        assert_eq!(page, [0xaa; 64], "{first} {second}");
    }
    for (pointers, buffer) in [(0, 61), (61, 0), (64, 0), (0, u32::MAX)] {
        let mut call = Call { memory: GuestMemory::new(Some(&mut page)), instance: &mut instance };
        let list = args::get(&mut call, Pointer::new(pointers, "argv"), Pointer::new(buffer, "argv_buf"));
        assert!(matches!(list, Err(Failure::BadPointer(_))));
        assert_eq!(page, [0xaa; 64], "{pointers} {buffer}");
    }
}

#[test]
fn overlapping_buffers_are_legal() {
    let text = module("args_get", "i32 i32", "(call $exit (call $f (i32.const 0) (i32.const 0)))", "");
    let arguments = strings(&[b"abcdefgh"]);
    assert_eq!(code(&run_with(&text, Launch { arguments, ..launch() }, Fake::default().ports())), 0);
}

#[test]
fn strings_end_exactly_at_the_end_of_memory() {
    let text = module(
        "args_get",
        "i32 i32",
        "(if (call $f (i32.const 0) (i32.const 65532)) (then unreachable))
         (call $exit (i32.load (i32.const 65532)))",
        "",
    );
    let arguments = strings(&[b"abc"]);
    let ending = run_with(&text, Launch { arguments, ..launch() }, Fake::default().ports());
    assert_eq!(code(&ending), u32::from_le_bytes(*b"abc\0"));
}

#[test]
fn a_module_without_memory() {
    let text = "(module (import \"wasi_snapshot_preview1\" \"args_sizes_get\" (func $f (param i32 i32) (result i32)))
                  (memory 1)
                  (func (export \"_start\") (drop (call $f (i32.const 0) (i32.const 4)))))";
    let ending = capos_wasm::engine::run(&bytes(text), launch(), Fake::default().ports());
    assert_eq!(
        trap(&ending),
        "args_sizes_get: bad pointer in argument `argc`: address 0x0 in a module that exports no memory named `memory`, in function 1"
    );
}
