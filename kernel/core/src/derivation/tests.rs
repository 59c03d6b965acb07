//! Tests of the tree: shapes, and what happens to a subtree while it is being revoked.

use super::*;
use std::vec;

fn tree(nodes: u32) -> Tree {
    Tree::with_capacity(nodes, 16).unwrap()
}

/// Does all the work behind releases; the owners whose charges ended.
fn settle(tree: &mut Tree) -> Vec<u32> {
    let mut owners = Vec::new();
    loop {
        match tree.step() {
            Step::Idle => return owners,
            Step::Freed(owner) => owners.extend(owner),
            _ => {}
        }
    }
}

/// Does all the work of revocations; the uses that were cut, the revocations that completed, and the steps.
fn finish(tree: &mut Tree) -> (Vec<u32>, Vec<u32>, u32) {
    let (mut cut, mut complete, mut steps) = (Vec::new(), Vec::new(), 0);
    loop {
        match tree.revocation_step() {
            Step::Idle => return (cut, complete, steps),
            Step::Cut(number) => cut.push(number),
            Step::Revoked(number) => complete.push(number),
            _ => {}
        }
        steps += 1;
    }
}

fn revoke(tree: &mut Tree, root: NodeId) -> u32 {
    assert!(tree.begin_revocation(root, 0));
    let (_, complete, steps) = finish(tree);
    assert_eq!(complete, [0]);
    steps
}

/// Gives a capability back that is not in use.
fn release(tree: &mut Tree, node: NodeId) {
    assert_eq!(tree.release(node), None);
}

fn chain(tree: &mut Tree, root: NodeId, length: usize) -> Vec<NodeId> {
    let mut chain = Vec::new();
    let mut last = root;
    for _ in 0..length {
        last = tree.derive(last, 1).unwrap();
        chain.push(last);
    }
    chain
}

#[test]
fn a_node_is_small() {
    assert_eq!(NODE_BYTES, 32);
}

#[test]
fn children_of_a_released_node_move_up() {
    let mut tree = tree(8);
    let root = tree.root(1).unwrap();
    let middle = tree.derive(root, 2).unwrap();
    let leaves = [3, 4, 5].map(|owner| tree.derive(middle, owner).unwrap());
    assert!(!tree.has_leaving());
    release(&mut tree, middle);
    assert!(!tree.is_live(middle) && tree.has_leaving());
    assert_eq!(tree.derive(middle, 9), Err(DeriveError::Dead));
    assert_eq!(settle(&mut tree), [2]);
    for leaf in leaves {
        assert!(tree.is_live(leaf));
        assert_eq!(tree.parent(leaf), Some(root));
    }
    release(&mut tree, root);
    assert_eq!(settle(&mut tree), [1]);
    assert_eq!(tree.parent(leaves[0]), None);
    assert_eq!(tree.used(), 3);
}

#[test]
fn shared_nodes_stay_until_the_last_holder() {
    let mut tree = tree(1);
    let node = tree.root(1).unwrap();
    assert_eq!(tree.available(), 0);
    assert_eq!(tree.root(1), Err(DeriveError::Full));
    tree.share(node);
    release(&mut tree, node);
    assert!(tree.is_live(node));
    assert_eq!(tree.step(), Step::Idle);
    release(&mut tree, node);
    assert_eq!(settle(&mut tree), [1]);
    assert_eq!(tree.available(), 1);
    release(&mut tree, node);
    assert_eq!(tree.step(), Step::Idle);
}

#[test]
fn a_long_chain_and_a_wide_fan_empty_in_steps() {
    const NODES: u32 = if cfg!(miri) { 100 } else { 1_000 };
    let mut tree = tree(NODES);
    let root = tree.root(0).unwrap();
    let mut all = chain(&mut tree, root, NODES as usize / 2);
    all.push(root);
    while let Ok(node) = tree.derive(root, 9) {
        all.push(node);
    }
    for node in &all {
        release(&mut tree, *node);
    }
    assert_eq!(settle(&mut tree).len(), NODES as usize);
    assert_eq!(tree.used(), 0);
}

