//! Claims on tables that all processes share.
//!
//! A table has a fixed number of entries. Whoever asks for one may have it as long as it holds no more than
//! [`ENTRIES_FOR_A_FREE_ONE`] for each that stays free, by weight: one that takes all that it can get leaves an eighth free,
//! two leave a fifteenth, and the first entries of somebody who comes later are there. Called by the kernel before it
//! takes an entry for a process, with what the process's share of the processor holds.
//!
//! Invariant: a share that is split into several, whose weights add up to its own, has no larger claim than before.

/// Entries that a share of [`WEIGHT`] may hold for each one that is free.
pub const ENTRIES_FOR_A_FREE_ONE: u32 = 7;
/// The weight of a share that states none.
pub use capos_abi::share::WEIGHT_DEFAULT as WEIGHT;

/// True if a share with this weight that holds `held` entries may take `count` of the `free` ones.
#[must_use]
pub const fn may_take(held: u32, count: u32, free: u32, weight: u32) -> bool {
    if count > free {
        return false;
    }
    let left = (free - count) as u128;
    (held as u128 + count as u128) * WEIGHT as u128
        <= (left + 1) * ENTRIES_FOR_A_FREE_ONE as u128 * weight as u128
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    /// Lets the shares take entries in turn until nobody gets any; returns what each has.
    fn fill(capacity: u32, weights: &[u32]) -> vec::Vec<u32> {
        let mut held = vec![0; weights.len()];
        let mut free = capacity;
        loop {
            let before = free;
            for (share, weight) in weights.iter().enumerate() {
                if may_take(held[share], 1, free, *weight) {
                    held[share] += 1;
                    free -= 1;
                }
            }
            if free == before {
                return held;
            }
        }
    }

    #[test]
    fn the_greedy_leave_room_for_the_next() {
        assert_eq!(fill(2048, &[100]), [1792]);
        assert_eq!(fill(2048, &[100, 100]), [956, 956]);
        let mut greedy = fill(2048, &[100; 20]);
        greedy.dedup();
        assert!(greedy.iter().all(|held| (95..=102).contains(held)), "{greedy:?}");
        // Whoever comes then still gets some.
        let (free, mut taken) = (2048 - 1792, 0);
        while may_take(taken, 1, free - taken, 100) {
            taken += 1;
        }
        assert_eq!(taken, 224);
    }

    #[test]
    fn splitting_a_share_gains_nothing() {
        let split: u32 = fill(2048, &[1; 100]).iter().sum();
        assert!(split <= 1792 + 100, "{split}");
        assert_eq!(fill(2048, &[50, 50]).iter().sum::<u32>(), 1792);
    }

    #[test]
    fn what_is_not_there_is_not_taken() {
        assert!(!may_take(0, 3, 2, 10_000));
        assert!(!may_take(0, 1, 0, 10_000));
        assert!(may_take(0, 2, 2, 100));
        assert!(!may_take(0, 1, 5, 0));
    }
}
