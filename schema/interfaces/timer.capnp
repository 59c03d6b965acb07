@0xf5a3bc4eb62b3009;

# Timer: the monotonic clock, and the right to wait for a point in time.
#
# Served by the kernel. A finite deadline of `enter` names a live Timer too.

interface Timer @0xece436a49eff61cf {
  # Time is in nanoseconds since the machine started, on a clock that never goes back.

  now @0 () -> (nanoseconds :UInt64);
  # The clock.

  sleep @1 (deadline :UInt64) -> ();
  # Completes when the clock has reached `deadline`; at once if it has passed. Cancellable.

  resolution @2 () -> (nanoseconds :UInt64);
  # The smallest step of the clock: at least 1.
}
