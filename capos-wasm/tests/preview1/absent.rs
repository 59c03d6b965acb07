//! Functions that are not served: linked with the type of the Preview 1 document, answering `ENOSYS` whatever they are
//! given, pointers outside the memory included.

use crate::support::{code, probe, run};

const ENOSYS: u32 = 52;

macro_rules! absent {
    ($($name:ident $types:literal;)+) => {$(
        #[test]
        pub(crate) fn $name() {
            for value in ["0", "-1"] {
                let arguments: Vec<String> =
                    $types.split_whitespace().map(|kind| format!("({kind}.const {value})")).collect();
                let (ending, fake) = run(&probe(stringify!($name), $types, &arguments.join(" "), ""));
                assert_eq!(code(&ending), ENOSYS, "called with {value}");
                assert!(fake.with(|record| record.writes.is_empty()));
            }
        }
    )+};
}

absent! {
    fd_advise "i32 i64 i64 i32";
    fd_allocate "i32 i64 i64";
    fd_datasync "i32";
    fd_fdstat_set_flags "i32 i32";
    fd_fdstat_set_rights "i32 i64 i64";
    fd_filestat_get "i32 i32";
    fd_filestat_set_size "i32 i64";
    fd_filestat_set_times "i32 i64 i64 i32";
    fd_pread "i32 i32 i32 i64 i32";
    fd_prestat_dir_name "i32 i32 i32";
    fd_pwrite "i32 i32 i32 i64 i32";
    fd_read "i32 i32 i32 i32";
    fd_readdir "i32 i32 i32 i64 i32";
    fd_renumber "i32 i32";
    fd_seek "i32 i64 i32 i32";
    fd_sync "i32";
    fd_tell "i32 i32";
    path_create_directory "i32 i32 i32";
    path_filestat_get "i32 i32 i32 i32 i32";
    path_filestat_set_times "i32 i32 i32 i32 i64 i64 i32";
    path_link "i32 i32 i32 i32 i32 i32 i32";
    path_open "i32 i32 i32 i32 i32 i64 i64 i32 i32";
    path_readlink "i32 i32 i32 i32 i32 i32";
    path_remove_directory "i32 i32 i32";
    path_rename "i32 i32 i32 i32 i32 i32";
    path_symlink "i32 i32 i32 i32 i32";
    path_unlink_file "i32 i32 i32";
    poll_oneoff "i32 i32 i32 i32";
    proc_raise "i32";
    sock_accept "i32 i32 i32";
    sock_recv "i32 i32 i32 i32 i32 i32";
    sock_send "i32 i32 i32 i32 i32";
    sock_shutdown "i32 i32";
}
