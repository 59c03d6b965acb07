//! What the programs `soak` and `soaked` and the check of their run agree on.
//!
//! Used by those three.
//!
//! Invariant: the numbers of spawns and calls follow from what stands here.

/// Cycles.
pub const CYCLES: u64 = 2_000;
/// Clients of a cycle: the same number of each kind.
pub const CLIENTS: usize = 8;
/// Rounds of calls that a client makes.
pub const ROUNDS: u32 = 10;
/// Calls of a round: plain ones, one that moves a capability there and back, one that gets an object, one to that object.
pub const ROUND_CALLS: u32 = 9;
/// Bytes that a process of a cycle may use.
pub const LIMIT: u64 = 1 << 20;

/// The methods of the server: it answers with the same bytes, with the capability that came, with a new object, or never.
pub mod method {
    /// The same bytes.
    pub const ECHO: u16 = 0;
    /// The Timer that came goes back.
    pub const MOVE: u16 = 1;
    /// A new object.
    pub const MINT: u16 = 2;
}

/// The bytes of a call that is never answered.
pub const HELD: &[u8] = b"held";

/// The bytes of a call that is answered when as many calls are held as clients make that end while one is.
pub const WAIT: &[u8] = b"wait";
/// Those calls.
pub const HELD_CALLS: usize = CLIENTS / 2;

/// How a client ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By itself, with nothing in flight.
    Finishes,
    /// By itself, with calls in flight.
    Leaves,
    /// It is killed while its last call is in the server's hands.
    Killed,
    /// Its last call is in the server's hands when the server is killed.
    Loses,
    /// It never calls, and is killed.
    Idle,
}

impl Kind {
    /// The kinds of the clients of a cycle, in turn.
    #[must_use]
    pub const fn of_client(index: usize) -> Kind {
        match index % 4 {
            0 => Kind::Finishes,
            1 => Kind::Leaves,
            2 => Kind::Killed,
            _ => Kind::Loses,
        }
    }

    /// Its name, which its CapSet has too.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Finishes => "finishes",
            Kind::Leaves => "leaves",
            Kind::Killed => "killed",
            Kind::Loses => "loses",
            Kind::Idle => "idle",
        }
    }
}

/// Processes of all cycles.
#[must_use]
pub const fn spawns() -> u64 {
    CYCLES * (2 + CLIENTS as u64)
}

/// Calls of a cycle that are counted: those of clients that end by themselves, without the ones that are never answered.
#[must_use]
pub const fn calls_of_cycle() -> u64 {
    (CLIENTS as u64 - CLIENTS as u64 / 4) * (ROUNDS * ROUND_CALLS) as u64
}

/// The same of all cycles.
#[must_use]
pub const fn calls() -> u64 {
    CYCLES * calls_of_cycle()
}
