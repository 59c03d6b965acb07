//! Where the freestanding products are.
#![forbid(unsafe_code)]