#[test]
fn a_leaving_child_of_a_leaving_parent_is_freed_once() {
    let mut tree = tree(4);
    let root = tree.root(1).unwrap();
    let child = tree.derive(root, 2).unwrap();
    let grandchild = tree.derive(child, 3).unwrap();
    release(&mut tree, child);
    release(&mut tree, root);
    assert_eq!(settle(&mut tree).len(), 2);
    assert!(tree.is_live(grandchild));
    assert_eq!(tree.parent(grandchild), None);
}

#[test]
fn a_chain_of_a_hundred_thousand_is_revoked_in_two_steps_a_node() {
    const LENGTH: usize = if cfg!(miri) { 200 } else { 100_000 };
    let mut tree = tree(LENGTH as u32 + 2);
    let root = tree.root(0).unwrap();
    let sibling = tree.root(7).unwrap();
    let chain = chain(&mut tree, root, LENGTH);
    let steps = revoke(&mut tree, root);
    assert!(steps as usize <= 2 * LENGTH + 1, "{steps} steps");
    assert!(chain.iter().all(|node| !tree.is_live(*node)));
    assert!(tree.is_live(root) && tree.is_live(sibling));
    chain.iter().for_each(|node| release(&mut tree, *node));
    assert_eq!(settle(&mut tree).len(), LENGTH);
    assert_eq!(tree.used(), 2);
}

#[test]
fn a_wide_fan_is_revoked_in_a_step_a_node() {
    const LEAVES: u32 = if cfg!(miri) { 200 } else { 10_000 };
    let mut tree = tree(LEAVES + 1);
    let root = tree.root(0).unwrap();
    let leaves: Vec<NodeId> = (0..LEAVES).map(|_| tree.derive(root, 1).unwrap()).collect();
    assert_eq!(revoke(&mut tree, root), LEAVES + 1);
    assert!(leaves.iter().all(|node| !tree.is_live(*node)));
    assert!(tree.derive(root, 1).is_err_and(|error| error == DeriveError::Full));
    leaves.iter().for_each(|node| release(&mut tree, *node));
    settle(&mut tree);
    assert!(tree.derive(root, 1).is_ok());
}

#[test]
fn a_dead_node_and_the_root_of_a_revocation_derive_nothing() {
    let mut tree = tree(8);
    let root = tree.root(0).unwrap();
    let child = tree.derive(root, 1).unwrap();
    let grandchild = tree.derive(child, 1).unwrap();
    assert!(tree.begin_revocation(root, 0));
    assert_eq!(tree.derive(root, 1), Err(DeriveError::Revoking));
    // Not reached yet: it works, and what it derives dies with it.
    let late = tree.derive(grandchild, 1).unwrap();
    assert_eq!(tree.revocation_step(), Step::Moved);
    assert_eq!(tree.derive(child, 1), Err(DeriveError::Dead));
    finish(&mut tree);
    assert!([child, grandchild, late].iter().all(|node| !tree.is_live(*node)));
    assert!(tree.is_live(root) && tree.derive(root, 1).is_ok());
}

#[test]
fn nobody_escapes_a_revocation_by_leaving() {
    // Whoever is released, and however far the revocation and the leaving have come: no live node is left below.
    for released in 0..6 {
        for before in 0..14 {
            for between in 0..6 {
                let mut tree = tree(16);
                let root = tree.root(0).unwrap();
                let mut nodes = chain(&mut tree, root, 6);
                nodes.extend([1, 1, 3].map(|parent| tree.derive(nodes[parent], 2).unwrap()));
                assert!(tree.begin_revocation(root, 0));
                (0..before).for_each(|_| {
                    let _ = tree.revocation_step();
                });
                release(&mut tree, nodes.remove(released));
                (0..between).for_each(|_| {
                    let _ = tree.step();
                });
                finish(&mut tree);
                assert!(nodes.iter().all(|node| !tree.is_live(*node)), "{released} {before} {between}");
                settle(&mut tree);
                nodes.iter().for_each(|node| release(&mut tree, *node));
                settle(&mut tree);
                assert_eq!((tree.used(), tree.is_live(root)), (1, true));
            }
        }
    }
}

