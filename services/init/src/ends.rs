//! Which processes have ended.
//!
//! Used by `supervise`; calls Notification and ProcessHandle. A notification stands for 64 processes, a bit for each, so what
//! init waits for does not grow with the number of processes.
//!
//! Invariant: each end is told once. A wait is in progress at each notification.

use alloc::vec::Vec;
use core::mem;

use capos_rt::abi::error::CallError;
use capos_rt::schema::notification::Notification;
use capos_rt::schema::process_handle::ProcessHandle;
use capos_rt::schema::process_spawner::ProcessSpawner;
use capos_rt::{Call, Cap, Deadline, Pending, wait_any};

/// Processes for which a notification stands.
pub const GROUP: usize = u64::BITS as usize;

struct Group {
    notification: Cap<Notification>,
    wait: Pending<u64>,
    /// Bits of those that have ended and were not told.
    ended: u64,
}

/// What a wait is over with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The process at this place has ended.
    End(usize),
    /// The other call is complete.
    Other,
}

/// The ends of all processes, by their places.
pub struct Ends {
    groups: Vec<Group>,
}

impl Ends {
    /// Room for the ends of `count` processes.
    ///
    /// # Errors
    /// If the kernel has no room for it.
    pub fn open(spawner: &Cap<ProcessSpawner>, count: usize) -> Result<Ends, CallError> {
        let mut groups = Vec::new();
        for _ in 0..count.div_ceil(GROUP) {
            let notification = spawner.create_notification()?;
            let wait = notification.begin_wait(u64::MAX)?;
            groups.push(Group { notification, wait, ended: 0 });
        }
        Ok(Ends { groups })
    }

    /// The end of this process is told as that of `place`, whose last one was told.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn watch(&self, place: usize, process: &Cap<ProcessHandle>) -> Result<(), CallError> {
        process.bind(&self.groups[place / GROUP].notification, 1 << (place % GROUP))
    }

    /// Waits for an end or for the call `other`; `None` if the deadline passes before.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn next(&mut self, other: Option<&Call>, deadline: Deadline<'_>) -> Result<Option<Told>, CallError> {
        loop {
            if let Some(place) = self.take() {
                return Ok(Some(Told::End(place)));
            }
            let groups = self.groups.iter().map(|group| group.wait.call());
            let calls: Vec<&Call> = groups.chain(other).collect();
            let Some(told) = wait_any(&calls, deadline)? else { return Ok(None) };
            let Some(group) = self.groups.get_mut(told) else { return Ok(Some(Told::Other)) };
            group.hear()?;
        }
    }

    /// The end of the process at this place, which was told, is told once more.
    pub fn tell_again(&mut self, place: usize) {
        self.groups[place / GROUP].ended |= 1 << (place % GROUP);
    }

    /// The place of one that has ended, of which the kernel has told already.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn known(&mut self) -> Result<Option<usize>, CallError> {
        for group in &mut self.groups {
            if group.wait.call().is_complete() {
                group.hear()?;
            }
        }
        Ok(self.take())
    }

    fn take(&mut self) -> Option<usize> {
        let number = self.groups.iter().position(|group| group.ended != 0)?;
        let group = &mut self.groups[number];
        let bit = group.ended.trailing_zeros();
        group.ended &= group.ended - 1;
        Some(number * GROUP + bit as usize)
    }
}

impl Group {
    /// Takes the bits of a wait that is complete, and begins the next one.
    fn hear(&mut self) -> Result<(), CallError> {
        let next = self.notification.begin_wait(u64::MAX)?;
        self.ended |= mem::replace(&mut self.wait, next).wait()?;
        Ok(())
    }
}
