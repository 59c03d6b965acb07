//! The WASI host of capOS.
//!
//! Runs one core WebAssembly module inside the process that called it: the module's imports become calls of the
//! capabilities in [`port`], and nothing else is reachable. Called by the `capos-wasm` program (and by tests on the build
//! host, over fakes); calls the engine (wasmi) and the ports.
//!
//! How a call flows: [`table`] names the 46 functions of WASI Preview 1 and links those that the module imports;
//! [`memory`] turns guest pointers into checked ranges; [`p1`] has one file per subsystem and knows the traits of [`port`]
//! only; [`errno`] translates refusals, once.
//!
//! Invariant: everything about a call is checked before its first effect, and no input of a guest can end this process
//! in another way than the [`ending::Ending`] that [`engine::run`] returns.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod context;
pub mod descriptors;
pub mod ending;
pub mod engine;
pub mod errno;
pub mod launch;
pub mod lifecycle;
pub mod limits;
mod link;
pub mod memory;
pub mod p1;
mod places;
pub mod port;
pub mod refusal;
pub mod table;
