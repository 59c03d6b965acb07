//! What WebAssembly code costs while it runs: a round of each kernel of `bench/kernels`, with fuel counted.
//!
//! Called by `main`; runs the module through `capos run --fuel`.
//!
//! Invariant: a round's cost is the difference between whole machines with 2N and N rounds, divided by N: start, translation
//! and end drop out, and what the system does meanwhile (the timer's interrupts) does not.

use crate::Counts;
use crate::machine::Machine;

/// The kernels, and what their figures are called behind `kernel-`.
const KERNELS: [&str; 4] = ["mix", "sort", "calls", "indirect"];
const MODULE: &str = "target/capos/demos/kernels.wasm";
/// More than any run needs.
const FUEL: &str = "100000000000";
const ROUNDS: u64 = 2;
/// Runs of each, of which the least counts (see `stages`).
const RUNS: usize = 3;

/// Counts a round of each kernel.
///
/// # Errors
/// One does not run, or says that its result was wrong.
pub(crate) fn measure(machine: &Machine) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for kernel in KERNELS {
        let total = |rounds: u64| -> Result<f64, String> {
            let words = ["--fuel", FUEL, "--memory", "16MiB", MODULE, kernel, &rounds.to_string()];
            let runs: Result<Vec<u64>, String> =
                (0..RUNS).map(|_| Ok(machine.run(&words, &[], false)?.total)).collect();
            Ok(runs?.into_iter().min().unwrap_or(0) as f64)
        };
        counts.insert(format!("kernel-{kernel}"), (total(2 * ROUNDS)? - total(ROUNDS)?) / ROUNDS as f64);
    }
    Ok(counts)
}
