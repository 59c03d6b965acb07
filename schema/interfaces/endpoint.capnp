@0xd1f7a3c2b9604e85;

# Endpoint: the receive side of a service.
#
# Served by the kernel. ProcessSpawner.createEndpoint makes one, with the root object that clients call. Whoever holds it may
# receive the calls to every object of the endpoint; when nobody holds it any more the endpoint is closed and each call to it
# completes with "disconnected".

interface Endpoint @0xb6c80f1d5e7a9243 {
  receive @0 () -> ();
  # The right to the opcodes receive and return-and-receive. Not to be called: exception "unimplemented".

  mint @1 (interface :UInt64, cookie :UInt64, methods :UInt64) -> (object :Capability);
  # A new object of this endpoint: clients must state `interface` (not 0) and may call `methods` (bit n for method n), and the
  # server sees `cookie` with each call. It lives as long as a capability to it and the process that minted it; then calls to it
  # complete with "disconnected". Charged to the caller. Exception "invalid argument" for interface 0.
}
