//! Shares of the processor: a weight, and a budget for each period, carved out of the share above.
//!
//! The weight says how much a share gets while others want the processor too; a [`Rate`] says how much it gets at most,
//! also while nobody else wants it. Called by the kernel when a process is made and has ended, and by its billing.
//!
//! Invariant: what a share gives to the shares below it, it does not have meanwhile, and it has it again when they end: the
//! weights of a tree of shares add up to its root's, and so do the budgets, rounded in favour of what is above. Nobody
//! gives all: a share keeps a weight of 1 and a nanosecond.

use crate::account::LimitReached;

pub use capos_abi::share::PERIOD_NANOSECONDS;

/// So much of the processor in each period, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Of the processor.
    pub budget: u64,
    /// Of the clock.
    pub period: u64,
}

impl Rate {
    /// True for a period within [`PERIOD_NANOSECONDS`] and a budget of at most that.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        PERIOD_NANOSECONDS.contains(&self.period) && (1..=self.period).contains(&self.budget)
    }

    /// What it takes of a budget for periods of `period`, rounded up.
    fn within(&self, period: u64) -> u64 {
        let wide = (u128::from(self.budget) * u128::from(period)).div_ceil(u128::from(self.period.max(1)));
        u64::try_from(wide).unwrap_or(u64::MAX)
    }
}

/// How much of a rate is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    rate: Rate,
    /// When the period began.
    start: u64,
    /// Since then; more than the budget if the last stretch was too long, which the next periods pay.
    used: u64,
}

impl Budget {
    /// A whole budget, whose first period begins now.
    #[must_use]
    pub const fn new(rate: Rate, now: u64) -> Budget {
        Budget { rate, start: now, used: 0 }
    }

    /// What it is now: less than it began with while shares below it have some of it.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.rate
    }

    /// Nanoseconds of the processor that are left in this period.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.rate.budget.saturating_sub(self.used)
    }

    /// When the next period begins.
    #[must_use]
    pub const fn next_period(&self) -> u64 {
        self.start.saturating_add(self.rate.period)
    }

    /// What it is at `now`.
    #[must_use]
    pub fn at(&self, now: u64) -> Budget {
        let mut budget = *self;
        budget.renew(now);
        budget
    }

    /// Begins the period in which `now` lies. Each one since the last pays its budget's worth of what was used.
    pub fn renew(&mut self, now: u64) {
        let periods = now.saturating_sub(self.start) / self.rate.period.max(1);
        self.start += periods * self.rate.period;
        self.used = self.used.saturating_sub(self.rate.budget.saturating_mul(periods));
    }

    /// So much was used until `now`. True if nothing is left.
    pub fn charge(&mut self, nanoseconds: u64, now: u64) -> bool {
        self.renew(now);
        self.used = self.used.saturating_add(nanoseconds);
        self.left() == 0
    }
}

/// What one process, or several, may have of the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    weight: u32,
    budget: Option<Budget>,
    /// What it took of the budget above.
    carved: u64,
}

impl Share {
    /// The share from which all others come: without a limit.
    #[must_use]
    pub const fn root(weight: u32) -> Share {
        Share { weight, budget: None, carved: 0 }
    }

    /// Of the processor while others want it too.
    #[must_use]
    pub const fn weight(&self) -> u32 {
        self.weight
    }

    /// In each period; none without a limit.
    #[must_use]
    pub const fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// The same, to use it up.
    pub const fn budget_mut(&mut self) -> Option<&mut Budget> {
        self.budget.as_mut()
    }

    /// Takes a share out of this one.
    ///
    /// # Errors
    /// [`LimitReached`] for no weight or all that there is, for as much as the budget or more, and for a share without a
    /// budget below one that has one; nothing has changed then.
    pub fn carve(&mut self, weight: u32, rate: Option<Rate>, now: u64) -> Result<Share, LimitReached> {
        if weight == 0 || weight >= self.weight {
            return Err(LimitReached);
        }
        let carved = match (&mut self.budget, rate) {
            (None, _) => 0,
            (Some(_), None) => return Err(LimitReached),
            (Some(budget), Some(rate)) => {
                let carved = rate.within(budget.rate.period);
                if carved >= budget.rate.budget {
                    return Err(LimitReached);
                }
                budget.rate.budget -= carved;
                carved
            }
        };
        self.weight -= weight;
        Ok(Share { weight, budget: rate.map(|rate| Budget::new(rate, now)), carved })
    }

    /// Takes back what [`Share::carve`] gave.
    pub fn give_back(&mut self, share: &Share) {
        self.weight += share.weight;
        if let Some(budget) = &mut self.budget {
            budget.rate.budget += share.carved;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { budget: 20, period: 1_000_000 };

    #[test]
    fn a_budget_is_used_up_and_renewed() {
        let mut budget = Budget::new(RATE, 5);
        assert!(!budget.charge(19, 1000));
        assert_eq!((budget.left(), budget.next_period()), (1, 1_000_005));
        assert!(budget.charge(1, 2000));
        assert!(budget.charge(0, 1_000_004));
        assert!(!budget.charge(0, 1_000_005));
        assert_eq!((budget.left(), budget.next_period()), (20, 2_000_005));
    }

    #[test]
    fn what_was_used_too_much_is_paid_later() {
        let mut budget = Budget::new(RATE, 0);
        assert!(budget.charge(70, 900_000));
        budget.renew(1_000_000);
        assert_eq!(budget.left(), 0);
        budget.renew(3_000_000);
        assert_eq!(budget.left(), 10);
        budget.renew(1_000_000_000);
        assert_eq!(budget.left(), 20);
    }

    #[test]
    fn rates_are_checked() {
        let rate = |budget, period| Rate { budget, period }.is_valid();
        assert!(rate(1, 1_000_000) && rate(1_000_000, 1_000_000) && rate(5, 10_000_000_000));
        for (budget, period) in [(0, 1_000_000), (1_000_001, 1_000_000), (5, 999_999), (5, 10_000_000_001)] {
            assert!(!rate(budget, period), "{budget} in {period}");
        }
    }

    #[test]
    fn nobody_carves_more_than_there_is() {
        let mut root = Share::root(100);
        assert_eq!(root.carve(0, None, 0), Err(LimitReached));
        assert_eq!(root.carve(100, None, 0), Err(LimitReached));
        let mut child = root.carve(60, Some(RATE), 0).unwrap();
        assert_eq!((root.weight(), child.weight()), (40, 60));
        assert_eq!(child.carve(10, None, 0), Err(LimitReached));
        // A third of the time in another period: 20 of 1,000,000 are 40 of 2,000,000.
        let double = Rate { budget: 40, period: 2_000_000 };
        assert_eq!(child.carve(10, Some(double), 0), Err(LimitReached));
        let half = Rate { budget: 21, period: 2_000_000 };
        let grandchild = child.carve(10, Some(half), 0).unwrap();
        assert_eq!(child.budget().map(|budget| budget.rate().budget), Some(9));
        assert_eq!((child.weight(), grandchild.weight()), (50, 10));
        child.give_back(&grandchild);
        root.give_back(&child);
        assert_eq!((root, child.budget().map(Budget::rate)), (Share::root(100), Some(RATE)));
    }
}
