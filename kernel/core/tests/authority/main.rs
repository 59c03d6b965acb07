//! The operations on capabilities against a plain model: random orders of derive, copy, move, mint, revoke, release, uses and
//! ends of processes, with the work behind them done whenever chance will have it.
//!
//! The model is made of maps and walks upward for every question; the kernel's own tables, tree and operations must give the
//! same answers. `CAPOS_SEED` repeats a run.
//!
//! Invariant: an answer is compared each time, everything that is held and charged after each stretch of steps.
#![forbid(unsafe_code)]

mod model;
mod system;

use model::Random;
use system::System;

/// Steps of the run.
const STEPS: u32 = 1_000_000;
/// Steps after which everything is compared.
const STRETCH: u32 = 128;

#[test]
fn tables_and_tree_agree_with_a_plain_model() {
    let seed = std::env::var("CAPOS_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x00ca_b0de);
    println!("seed {seed}");
    let mut system = System::new(Random::new(seed));
    for step in 0..STEPS {
        system.step();
        if step % STRETCH == 0 {
            system.compare();
        }
    }
    system.end();
    let counts = system.counts();
    println!("{counts:?}");
    for (what, count) in counts {
        assert!(count >= 400, "{what}: only {count}");
    }
}
