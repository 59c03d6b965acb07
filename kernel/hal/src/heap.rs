//! The kernel's heap: linked_list_allocator as `#[global_allocator]`, over a region set aside at start-up (4 MiB, less on a small machine).
//! `alloc` is built with `--cfg no_global_oom_handling`: only `try_*` functions exist.

/// Bytes that are free.
pub fn free_bytes() -> usize {
    crate::absent()
}
