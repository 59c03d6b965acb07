@0xd9b066d3081bb82d;

# ProcessHandle: one process, to its creator.
#
# Served by the kernel.

using Accounting = import "accounting.capnp".Accounting;
using Notification = import "notification.capnp".Notification;

interface ProcessHandle @0x9c830a8af3909f6b {
  grant @0 (name :Text, capability :Capability, methods :UInt64) -> ();
  # Puts a copy of `capability` with the given method mask into the CapSet of a process that was not started yet.
  # Error "mask not within source"; exception "invalid argument" for a bad or duplicate name, or a full CapSet; "failed" after
  # the start.

  start @1 () -> ();
  # Lets it run. Exception "failed" if it was started before.

  wait @2 () -> (kind :UInt16, code :UInt32, report :Text, fault :Fault);
  # Completes when it has ended. `kind` is an OutcomeKind of capos-abi, `code` its exit code, `report` what it said.
  # Cancellable; may be called again after the end.

  kill @3 (kind :UInt16) -> ();
  # Ends it with the outcome `kind`: killed, wall clock, revoked or output (else exception "invalid argument"). No effect after the end.

  accounting @4 () -> (accounting :Accounting);
  # The right to read what the process uses.

  bind @5 (notification :Notification, bits :UInt64) -> ();
  # When it has ended, sets `bits` (not 0: exception "invalid argument") of the notification, for which the method `signal` is
  # needed; at once if it has ended. `wait` then completes at once. Binding again replaces.

  struct Fault {
    # All zero unless the kind is "fault".
    vector @0 :UInt8;
    errorCode @1 :UInt32;
    address @2 :UInt64;
    # CR2 of a page fault, else 0.
    instructionPointer @3 :UInt64;
  }
}
