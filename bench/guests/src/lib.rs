//! Nothing is shared: each program of this package stands for itself.
#![no_std]
#![forbid(unsafe_code)]
