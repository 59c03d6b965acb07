//! The ways to signal and to wait: the other side of tests of notifications.
//!
//! Called by `main`; they have `notification` and `ready` in their CapSet.
//!
//! Invariant: a way returns its exit code; 0 means that all was as it must be.

use capos_rt::schema::notification::Notification;
use capos_rt::{Cap, CapSet, Pending};

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn(&CapSet) -> u32> {
    const WAYS: &[(&str, fn(&CapSet) -> u32)] =
        &[("signal bit 5", signal_bit_5), ("wait 24 times", wait_24_times)];
    WAYS.iter().find(|(one, _)| *one == name).map(|(_, way)| *way)
}

fn signal_bit_5(capabilities: &CapSet) -> u32 {
    let Ok(notification) = capabilities.get::<Notification>("notification") else { return 1 };
    if notification.signal(1 << 5).is_err() { 2 } else { 0 }
}

/// Begins 24 waits for bit 0, says so, and ends when all have got it.
fn wait_24_times(capabilities: &CapSet) -> u32 {
    let Ok(notification) = capabilities.get::<Notification>("notification") else { return 1 };
    let ready: Result<Cap<Notification>, _> = capabilities.get("ready");
    let Ok(ready) = ready else { return 2 };
    // It has no heap.
    let waits = [(); 24].map(|()| notification.begin_wait(1));
    if ready.signal(1).is_err() {
        return 4;
    }
    for wait in waits {
        match wait.map(Pending::wait) {
            Ok(Ok(1)) => {}
            Ok(_) => return 5,
            Err(_) => return 3,
        }
    }
    0
}
