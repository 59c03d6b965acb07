@0xc1d423afb8b261a0;

# Notification: 64 bits that are set by some and taken by others.
#
# Served by the kernel; ProcessSpawner.createNotification makes one. It tells that something happened, never what or how often:
# for interrupts, and for data that lies in shared memory. A capability that permits `signal` alone, or `wait` and `poll` alone,
# is made with derive.

interface Notification @0xdff37292dc273755 {
  signal @0 (bits :UInt64) -> ();
  # Sets bits. Those that were set already stay set. Who waits gets what it waits for in the order in which the waits began: each
  # takes the bits of its own mask that are set then, and those behind it see what is left.

  wait @1 (mask :UInt64) -> (bits :UInt64);
  # Completes when a bit of the mask is set: takes all set bits of the mask, which are clear afterwards, and leaves the others.
  # Cancellable. Exception "invalid argument" for an empty mask, "overloaded" when 64 waits are in progress already.

  poll @2 (mask :UInt64) -> (bits :UInt64);
  # Takes the set bits of the mask, which may be none. Never waits.
}
