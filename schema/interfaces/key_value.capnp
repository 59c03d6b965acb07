@0x847c14c67db26244;

# KeyValue: the root of the key-value service, the example of the book.
#
# Served by the program key-value (demos/services). What a client may do follows from the methods that the manifest grants it.

using KeyValueStore = import "key_value_store.capnp".KeyValueStore;

interface KeyValue @0xcac21d0b8ca6c7bb {
  open @0 () -> (store :KeyValueStore);
  # A new, empty store of the caller's own. It ends when nobody holds a capability to it any more. Exception "overloaded" if
  # the service has no room for another one.

  lend @1 (name :Text, store :KeyValueStore) -> ();
  # Leaves a capability under `name` (1 to 32 bytes, else exception "invalid argument"), for one call of `borrow`. What was
  # there before is released.

  borrow @2 (name :Text) -> (store :KeyValueStore);
  # Takes what was left under `name`; waits until something is. Cancellable.

  calls @3 () -> (count :UInt64);
  # Calls that this instance of the service has received, this one included.

  stop @4 () -> ();
  # Ends the service's process in the middle of this call, which is thus never answered.
}
