//! The one list of the 46 functions of WASI Preview 1.
//!
//! A row is a name, its typed arguments and whether it is served. [`crate::link`] expands the list into the functions
//! that a module is linked with, this file into the names and types used in reports and in `docs/coverage.md`, and the
//! tests into one test per row: a row without a test does not compile.
//!
//! Invariant: names, types and order of arguments are those of the Preview 1 document; a row that is not served answers
//! `ENOSYS` and looks at none of its arguments.

use alloc::string::String;
use core::fmt::{self, Write};

use wasmi::{FuncType, ValType};

/// Hands all rows to the macro `$expand`: `name(argument: type, ...) -> errno|never = served path|absent;`.
///
/// The types are those of [`crate::memory`] and the integers of Rust; `served` names the function in [`crate::p1`].
#[macro_export]
#[doc(hidden)]
macro_rules! for_each_preview1_function {
    ($expand:ident) => {
        $expand! {
            args_get(argv: Pointer<u32>, argv_buf: Pointer<u8>) -> errno = served args::get;
            args_sizes_get(argc: Pointer<u32>, argv_buf_size: Pointer<u32>) -> errno = served args::sizes_get;
            environ_get(environ: Pointer<u32>, environ_buf: Pointer<u8>) -> errno = served environ::get;
            environ_sizes_get(environc: Pointer<u32>, environ_buf_size: Pointer<u32>) -> errno = served environ::sizes_get;

            clock_res_get(id: u32, resolution: Pointer<u64>) -> errno = served clock::res_get;
            clock_time_get(id: u32, precision: u64, time: Pointer<u64>) -> errno = served clock::time_get;

            fd_advise(fd: Fd, offset: u64, len: u64, advice: u32) -> errno = absent;
            fd_allocate(fd: Fd, offset: u64, len: u64) -> errno = absent;
            fd_close(fd: Fd) -> errno = served fd::close;
            fd_datasync(fd: Fd) -> errno = absent;
            fd_fdstat_get(fd: Fd, stat: Pointer<Fdstat>) -> errno = served fd::fdstat_get;
            fd_fdstat_set_flags(fd: Fd, flags: u32) -> errno = absent;
            fd_fdstat_set_rights(fd: Fd, rights_base: u64, rights_inheriting: u64) -> errno = absent;
            fd_filestat_get(fd: Fd, stat: Pointer<u64>) -> errno = absent;
            fd_filestat_set_size(fd: Fd, size: u64) -> errno = absent;
            fd_filestat_set_times(fd: Fd, atim: u64, mtim: u64, fst_flags: u32) -> errno = absent;
            fd_pread(fd: Fd, iovs: Pointer<Vector>, iovs_len: u32, offset: u64, nread: Pointer<u32>) -> errno = absent;
            fd_prestat_get(fd: Fd, prestat: Pointer<u32>) -> errno = served fd::prestat_get;
            fd_prestat_dir_name(fd: Fd, path: Pointer<u8>, path_len: u32) -> errno = absent;
            fd_pwrite(fd: Fd, iovs: Pointer<Vector>, iovs_len: u32, offset: u64, nwritten: Pointer<u32>) -> errno = absent;
            fd_read(fd: Fd, iovs: Pointer<Vector>, iovs_len: u32, nread: Pointer<u32>) -> errno = absent;
            fd_readdir(fd: Fd, buf: Pointer<u8>, buf_len: u32, cookie: u64, bufused: Pointer<u32>) -> errno = absent;
            fd_renumber(fd: Fd, to: Fd) -> errno = absent;
            fd_seek(fd: Fd, offset: u64, whence: u32, newoffset: Pointer<u64>) -> errno = absent;
            fd_sync(fd: Fd) -> errno = absent;
            fd_tell(fd: Fd, offset: Pointer<u64>) -> errno = absent;
            fd_write(fd: Fd, iovs: Pointer<Vector>, iovs_len: u32, nwritten: Pointer<u32>) -> errno = served fd::write;

            path_create_directory(fd: Fd, path: Pointer<u8>, path_len: u32) -> errno = absent;
            path_filestat_get(fd: Fd, flags: u32, path: Pointer<u8>, path_len: u32, stat: Pointer<u64>) -> errno = absent;
            path_filestat_set_times(fd: Fd, flags: u32, path: Pointer<u8>, path_len: u32, atim: u64, mtim: u64, fst_flags: u32)
                -> errno = absent;
            path_link(old_fd: Fd, old_flags: u32, old_path: Pointer<u8>, old_path_len: u32, new_fd: Fd,
                new_path: Pointer<u8>, new_path_len: u32) -> errno = absent;
            path_open(fd: Fd, dirflags: u32, path: Pointer<u8>, path_len: u32, oflags: u32, fs_rights_base: u64,
                fs_rights_inheriting: u64, fdflags: u32, opened_fd: Pointer<u32>) -> errno = absent;
            path_readlink(fd: Fd, path: Pointer<u8>, path_len: u32, buf: Pointer<u8>, buf_len: u32, bufused: Pointer<u32>)
                -> errno = absent;
            path_remove_directory(fd: Fd, path: Pointer<u8>, path_len: u32) -> errno = absent;
            path_rename(fd: Fd, old_path: Pointer<u8>, old_path_len: u32, new_fd: Fd, new_path: Pointer<u8>, new_path_len: u32)
                -> errno = absent;
            path_symlink(old_path: Pointer<u8>, old_path_len: u32, fd: Fd, new_path: Pointer<u8>, new_path_len: u32)
                -> errno = absent;
            path_unlink_file(fd: Fd, path: Pointer<u8>, path_len: u32) -> errno = absent;

            poll_oneoff(subscriptions: Pointer<u64>, events: Pointer<u64>, nsubscriptions: u32, nevents: Pointer<u32>)
                -> errno = absent;
            proc_exit(rval: u32) -> never = served proc::exit;
            proc_raise(sig: u32) -> errno = absent;
            sched_yield() -> errno = served sched::yield_now;
            random_get(buf: Pointer<u8>, buf_len: u32) -> errno = served random::get;

            sock_accept(fd: Fd, flags: u32, ro_fd: Pointer<u32>) -> errno = absent;
            sock_recv(fd: Fd, ri_data: Pointer<Vector>, ri_data_len: u32, ri_flags: u32, ro_datalen: Pointer<u32>,
                ro_flags: Pointer<u32>) -> errno = absent;
            sock_send(fd: Fd, si_data: Pointer<Vector>, si_data_len: u32, si_flags: u32, so_datalen: Pointer<u32>)
                -> errno = absent;
            sock_shutdown(fd: Fd, how: u32) -> errno = absent;
        }
    };
}

