//! Turns, fairness by weight, what nobody can gain (by waiting, by opening shares, by many threads), and random use in which
//! nobody who waits is lost.

use super::*;
use std::collections::VecDeque;
use std::vec;

fn queue(weights: &[u32]) -> RunQueue {
    let mut queue = RunQueue::with_capacity(64, 64).unwrap();
    for (share, weight) in weights.iter().enumerate() {
        queue.open(share as u32, *weight);
    }
    queue
}

/// Runs every thread as long as it lasts, a slice at a time; returns what each share has used.
fn run(queue: &mut RunQueue, turns: usize, shares: usize) -> Vec<u64> {
    let mut used = vec![0; shares];
    for _ in 0..turns {
        let turn = queue.pop().unwrap();
        used[turn.share as usize] += SLICE_NANOSECONDS;
        queue.charge(turn.share, SLICE_NANOSECONDS);
        queue.push(turn.thread, turn.share, false);
    }
    used
}

#[test]
fn threads_of_a_share_take_turns() {
    let mut queue = queue(&[100]);
    for thread in [2, 0, 1, 0] {
        queue.push(thread, 0, false);
    }
    let first = queue.pop().unwrap();
    assert_eq!(first, Turn { thread: 2, share: 0 });
    queue.push(first.thread, 0, false);
    let order: [_; 4] = core::array::from_fn(|_| queue.pop().map(|turn| turn.thread));
    assert_eq!(order, [Some(0), Some(1), Some(2), None]);
    queue.push(0, 0, false);
    queue.push(1, 0, true);
    assert_eq!(queue.pop().map(|turn| turn.thread), Some(1));
}

#[test]
fn an_ended_thread_leaves() {
    let mut queue = queue(&[100, 100]);
    queue.push(0, 0, false);
    queue.push(1, 1, false);
    queue.remove(0);
    queue.remove(2);
    assert_eq!(queue.pop(), Some(Turn { thread: 1, share: 1 }));
    assert_eq!(queue.pop(), None);
    assert!(queue.is_empty());
}

#[test]
fn fifty_threads_of_a_share_count_as_one() {
    let mut queue = queue(&[100, 100]);
    queue.push(0, 0, false);
    for thread in 1..=50 {
        queue.push(thread, 1, false);
    }
    assert_eq!(run(&mut queue, 1000, 2), [500 * SLICE_NANOSECONDS; 2]);
}

#[test]
fn shares_get_what_they_weigh() {
    let mut queue = queue(&[100, 300, 50]);
    for thread in 0..3 {
        queue.push(thread, thread, false);
    }
    let used = run(&mut queue, 4500, 3);
    for (share, due) in [1000, 3000, 500].into_iter().enumerate() {
        assert!(used[share].abs_diff(due * SLICE_NANOSECONDS) <= 4 * SLICE_NANOSECONDS, "{used:?}");
    }
}

#[test]
fn waiting_saves_up_two_slices_and_no_more() {
    let mut queue = queue(&[100, 100]);
    queue.push(0, 0, false);
    run(&mut queue, 1000, 1);
    queue.push(1, 1, false);
    let mut in_a_row = 0;
    while queue.pop().is_some_and(|turn| {
        queue.charge(turn.share, SLICE_NANOSECONDS);
        queue.push(turn.thread, turn.share, false);
        turn.share == 1
    }) {
        in_a_row += 1;
    }
    assert!((2..=3).contains(&in_a_row), "{in_a_row}");
}

#[test]
fn whoever_waits_shortly_loses_nothing() {
    // Share 1 runs for a fifth of a slice, then waits for what share 0's next slice lets happen.
    let mut queue = queue(&[100, 100]);
    queue.push(0, 0, false);
    queue.push(1, 1, false);
    let (mut used, mut waits) = ([0; 2], false);
    for _ in 0..10_000 {
        let turn = queue.pop().unwrap();
        let time = if turn.share == 0 { SLICE_NANOSECONDS } else { SLICE_NANOSECONDS / 5 };
        used[turn.share as usize] += time;
        queue.charge(turn.share, time);
        if turn.share == 0 {
            queue.push(0, 0, false);
            if waits {
                queue.push(1, 1, false);
            }
            waits = false;
        } else if used[1] % SLICE_NANOSECONDS == 0 {
            waits = true;
        } else {
            queue.push(1, 1, false);
        }
    }
    assert!(used[1] * 100 >= used[0] * 99, "{used:?}");
}

#[test]
fn opening_and_closing_shares_gains_nothing() {
    // Share 1 runs everything on short-lived shares that it pays with half of its weight.
    let mut queue = queue(&[100, 100]);
    queue.push(0, 0, false);
    let mut used = [0u64; 2];
    while used[0] + used[1] < 2000 * SLICE_NANOSECONDS {
        queue.set_weight(1, 50);
        queue.open(2, 50);
        queue.push(2, 2, false);
        queue.push(1, 1, false);
        loop {
            let turn = queue.pop().unwrap();
            used[usize::from(turn.share != 0)] += SLICE_NANOSECONDS;
            queue.charge(turn.share, SLICE_NANOSECONDS);
            if turn.share == 1 {
                break;
            }
            if turn.share == 0 {
                queue.push(0, 0, false);
            }
        }
        queue.remove(2);
        let debt = queue.close(2);
        queue.set_weight(1, 100);
        queue.charge(1, debt);
    }
    assert!(used[1] * 100 <= used[0] * 105, "{used:?}");
}

