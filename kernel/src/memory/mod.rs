//! Memory of processes: accounts, areas, memory objects, and copies from and to ring 3.
//!
//! Called by `calls`, `objects`, `processes` and the page-fault path of the scheduler; calls the hardware layer's frames
//! and address spaces.
//!
//! Invariant: a page is given a frame only if an account was charged for it before, and foreign addresses are only claims:
//! each is looked up in the page tables at the moment of the copy.

pub(crate) mod area;
pub(crate) mod charge;
pub(crate) mod mapping;
pub(crate) mod object;
pub(crate) mod user;
