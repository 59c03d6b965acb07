//! Fairness, and random use against a plain model.

use super::*;
use std::collections::VecDeque;
use std::vec;

fn drain(queues: &mut FairQueues, queue: &mut FairQueue) -> Vec<u32> {
    let mut order = Vec::new();
    while let Some(element) = queues.first(queue) {
        assert!(queues.serve(queue, element));
        order.push(element);
    }
    assert!(queue.is_empty());
    order
}

#[test]
fn accounts_take_turns_and_each_is_served_in_order() {
    let mut queues = FairQueues::with_capacity(10).unwrap();
    let mut queue = FairQueue::EMPTY;
    for element in 0..5 {
        assert!(queues.push(&mut queue, element, 7));
    }
    for (element, account) in [(5, 8), (6, 8), (7, 9)] {
        assert!(queues.push(&mut queue, element, account));
    }
    assert_eq!(queues.first_of(&queue, 8), Some(5));
    assert_eq!(queues.first_of(&queue, 10), None);
    assert_eq!(drain(&mut queues, &mut queue), [0, 5, 7, 1, 6, 2, 3, 4]);
}

#[test]
fn who_comes_late_waits_for_one_element_of_each_other_account() {
    let mut queues = FairQueues::with_capacity(100).unwrap();
    let mut queue = FairQueue::EMPTY;
    for element in 0..90 {
        queues.push(&mut queue, element, 1);
    }
    queues.push(&mut queue, 99, 2);
    assert_eq!(queues.first(&queue), Some(0));
    queues.serve(&mut queue, 0);
    assert_eq!(queues.first(&queue), Some(99));
}

#[test]
fn taking_out_what_was_not_served_costs_no_turn() {
    let mut queues = FairQueues::with_capacity(4).unwrap();
    let mut queue = FairQueue::EMPTY;
    for (element, account) in [(0, 1), (1, 1), (2, 2)] {
        queues.push(&mut queue, element, account);
    }
    assert!(queues.remove(&mut queue, 0));
    assert!(!queues.remove(&mut queue, 0));
    assert_eq!(drain(&mut queues, &mut queue), [1, 2]);
}

#[test]
fn misuse_is_refused() {
    let mut queues = FairQueues::with_capacity(2).unwrap();
    let mut queue = FairQueue::EMPTY;
    assert!(queues.push(&mut queue, 1, 3));
    assert!(!queues.push(&mut queue, 1, 4));
    assert!(!queues.push(&mut queue, 2, 3));
    assert!(!queues.serve(&mut queue, 0));
    assert_eq!(drain(&mut queues, &mut queue), [1]);
}

/// A queue as one would write it without thinking of cost.
#[derive(Default)]
struct Model {
    lines: VecDeque<(u32, VecDeque<u32>)>,
}

impl Model {
    fn push(&mut self, element: u32, account: u32) {
        match self.lines.iter_mut().find(|line| line.0 == account) {
            Some(line) => line.1.push_back(element),
            None => self.lines.push_back((account, VecDeque::from([element]))),
        }
    }

    fn first(&self) -> Option<u32> {
        self.lines.front()?.1.front().copied()
    }

    fn remove(&mut self, element: u32, is_served: bool) -> bool {
        let Some(place) = self.lines.iter().position(|line| line.1.contains(&element)) else { return false };
        self.lines[place].1.retain(|one| *one != element);
        if self.lines[place].1.is_empty() {
            self.lines.remove(place);
        } else if is_served {
            let line = self.lines.remove(place).unwrap();
            self.lines.push_back(line);
        }
        true
    }
}

#[test]
fn random_use_agrees_with_a_model() {
    const ELEMENTS: u32 = 40;
    let mut queues = FairQueues::with_capacity(ELEMENTS).unwrap();
    let mut real = [FairQueue::EMPTY; 3];
    let mut models = [Model::default(), Model::default(), Model::default()];
    let mut place = vec![None; ELEMENTS as usize];
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..if cfg!(miri) { 500 } else { 200_000 } {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let element = (state >> 8) as u32 % ELEMENTS;
        let which = (state >> 32) as usize % 3;
        match (place[element as usize], state % 3) {
            (None, _) => {
                let account = (state >> 40) as u32 % 5;
                assert!(queues.push(&mut real[which], element, account));
                models[which].push(element, account);
                place[element as usize] = Some(which);
            }
            (Some(which), 0) => {
                assert!(queues.remove(&mut real[which], element));
                assert!(models[which].remove(element, false));
                place[element as usize] = None;
            }
            (Some(which), _) => {
                let first = queues.first(&real[which]).unwrap();
                assert_eq!(Some(first), models[which].first());
                assert!(queues.serve(&mut real[which], first) && models[which].remove(first, true));
                place[first as usize] = None;
            }
        }
    }
    for (queue, model) in real.iter_mut().zip(&mut models) {
        while let Some(first) = model.first() {
            assert_eq!(queues.first(queue), Some(first));
            assert!(queues.serve(queue, first) && model.remove(first, true));
        }
        assert!(queue.is_empty());
    }
}
