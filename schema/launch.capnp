@0xfe9019ebfb75cb94;

# LaunchParameters: everything that a WASI instance is told at its start. Never inherited from anywhere.
#
# Written by init from the SystemManifest into a sealed memory object, which the instance holds as "launch".

struct LaunchParameters {
  arguments @0 :List(Data);
  # argv, argv[0] first; bytes without NUL.

  environment @1 :List(Data);
  # "KEY=VALUE", bytes without NUL, no "=" in KEY, which is not empty.

  fuel @2 :UInt64;
  # Fuel units at most; 0 = no limit.

  memoryLimit @3 :UInt64;
  # Bytes of linear memory at most.

  recursionLimit @4 :UInt32;
  # Depth of wasm calls at most; 0 = the default.

  stackBytes @5 :UInt64;
  # Bytes of the engine's value stack at most; 0 = the default.

  preopens @6 :List(Preopen);
  # Directories in descriptor order, from 3.

  moduleName @7 :Text;
  # For reports.

  validated @8 :Bool;
  # The module was validated as a whole when the image was made. The instance then validates each function when it is called
  # first, and not all of them before it starts; a function that is not valid ends it as "invalid" then.

  struct Preopen {
    capability @0 :Text;
    # Its name in the CapSet.
    path @1 :Text;
    # What the guest sees.
  }
}
