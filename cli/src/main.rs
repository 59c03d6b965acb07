//! `capos`: the host command. Called by people and by the Makefile's verbs; the work is in the library.
#![forbid(unsafe_code)]

fn main() {}
