//! Accounts: how much memory a process may hold, and holds.
//!
//! Two things are counted, in bytes. Everything that ring 0 keeps for a process is *charged* when it is promised: committed
//! pages, page tables, rings, pool entries, capability slots; the limit bounds that. What has a frame is *backed*: at first
//! by what was set aside for the account (its reserve), beyond that by what nobody has set aside (the [`Pot`]). A child's
//! limit and reserve are carved out of its creator's. Called by the kernel before each allocation on behalf of ring 3.
//!
//! Invariant: `used <= limit`, always; a refused charge changes nothing but the number of refusals. The pot and, of each
//! account, the larger of what is set aside and what is backed add up to the machine's frames: so a frame inside a reserve
//! is always there.

/// The charge would pass the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitReached;

/// Nobody has set a frame aside for it, and none is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NothingFree;

/// Bytes that nobody has set aside and nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pot {
    bytes: u64,
}

impl Pot {
    /// A pot with so much.
    #[must_use]
    pub const fn new(bytes: u64) -> Pot {
        Pot { bytes }
    }

    /// What is in it.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    const fn take(&mut self, bytes: u64) -> Result<(), NothingFree> {
        if bytes > self.bytes {
            return Err(NothingFree);
        }
        self.bytes -= bytes;
        Ok(())
    }
}

/// Bytes held and bytes allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    limit: u64,
    used: u64,
    peak: u64,
    refusals: u64,
    reserve: u64,
    backed: u64,
    is_root: bool,
}

impl Account {
    const fn new(limit: u64, reserve: u64, is_root: bool) -> Account {
        Account { limit, used: 0, peak: 0, refusals: 0, reserve, backed: 0, is_root }
    }

    /// The account from which all others come. What it sets aside for others comes out of the pot.
    ///
    /// # Errors
    /// [`NothingFree`]: the pot has less than its own reserve.
    pub fn root(limit: u64, reserve: u64, pot: &mut Pot) -> Result<Account, NothingFree> {
        pot.take(reserve)?;
        Ok(Account::new(limit, reserve, true))
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

    /// Bytes that were set aside for it, and not passed on.
    #[must_use]
    pub const fn reserve(&self) -> u64 {
        self.reserve
    }

    /// Bytes that have a frame.
    #[must_use]
    pub const fn backed(&self) -> u64 {
        self.backed
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

    /// Takes a child's account out of this one.
    ///
    /// # Errors
    /// [`LimitReached`] for a limit above what can still be charged, a reserve above the limit, or a reserve above what is set
    /// aside and not used (for the root: above what is in the pot); only the refusal is counted then.
    pub fn carve(&mut self, limit: u64, reserve: u64, pot: &mut Pot) -> Result<Account, LimitReached> {
        let unused = if self.is_root { pot.bytes } else { self.reserve.saturating_sub(self.backed) };
        if reserve > limit || reserve > unused {
            self.count_refusal();
            return Err(LimitReached);
        }
        self.charge(limit)?;
        if self.is_root {
            pot.bytes -= reserve;
        } else {
            self.reserve -= reserve;
        }
        Ok(Account::new(limit, reserve, false))
    }

    /// Hands `bytes` of what is charged here on to `creator`, from which this account was carved, with the `backed` of them
    /// that have a frame. They come off the limit, and what has a frame off what is set aside.
    pub fn pass_on(&mut self, creator: &mut Account, bytes: u64, backed: u64, pot: &mut Pot) {
        let (bytes, backed) = (bytes.min(self.used), backed.min(self.backed));
        let before = self.frames() + creator.frames();
        // The creator is charged for the limit, and stays charged for this much of it.
        self.limit -= bytes;
        self.used -= bytes;
        let reserve = self.reserve.min(backed);
        self.reserve -= reserve;
        self.backed -= backed;
        if !creator.is_root {
            creator.reserve += reserve;
        }
        creator.backed += backed;
        pot.bytes += before - self.frames() - creator.frames();
    }

    /// What no other account can have: the larger of what is set aside and what is backed.
    fn frames(&self) -> u64 {
        self.reserve.max(self.backed)
    }

    /// Takes back what [`Account::carve`] gave, less what was passed on.
    pub fn give_back(&mut self, child: &Account, pot: &mut Pot) {
        pot.bytes += child.backed.saturating_sub(child.reserve);
        if self.is_root {
            pot.bytes += child.reserve;
        } else {
            let beyond = self.backed.saturating_sub(self.reserve);
            self.reserve += child.reserve;
            pot.bytes += beyond.min(child.reserve);
        }
        self.refund(child.limit);
    }

    /// So many bytes are to get frames: those that were set aside, then those of the pot.
    ///
    /// # Errors
    /// [`NothingFree`]; nothing has changed then.
    pub fn back(&mut self, bytes: u64, pot: &mut Pot) -> Result<(), NothingFree> {
        let inside = self.reserve.saturating_sub(self.backed).min(bytes);
        pot.take(bytes - inside)?;
        self.backed += bytes;
        Ok(())
    }

    /// So many bytes have lost their frames; never below zero.
    pub fn unback(&mut self, bytes: u64, pot: &mut Pot) {
        let bytes = bytes.min(self.backed);
        pot.bytes += self.backed.saturating_sub(self.reserve).min(bytes);
        self.backed -= bytes;
    }
}

#[cfg(test)]
mod tests;
