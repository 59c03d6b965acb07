@0xd7f64b9e7289afc5;

# KeyValueStore: keys and values of one client of the key-value service.
#
# Served by the program key-value (demos/services), which mints one for each KeyValue.open.

interface KeyValueStore @0xaefeee4e630154d5 {
  # A key has 1 to 32 bytes and a value at most 256; else exception "invalid argument".

  get @0 (key :Text) -> (found :Bool, value :Data);
  # The value of a key.

  put @1 (key :Text, value :Data) -> (status :PutStatus);
  # Sets the value of a key.

  remove @2 (key :Text) -> (found :Bool);
  # Removes a key.

  count @3 () -> (keys :UInt32);
  # The number of keys.

  enum PutStatus {
    stored @0;
    full @1;
    # The store has as many keys as it may, 64, and this one is new.
  }
}
