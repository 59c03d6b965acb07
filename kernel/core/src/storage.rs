//! Vectors that are filled without a panicking allocation.
//!
//! Ring-0 crates build `alloc` without its panicking functions, so `Vec::push` does not exist there; the host's `alloc`
//! has no other one on stable Rust. These functions stand over both. Called by every module here that owns a vector.
//!
//! Invariant: memory is asked for by `try_reserve` alone, and a refusal leaves the vector as it was.

use alloc::vec::Vec;

/// The allocator had no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocationRefused;

/// A vector of `length` values made by `make` from their index.
///
/// # Errors
/// [`AllocationRefused`].
pub fn filled<T>(length: usize, mut make: impl FnMut(usize) -> T) -> Result<Vec<T>, AllocationRefused> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(length).map_err(|_| AllocationRefused)?;
    for index in 0..length {
        if !push(&mut vector, make(index)) {
            return Err(AllocationRefused);
        }
    }
    Ok(vector)
}

/// Room for `more` values beyond those that are there.
///
/// # Errors
/// [`AllocationRefused`].
pub fn reserve<T>(vector: &mut Vec<T>, more: usize) -> Result<(), AllocationRefused> {
    vector.try_reserve_exact(more).map_err(|_| AllocationRefused)
}

/// Appends within the capacity; false, with the value dropped, if there is none left.
#[cfg(no_global_oom_handling)]
pub fn push<T>(vector: &mut Vec<T>, value: T) -> bool {
    vector.push_within_capacity(value).is_ok()
}

/// Appends within the capacity; false, with the value dropped, if there is none left.
#[cfg(not(no_global_oom_handling))]
pub fn push<T>(vector: &mut Vec<T>, value: T) -> bool {
    if vector.len() == vector.capacity() {
        return false;
    }
    vector.push(value);
    true
}

/// Makes sure that there is a value at `index`, within the capacity; those that are missing before it become `value`. What
/// is numbered is mostly used in ascending order, so a place costs nothing before its first use. False if there is no room.
pub fn reach<T: Copy>(vector: &mut Vec<T>, index: usize, value: T) -> bool {
    while vector.len() <= index {
        if !push(vector, value) {
            return false;
        }
    }
    true
}

/// Inserts at `at` within the capacity, moving what follows up by one; false if there is no room or `at` is past the
/// end.
pub fn insert<T>(vector: &mut Vec<T>, at: usize, value: T) -> bool {
    if at > vector.len() || !push(vector, value) {
        return false;
    }
    if let Some(tail) = vector.get_mut(at..) {
        tail.rotate_right(1);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserts_keep_the_order_and_the_capacity() {
        let mut vector = Vec::new();
        assert!(!push(&mut vector, 1));
        reserve(&mut vector, 3).unwrap();
        assert!(insert(&mut vector, 0, 3) && insert(&mut vector, 0, 1) && insert(&mut vector, 1, 2));
        assert_eq!(vector, [1, 2, 3]);
        assert!(!insert(&mut vector, 9, 4));
    }

    #[test]
    fn places_come_to_be_when_they_are_reached() {
        let mut vector = Vec::new();
        assert!(!reach(&mut vector, 0, 7));
        reserve(&mut vector, 4).unwrap();
        assert!(reach(&mut vector, 2, 7) && reach(&mut vector, 0, 9));
        assert_eq!(vector, [7, 7, 7]);
        let room = vector.capacity();
        assert!(!reach(&mut vector, room, 7));
    }

    #[test]
    fn an_impossible_length_is_refused() {
        assert_eq!(filled(usize::MAX, |_| 0u64), Err(AllocationRefused));
    }
}