#[test]
fn a_root_that_is_released_during_its_revocation_stays_until_its_end() {
    let mut tree = tree(8);
    let grandparent = tree.root(0).unwrap();
    let root = tree.derive(grandparent, 5).unwrap();
    let nodes = chain(&mut tree, root, 3);
    assert!(tree.begin_revocation(root, 3));
    tree.revocation_step();
    assert_eq!(tree.release(root), Some(5));
    assert_eq!(tree.step(), Step::Idle);
    assert_eq!(finish(&mut tree).1, [3]);
    assert!(nodes.iter().all(|node| !tree.is_live(*node)));
    // The charge ended with the release.
    assert_eq!(settle(&mut tree), []);
    assert_eq!(tree.used(), 1 + 3);
}

#[test]
fn revocations_one_below_the_other_are_complete_when_all_below_is_dead() {
    // Both orders of beginning, at every distance.
    for upper_first in [true, false] {
        for before in 0..24 {
            let mut tree = tree(16);
            let root = tree.root(0).unwrap();
            let nodes = chain(&mut tree, root, 8);
            let (first, second) = if upper_first { (root, nodes[3]) } else { (nodes[3], root) };
            assert!(tree.begin_revocation(first, 1));
            (0..before).for_each(|_| {
                let _ = tree.revocation_step();
            });
            if !tree.has_revocation() || !tree.is_live(second) {
                continue;
            }
            assert!(tree.begin_revocation(second, 2));
            let mut complete = Vec::new();
            loop {
                match tree.revocation_step() {
                    Step::Idle => break,
                    Step::Revoked(number) => {
                        complete.push(number);
                        let below = if (number == 1) == upper_first { &nodes[..] } else { &nodes[4..] };
                        assert!(below.iter().all(|node| !tree.is_live(*node)), "{upper_first} {before}");
                    }
                    _ => {}
                }
            }
            assert_eq!(complete, [2, 1]);
        }
    }
}

#[test]
fn a_node_is_revoked_by_two_at_once() {
    let mut tree = tree(8);
    let root = tree.root(0).unwrap();
    let nodes = chain(&mut tree, root, 3);
    assert!(tree.begin_revocation(root, 1) && tree.begin_revocation(root, 2));
    assert!(!tree.begin_revocation(root, 2), "the number is in use");
    assert_eq!(finish(&mut tree).1, [2, 1]);
    assert!(!tree.is_live(nodes[2]) && tree.derive(root, 1).is_ok());
    assert!(!tree.begin_revocation(nodes[0], 1), "the node is dead");
}

#[test]
fn what_is_in_use_below_is_cut_and_the_root_s_own_is_not() {
    let mut tree = tree(8);
    let root = tree.root(0).unwrap();
    let child = tree.derive(root, 1).unwrap();
    assert!(tree.attach_use(root, 1));
    assert!(tree.attach_use(child, 2) && tree.attach_use(child, 3) && tree.attach_use(child, 4));
    assert!(!tree.attach_use(child, 4) && !tree.attach_use(child, 99));
    tree.detach_use(3);
    tree.detach_use(3);
    assert!(tree.begin_revocation(root, 5));
    let (mut cut, complete, _) = finish(&mut tree);
    cut.sort_unstable();
    assert_eq!((cut, complete), (vec![2, 4], vec![5]));
    assert!(!tree.attach_use(child, 2), "the node is dead");
    tree.detach_use(1);
    release(&mut tree, child);
    assert_eq!(settle(&mut tree), [1]);
}

