@0xa5d59f5948e4d00d;

# Interrupt: the interrupt of one device.
#
# Served by the kernel; Device.open makes it, for the process that drives the device. The line is masked whenever an interrupt has
# come, until the driver acknowledges it: a device cannot interrupt more often than its driver says.

using Notification = import "notification.capnp".Notification;

interface Interrupt @0xa70d6f59cfc51047 {
  wait @0 () -> ();
  # Completes when an interrupt has come that nobody was told of. Cancellable. One wait at a time: else exception "overloaded".

  acknowledge @1 () -> ();
  # Unmasks the line. The first one lets the first interrupt through; without an interrupt before it has no further effect.
  # An interrupt that has come and that nobody was told of is forgotten: acknowledge, then look at the device.

  bind @2 (notification :Notification, bits :UInt64) -> ();
  # From now on an interrupt sets `bits` (not 0: exception "invalid argument") of the notification, for which the method `signal` is
  # needed, instead of completing a wait. Binding again replaces.
}
