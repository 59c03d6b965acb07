//! `capos --licenses`: whose code the boot image and this command contain.
//!
//! Called by `command`. The text is written by `make generate` from the lock file and the sources of the crates, and
//! `make check` compares it.
//!
//! Invariant: the notices are those of the crates that this command and the image next to it were built from.

use crate::failure::Failure;

const NOTICES: &str = include_str!("../../notices.txt");

/// Prints the notices.
///
/// # Errors
/// They cannot be written.
pub(crate) fn licenses() -> Result<(), Failure> {
    super::print(NOTICES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_of_ring_0_and_of_the_wasi_host_are_named() {
        for name in ["x86_64", "virtio-drivers", "linked_list_allocator", "wasmi", "capnp", "bootloader_api"]
        {
            assert!(NOTICES.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
        }
        assert!(NOTICES.contains("Permission is hereby granted"));
        let (_, tool) = NOTICES.split_once("The manifest tool capos-manifest").unwrap();
        for line in ["cuelang.org/go v", "golang.org/x/text v"] {
            assert!(tool.lines().any(|it| it.starts_with(line)), "{line}");
        }
        assert!(tool.contains("Redistribution and use in source and binary forms"));
    }
}