#[test]
fn a_held_share_waits() {
    let mut queue = queue(&[100, 100]);
    queue.push(0, 0, false);
    queue.push(1, 1, false);
    queue.hold(0);
    assert!(queue.is_held(0) && !queue.is_held(1));
    assert_eq!((queue.first(0), queue.next(0)), (Some(0), None));
    queue.charge(0, 1);
    queue.push(2, 0, false);
    assert_eq!(queue.pop(), Some(Turn { thread: 1, share: 1 }));
    assert!(queue.is_empty());
    queue.resume(0);
    assert_eq!(queue.pop(), Some(Turn { thread: 0, share: 0 }));
    assert_eq!(queue.pop(), Some(Turn { thread: 2, share: 0 }));
}

#[test]
fn whoever_stands_in_the_line_of_a_closed_share_has_a_turn() {
    let mut queue = queue(&[100, 100]);
    queue.push(0, 0, false);
    queue.push(1, 0, false);
    queue.push(2, 0, true);
    queue.charge(0, SLICE_NANOSECONDS);
    queue.hold(0);
    assert_eq!(queue.close(0), SLICE_NANOSECONDS);
    assert_eq!(queue.pop(), Some(Turn { thread: 2, share: 0 }));
    // The share's number is another one's now.
    queue.open(0, 50);
    queue.push(3, 0, false);
    queue.remove(0);
    let order: [_; 3] = core::array::from_fn(|_| queue.pop().map(|turn| turn.thread));
    assert_eq!(order, [Some(1), Some(3), None]);
    queue.push(0, 1, false);
    assert_eq!(queue.pop(), Some(Turn { thread: 0, share: 1 }));
}

/// The lines of the shares, each with whether it is held.
type Lines = [(VecDeque<u32>, bool); 5];

/// The thread that has its turn stands in front of a line that is not held; none only if there is no such line.
fn pop_both(queue: &mut RunQueue, lines: &mut Lines) {
    match queue.pop() {
        Some(turn) => {
            let (line, is_held) = &mut lines[turn.share as usize];
            assert_eq!((line.pop_front(), *is_held), (Some(turn.thread), false));
        }
        None => assert!(lines.iter().all(|(line, is_held)| line.is_empty() || *is_held)),
    }
}

#[test]
fn random_use_loses_nobody() {
    const THREADS: u32 = 12;
    let mut queue = queue(&[100; 5]);
    let mut lines = Lines::default();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..if cfg!(miri) { 500 } else { 200_000 } {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let (thread, share) = ((state >> 8) as u32 % THREADS, (state >> 32) as u32 % 5);
        let (of_share, is_first) = (share as usize, state >> 40 & 1 != 0);
        match state % 10 {
            0..3 => {
                queue.push(thread, share, is_first);
                let waits = lines.iter().any(|(line, _)| line.contains(&thread));
                match &mut lines[of_share].0 {
                    _ if waits => {}
                    line if is_first => line.push_front(thread),
                    line => line.push_back(thread),
                }
            }
            3 => {
                queue.remove(thread);
                lines.iter_mut().for_each(|(line, _)| line.retain(|one| *one != thread));
            }
            4 => {
                queue.hold(share);
                lines[of_share].1 = true;
            }
            5 => {
                queue.resume(share);
                lines[of_share].1 = false;
            }
            6 => queue.charge(share, state >> 44),
            7 => {
                queue.close(share);
                lines[of_share].1 = false;
            }
            8 => {
                queue.open(share, 1 + (state >> 50) as u32);
                lines[of_share].1 = false;
            }
            _ => pop_both(&mut queue, &mut lines),
        }
    }
    (0..5).for_each(|share| queue.resume(share));
    lines.iter_mut().for_each(|(_, is_held)| *is_held = false);
    (0..=THREADS).for_each(|_| pop_both(&mut queue, &mut lines));
    assert!(queue.is_empty() && lines.iter().all(|(line, _)| line.is_empty()));
}

#[test]
fn virtual_time_is_counted_anew_before_it_ends() {
    let mut queue = queue(&[1, 1]);
    queue.push(0, 0, false);
    queue.push(1, 1, false);
    let year = 365 * 24 * 3600 * 1_000_000_000;
    let mut turns = [0; 2];
    for _ in 0..100 {
        let turn = queue.pop().unwrap();
        turns[turn.share as usize] += 1;
        queue.charge(turn.share, year / 50);
        queue.push(turn.thread, turn.share, false);
    }
    assert_eq!(turns, [50, 50]);
}

#[test]
fn what_does_not_exist_has_no_effect() {
    let mut queue = RunQueue::with_capacity(1, 1).unwrap();
    queue.open(1, 100);
    queue.push(1, 0, false);
    queue.push(0, 1, false);
    queue.charge(1, 5);
    queue.hold(1);
    queue.resume(1);
    assert_eq!((queue.close(1), queue.first(1), queue.is_held(1)), (0, None, false));
    assert_eq!(queue.pop(), None);
}
