//! Uses of Rust's std that need no files, no input and no sleep: hashing with random keys, time, formatting, sorting, panics.
//! The first argument says what to do.
#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("words") => words(),
        Some("time") => time(),
        Some("panic") => panic!("on purpose"),
        Some("exit") => std::process::exit(42),
        Some("abort") => std::process::abort(),
        Some("large") => large(),
        other => println!("what is {other:?}?"),
    }
}

/// Counts words with a HashMap, whose keys come from random_get, and prints them in order.
fn words() {
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for word in "the cat and the dog and the bird".split(' ') {
        *counts.entry(word).or_default() += 1;
    }
    let ordered: BTreeMap<_, _> = counts.into_iter().collect();
    println!("{ordered:?}");
}

/// The monotonic clock moves forward and never back.
fn time() {
    let start = Instant::now();
    let mut last = start;
    for _ in 0..1000 {
        let now = Instant::now();
        assert!(now >= last, "the clock went back");
        last = now;
    }
    assert!(last > start, "the clock stands still");
    assert!(last - start < Duration::from_secs(60), "the clock runs away");
    println!("forward");
}

/// More memory than at the start: 8 MiB in small and in large pieces.
fn large() {
    let pieces: Vec<Vec<u8>> = (0..1024_usize).map(|index| vec![index as u8; 4096]).collect();
    let mut whole = vec![0_u64; 512 * 1024];
    for (index, word) in whole.iter_mut().enumerate() {
        *word = index as u64;
    }
    let small: u64 = pieces.iter().map(|piece| u64::from(piece[4095])).sum();
    println!("{} {}", small, whole.iter().sum::<u64>());
}
