//! Accounts: how much memory a process may hold, and holds.
//!
//! Everything that ring 0 keeps for a process is charged here in bytes: frames, page tables, rings, pool entries,
//! capability slots. A child's limit is carved out of its creator's account as one charge. Called by the kernel before each
//! allocation on behalf of ring 3.
//!
//! Invariant: `used <= limit`, always; a refused charge changes nothing but the number of refusals.

/// The charge would pass the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached;

/// Bytes held and bytes allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    limit: u64,
    used: u64,
    peak: u64,
    refusals: u64,
}

impl Account {
    /// An account that allows `limit` bytes.
    #[must_use]
    pub const fn new(limit: u64) -> Account {
        Account { limit, used: 0, peak: 0, refusals: 0 }
    }

    /// Bytes allowed.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes held.
    #[must_use]
    pub const fn used(&self) -> u64 {
        self.used
    }

    /// Bytes that were held at most, at any time.
    #[must_use]
    pub const fn peak(&self) -> u64 {
        self.peak
    }

    /// Charges that were refused.
    #[must_use]
    pub const fn refusals(&self) -> u64 {
        self.refusals
    }

    /// Bytes that can still be charged.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.limit - self.used
    }

    /// Charges `bytes`.
    ///
    /// # Errors
    /// [`LimitReached`]; nothing is charged, and the refusal is counted.
    pub const fn charge(&mut self, bytes: u64) -> Result<(), LimitReached> {
        if bytes > self.remaining() {
            self.count_refusal();
            return Err(LimitReached);
        }
        self.used += bytes;
        if self.used > self.peak {
            self.peak = self.used;
        }
        Ok(())
    }

    /// Something else than bytes was refused for a limit.
    pub const fn count_refusal(&mut self) {
        self.refusals = self.refusals.saturating_add(1);
    }

    /// Gives `bytes` back; never below zero.
    pub const fn refund(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_charge_changes_nothing() {
        let mut account = Account::new(100);
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
        let mut account = Account::new(100);
        account.charge(60).unwrap();
        account.refund(50);
        account.charge(20).unwrap();
        assert_eq!(account.charge(90), Err(LimitReached));
        assert_eq!((account.used(), account.peak()), (30, 60));
        account.charge(40).unwrap();
        assert_eq!(account.peak(), 70);
    }
}
