//! The interface of the objects that the kernel's tests serve themselves.
//!
//! Used by the suite and by `crash`. No schema has it: its messages are bytes.
//!
//! Invariant: the kernel knows nothing of it but its number.

use capos_schema::interface::{Description, Interface};

/// Three methods, 0 to 2; the server of a test says what they do.
#[derive(Clone, Copy, Debug)]
pub enum Probe {}

impl Probe {
    /// Its id.
    pub const ID: u64 = 0x9e0b_e5ee_d000_0001;
    /// The mask with every method.
    pub const ALL_METHODS: u64 = 0b111;
}

impl Interface for Probe {
    const DESCRIPTION: &'static Description =
        &Description { name: "Probe", id: Probe::ID, all_methods: Probe::ALL_METHODS, methods: &[] };
}
