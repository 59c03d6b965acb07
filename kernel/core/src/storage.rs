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

/// Values of one block of a [`Numbered`].
const BLOCK: usize = 32;

/// Values by number, in memory that is set aside. All are the same until they are changed; what is numbered is mostly used in
/// ascending order, so a number costs nothing before one near it is reached.
pub struct Numbered<T> {
    blocks: Vec<[T; BLOCK]>,
    value: T,
    count: u32,
}

impl<T: Copy> Numbered<T> {
    /// Values for the numbers 0 to `count - 1`, all of them `value`.
    ///
    /// # Errors
    /// [`AllocationRefused`].
    pub fn with_capacity(count: u32, value: T) -> Result<Numbered<T>, AllocationRefused> {
        let mut blocks = Vec::new();
        reserve(&mut blocks, (count as usize).div_ceil(BLOCK))?;
        Ok(Numbered { blocks, value, count })
    }

    /// Makes sure that the number is there; false if it is out of range. In the worst case all numbers come to be at once,
    /// which takes a few instructions for each block.
    pub fn reach(&mut self, number: u32) -> bool {
        if number >= self.count {
            return false;
        }
        while self.blocks.len() <= number as usize / BLOCK && push(&mut self.blocks, [self.value; BLOCK]) {}
        true
    }

    /// The value of a number that was reached, or is near one.
    #[inline]
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&T> {
        self.blocks.get(number as usize / BLOCK).map(|block| &block[number as usize % BLOCK])
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.blocks.get_mut(number as usize / BLOCK).map(|block| &mut block[number as usize % BLOCK])
    }
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
    fn numbers_are_there_when_they_are_reached() {
        let mut numbers = Numbered::with_capacity(70, 7).unwrap();
        assert!(numbers.get(0).is_none() && numbers.get_mut(69).is_none());
        assert!(numbers.reach(33) && numbers.reach(5));
        assert_eq!((numbers.get(0), numbers.get(63), numbers.get(64)), (Some(&7), Some(&7), None));
        *numbers.get_mut(33).unwrap() = 9;
        assert!(numbers.reach(69) && !numbers.reach(70) && !numbers.reach(u32::MAX));
        assert_eq!((numbers.get(33), numbers.get(34), numbers.get(69)), (Some(&9), Some(&7), Some(&7)));
        assert!(!Numbered::with_capacity(0, 7).unwrap().reach(0));
    }

    #[test]
    fn an_impossible_length_is_refused() {
        assert_eq!(filled(usize::MAX, |_| 0u64), Err(AllocationRefused));
    }
}
