//! What the linear memories and tables of an instance may grow to.
//!
//! Asked by the engine before it makes or grows one; calls [`crate::port::Growth`].
//!
//! Invariant: the sum over all memories never passes the launch parameters' limit, whatever their number.

use alloc::boxed::Box;
use wasmi::ResourceLimiter;

use wasmi::errors::{MemoryError, TableError};
use wasmi_core::LimiterError;

use crate::port::Growth;

/// Elements of all tables together: 16 MiB of them. Large programs have some ten thousand.
const TABLE_ELEMENTS_MAX: usize = 1 << 20;
/// Tables and memories at most: the toolchains make one of each.
const OBJECTS_MAX: usize = 64;

/// The limits of one instance and what it has used.
pub struct Limits {
    growth: Option<Box<dyn Growth>>,
    memory_limit: usize,
    memory_used: usize,
    memory_pending: usize,
    table_used: usize,
    table_pending: usize,
    refused: Option<usize>,
}

impl Limits {
    /// Limits with this many bytes for linear memory, which `growth` provides.
    #[must_use]
    pub fn new(memory_limit: u64, growth: Option<Box<dyn Growth>>) -> Limits {
        Limits {
            growth,
            memory_limit: usize::try_from(memory_limit).unwrap_or(usize::MAX),
            memory_used: 0,
            memory_pending: 0,
            table_used: 0,
            table_pending: 0,
            refused: None,
        }
    }

    /// The sum of bytes at which linear memory was refused last, if it was.
    #[must_use]
    pub const fn refused(&self) -> Option<usize> {
        self.refused
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        let more = desired.saturating_sub(current);
        let sum = self.memory_used.saturating_add(more);
        if sum > self.memory_limit {
            self.refused = Some(sum);
            return Ok(false);
        }
        if self.growth.as_mut().is_some_and(|growth| !growth.prepare(current, desired)) {
            return Ok(false);
        }
        self.memory_used = sum;
        self.memory_pending = more;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        let more = desired.saturating_sub(current);
        let sum = self.table_used.saturating_add(more);
        if sum > TABLE_ELEMENTS_MAX {
            return Ok(false);
        }
        self.table_used = sum;
        self.table_pending = more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: &MemoryError) -> Result<(), LimiterError> {
        self.memory_used -= core::mem::take(&mut self.memory_pending);
        Ok(())
    }

    fn table_grow_failed(&mut self, _error: &TableError) -> Result<(), LimiterError> {
        self.table_used -= core::mem::take(&mut self.table_pending);
        Ok(())
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        OBJECTS_MAX
    }

    fn memories(&self) -> usize {
        OBJECTS_MAX
    }
}