/// The import modules under which the functions are found: Preview 1, and its name before it was called that.
pub const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// A function of the table without its code.
#[derive(Debug)]
pub struct Row {
    /// Its name in the Preview 1 document.
    pub name: &'static str,
    /// Name and wasm type of each argument.
    pub arguments: &'static [(&'static str, ValType)],
    /// False for `proc_exit`, which does not return; every other one returns an errno.
    pub returns_errno: bool,
    /// True if it is served; the others answer `ENOSYS`.
    pub served: bool,
}

impl Row {
    /// The wasm type which an import of it must have.
    #[must_use]
    pub fn func_type(&self) -> FuncType {
        let results: &[ValType] = if self.returns_errno { &[ValType::I32] } else { &[] };
        FuncType::new(self.arguments.iter().map(|(_, kind)| *kind), results.iter().copied())
    }
}

/// The wasm type of an argument type of the table.
macro_rules! wasm_type {
    (u64) => {
        ValType::I64
    };
    ($other:ident $(< $inner:ident >)?) => {
        ValType::I32
    };
}

macro_rules! rows {
    ($($name:ident($($argument:ident: $kind:ident $(<$inner:ident>)?),*) -> $result:ident = $state:ident $($area:ident::$function:ident)?;)+) => {
        /// Every row, in the order of the list.
        pub static ROWS: &[Row] = &[$(Row {
            name: stringify!($name),
            arguments: &[$((stringify!($argument), wasm_type!($kind $(<$inner>)?))),*],
            returns_errno: rows!(@returns $result),
            served: rows!(@served $state),
        },)+];
    };
    (@returns errno) => { true };
    (@returns never) => { false };
    (@served served) => { true };
    (@served absent) => { false };
}

for_each_preview1_function!(rows);

/// Number and row of the function with this name.
#[must_use]
pub fn find(name: &str) -> Option<(usize, &'static Row)> {
    ROWS.iter().enumerate().find(|(_, row)| row.name == name)
}

/// A function type in words: `(i32, i64) -> i32`.
#[derive(Clone, Copy)]
pub struct Signature<'a>(pub &'a FuncType);

impl fmt::Display for Signature<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_types(formatter, self.0.params())?;
        formatter.write_str(" -> ")?;
        match self.0.results() {
            [one] => formatter.write_str(type_name(*one)),
            results => write_types(formatter, results),
        }
    }
}

fn write_types(formatter: &mut fmt::Formatter<'_>, types: &[ValType]) -> fmt::Result {
    formatter.write_char('(')?;
    for (index, kind) in types.iter().enumerate() {
        if index > 0 {
            formatter.write_str(", ")?;
        }
        formatter.write_str(type_name(*kind))?;
    }
    formatter.write_char(')')
}

fn type_name(kind: ValType) -> &'static str {
    match kind {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
        ValType::V128 => "v128",
        ValType::FuncRef => "funcref",
        ValType::ExternRef => "externref",
    }
}

/// The text of `docs/coverage.md`.
#[must_use]
pub fn coverage_page() -> String {
    let served = ROWS.iter().filter(|row| row.served).count();
    let mut page = String::from(
        "# WASI Preview 1 coverage\n\n\
         Generated from the table in `capos-wasm/src/table.rs`; `cargo run -p capos-wasm --example coverage` prints it, and a\n\
         test compares it with this file. Every row has a test of its name in `capos-wasm/tests/preview1`. A function that is\n\
         not served is linked all the same and answers `ENOSYS` (52).\n\n",
    );
    // Writing into a String cannot fail.
    let _ =
        writeln!(page, "Served: {served} of {}.\n\n| function | type | state |\n|---|---|---|", ROWS.len());
    for row in ROWS {
        let state = if row.served { "served" } else { "ENOSYS" };
        let _ = writeln!(page, "| `{}` | `{}` | {state} |", row.name, Signature(&row.func_type()));
    }
    page
}