#[test]
fn a_use_keeps_its_node_in_its_place() {
    let mut tree = tree(8);
    let root = tree.root(0).unwrap();
    let child = tree.derive(root, 6).unwrap();
    let grandchild = tree.derive(child, 7).unwrap();
    assert!(tree.attach_use(child, 9));
    assert_eq!(tree.release(child), Some(6), "its owner pays no more");
    assert_eq!((settle(&mut tree), tree.parent(grandchild)), (vec![], Some(child)));
    assert_eq!((tree.used_node(9), tree.used_node(1), tree.used_node(u32::MAX)), (Some(child), None, None));
    // A revocation from above finds it; the node goes when the use is over, and nobody's charge ends again.
    let mut other = Tree::with_capacity(0, 0).unwrap();
    assert_eq!(other.root(0), Err(DeriveError::Full));
    assert!(tree.begin_revocation(root, 1));
    assert_eq!(tree.used_node(1), None, "it is no use of its root");
    assert_eq!(finish(&mut tree).0, [9]);
    assert_eq!(tree.used_node(9), None);
    assert_eq!((settle(&mut tree), tree.used()), (vec![], 2));
}

#[test]
fn a_use_that_ends_lets_its_node_go() {
    let mut tree = tree(8);
    let root = tree.root(0).unwrap();
    let child = tree.derive(root, 6).unwrap();
    let grandchild = tree.derive(child, 7).unwrap();
    assert!(tree.attach_use(child, 9));
    assert_eq!(tree.release(child), Some(6));
    tree.detach_use(9);
    assert_eq!((settle(&mut tree), tree.parent(grandchild)), (vec![], Some(root)));
    assert_eq!(tree.used(), 2);
}

#[test]
fn who_may_move_is_known_before() {
    let mut tree = tree(8);
    let root = tree.root(1).unwrap();
    let child = tree.derive(root, 1).unwrap();
    assert_eq!((tree.can_hand_over(root), tree.can_hand_over(child)), (Ok(()), Ok(())));
    assert!(tree.begin_revocation(root, 1));
    // The node itself goes on; another one below it would not.
    assert_eq!(tree.can_hand_over(root), Ok(()));
    tree.share(root);
    assert_eq!(tree.can_hand_over(root), Err(DeriveError::Revoking));
    assert_eq!(tree.hand_over(root, 2), Err(DeriveError::Revoking));
    finish(&mut tree);
    assert_eq!(tree.can_hand_over(root), Ok(()));
    assert_eq!(tree.can_hand_over(child), Err(DeriveError::Dead));
}

#[test]
fn a_node_moves_with_its_charge_unless_it_is_shared() {
    let mut tree = tree(8);
    let root = tree.root(1).unwrap();
    assert_eq!(tree.hand_over(root, 2), Ok(root));
    tree.share(root);
    let child = tree.hand_over(root, 3).unwrap();
    assert_eq!(tree.parent(child), Some(root));
    release(&mut tree, root);
    release(&mut tree, child);
    let mut owners = settle(&mut tree);
    owners.sort_unstable();
    assert_eq!(owners, [2, 3]);
}

/// Others derive from what is not reached yet as fast as they can, and do the steps that they owe. The revocation ends, long
/// before memory does.
#[test]
fn a_revocation_ends_however_fast_others_derive() {
    const NODES: u32 = if cfg!(miri) { 2_000 } else { 50_000 };
    let mut tree = tree(NODES);
    let root = tree.root(0).unwrap();
    let mut live = chain(&mut tree, root, NODES as usize / 50);
    assert!(tree.begin_revocation(root, 0));
    let mut derived = 0;
    while tree.has_revocation() {
        live.retain(|node| tree.is_live(*node));
        if let Some(parent) = live.last() {
            let child = tree.derive(*parent, 1).unwrap();
            live.push(child);
            derived += 1;
        } else {
            tree.owe_all();
        }
        while tree.take_owed() {
            tree.revocation_step();
        }
        assert!(derived < 5_000, "it does not end");
    }
    assert!(!tree.take_owed());
    assert!(derived > 0 && live.iter().all(|node| !tree.is_live(*node)));
}
