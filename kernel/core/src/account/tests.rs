//! Charges and frames one by one, and random trees of accounts in which nothing is ever made out of nothing.

use super::*;
use crate::share::{Rate, Share};
use std::vec::Vec;

/// A number of a fixed sequence: xorshift.
fn next(state: &mut u64, below: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % below
}

fn account(limit: u64) -> Account {
    Account::root(limit, 0, &mut Pot::new(0)).unwrap()
}

#[test]
fn a_refused_charge_changes_nothing() {
    let mut account = account(100);
    account.charge(60).unwrap();
    assert_eq!(account.charge(41), Err(LimitReached));
    assert_eq!(account.charge(u64::MAX), Err(LimitReached));
    assert_eq!((account.used(), account.remaining(), account.refusals()), (60, 40, 2));
    account.charge(40).unwrap();
    account.refund(1000);
    assert_eq!(account.used(), 0);
}

#[test]
fn the_peak_outlives_what_was_held() {
    let mut account = account(100);
    account.charge(60).unwrap();
    account.refund(50);
    account.charge(20).unwrap();
    assert_eq!(account.charge(90), Err(LimitReached));
    assert_eq!((account.used(), account.peak()), (30, 60));
    account.charge(40).unwrap();
    assert_eq!(account.peak(), 70);
}

#[test]
fn what_is_set_aside_is_there() {
    let mut pot = Pot::new(100);
    let mut root = Account::root(1000, 10, &mut pot).unwrap();
    let mut careful = root.carve(50, 30, &mut pot).unwrap();
    let mut greedy = root.carve(500, 0, &mut pot).unwrap();
    assert_eq!(pot.bytes(), 60);
    greedy.back(60, &mut pot).unwrap();
    assert_eq!(greedy.back(1, &mut pot), Err(NothingFree));
    careful.charge(31).unwrap();
    careful.back(30, &mut pot).unwrap();
    assert_eq!(careful.back(1, &mut pot), Err(NothingFree));
    greedy.unback(5, &mut pot);
    careful.back(1, &mut pot).unwrap();
    assert_eq!((careful.backed(), greedy.backed(), pot.bytes()), (31, 55, 4));
    // What goes first is what came from the pot.
    careful.unback(2, &mut pot);
    assert_eq!((careful.backed(), pot.bytes()), (29, 5));
    careful.pass_on(&mut root, 10, 10, &mut pot);
    root.give_back(&careful, &mut pot);
    root.give_back(&greedy, &mut pot);
    assert_eq!((root.used(), root.backed(), pot.bytes()), (10, 10, 90));
}

#[test]
fn nobody_carves_more_than_there_is() {
    let mut pot = Pot::new(100);
    let mut root = Account::root(1000, 0, &mut pot).unwrap();
    assert_eq!(root.carve(1001, 0, &mut pot), Err(LimitReached));
    assert_eq!(root.carve(500, 101, &mut pot), Err(LimitReached));
    assert_eq!(root.carve(10, 11, &mut pot), Err(LimitReached));
    let mut child = root.carve(200, 50, &mut pot).unwrap();
    child.back(20, &mut pot).unwrap();
    assert_eq!(child.carve(100, 31, &mut pot), Err(LimitReached));
    let mut grandchild = child.carve(100, 30, &mut pot).unwrap();
    assert_eq!((child.reserve(), child.used()), (20, 100));
    child.back(7, &mut pot).unwrap();
    grandchild.back(30, &mut pot).unwrap();
    // What its child had set aside backs now what came from the pot.
    child.give_back(&grandchild, &mut pot);
    assert_eq!((child.reserve(), child.used(), pot.bytes()), (50, 0, 50));
    assert_eq!((root.refusals(), child.refusals()), (3, 1));
}

/// A process of the random tree.
struct Node {
    parent: usize,
    children: usize,
    /// Charged for itself, not for children.
    own: u64,
    account: Account,
    share: Share,
}

/// What all accounts have set aside or in frames, with the pot; and all weights.
fn sums(nodes: &[Option<Node>], pot: &Pot) -> (u64, u64) {
    let living = || nodes.iter().flatten();
    let frames = living().map(|node| node.account.reserve().max(node.account.backed())).sum::<u64>();
    (frames + pot.bytes(), living().map(|node| u64::from(node.share.weight())).sum())
}

fn spawn(nodes: &mut Vec<Option<Node>>, pot: &mut Pot, parent: usize, seed: &mut u64) {
    let (limit, reserve) = (next(seed, 4000), next(seed, 3000));
    let weight = next(seed, 400) as u32;
    let rate = Rate { budget: 1 + next(seed, 900_000), period: 1_000_000 * (1 + next(seed, 3)) };
    let rate = Some(rate).filter(|_| next(seed, 3) > 0);
    let Some(node) = &mut nodes[parent] else { return };
    let Ok(account) = node.account.carve(limit, reserve, pot) else { return };
    let Ok(share) = node.share.carve(weight, rate, 0) else {
        return node.account.give_back(&account, pot);
    };
    node.children += 1;
    nodes.push(Some(Node { parent, children: 0, own: 0, account, share }));
}

/// Ends a process without children; part of what it has stays with its creator.
fn exit(nodes: &mut [Option<Node>], pot: &mut Pot, index: usize, seed: &mut u64) {
    if index == 0 || nodes[index].as_ref().is_none_or(|node| node.children > 0) {
        return;
    }
    let Some(node) = nodes[index].take() else { return };
    assert_eq!(node.account.used(), node.own);
    let mut account = node.account;
    let parent = nodes[node.parent].as_mut().unwrap();
    parent.children -= 1;
    let mut left = node.own;
    for _ in 0..next(seed, 4) {
        let kept = next(seed, left + 1);
        let backed = next(seed, kept.min(account.backed()) + 1);
        let before = account.frames() + parent.account.frames() + pot.bytes();
        account.pass_on(&mut parent.account, kept, backed, pot);
        assert_eq!(account.frames() + parent.account.frames() + pot.bytes(), before);
        left -= kept;
        parent.own += kept;
    }
    // What was passed on goes as if it had always been the parent's.
    assert_eq!(account.used(), left);
    parent.account.give_back(&account, pot);
    parent.share.give_back(&node.share);
}

#[test]
fn random_trees_make_nothing_out_of_nothing() {
    let (frames, weight) = (10_000, 10_000);
    let mut refused = [0; 2];
    for seed in 1..=if cfg!(miri) { 1 } else { 40 } {
        let mut state = seed;
        let mut pot = Pot::new(frames);
        let root = Account::root(50_000, 100, &mut pot).unwrap();
        let mut nodes = std::vec![Some(Node {
            parent: 0,
            children: 0,
            own: 0,
            account: root,
            share: Share::root(weight)
        })];
        for step in 0..if cfg!(miri) { 300 } else { 3000 } {
            // Mostly one that lives.
            let mut index = next(&mut state, nodes.len() as u64) as usize;
            while nodes[index].is_none() && next(&mut state, 8) > 0 {
                index = next(&mut state, nodes.len() as u64) as usize;
            }
            let bytes = next(&mut state, 200);
            match (next(&mut state, 8), &mut nodes[index]) {
                (0 | 1, _) => spawn(&mut nodes, &mut pot, index, &mut state),
                (2, _) => exit(&mut nodes, &mut pot, index, &mut state),
                (3, Some(node)) => match node.account.charge(4 * bytes) {
                    Ok(()) => node.own += 4 * bytes,
                    Err(LimitReached) => refused[0] += 1,
                },
                (4, Some(node)) => {
                    node.account.refund(bytes.min(node.own));
                    node.own -= bytes.min(node.own);
                }
                (5 | 6, Some(node)) => {
                    let bytes = 4 * bytes;
                    let is_inside = node.account.backed() + bytes <= node.account.reserve();
                    let backed = node.account.back(bytes, &mut pot);
                    assert!(backed.is_ok() || !is_inside, "seed {seed} step {step}");
                    refused[1] += u64::from(backed.is_err());
                }
                (7, Some(node)) => node.account.unback(bytes, &mut pot),
                _ => {}
            }
            assert_eq!(sums(&nodes, &pot), (frames, u64::from(weight)), "seed {seed} step {step}");
            assert!(nodes.iter().flatten().all(|node| node.account.used() <= node.account.limit()));
        }
        for index in (1..nodes.len()).rev() {
            exit(&mut nodes, &mut pot, index, &mut state);
        }
        let root = nodes[0].take().unwrap();
        assert_eq!((root.children, root.share), (0, Share::root(weight)), "seed {seed}");
    }
    assert!(cfg!(miri) || refused.iter().all(|count| *count > 10), "{refused:?}");
}
