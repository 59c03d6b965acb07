@0xf20a1d4227e4dcbe;

# SystemManifest: a whole system, as `capos build` writes it into the boot image and init reads it.

using LaunchParameters = import "launch.capnp".LaunchParameters;

struct SystemManifest {
  version @0 :UInt32;
  # 1.

  name @1 :Text;
  main @2 :Text;
  # The process whose end is the outcome of the run.

  processes @3 :List(Process);
  # In the order in which they are started.

  struct Process {
    name @0 :Text;
    image @1 :Text;
    # The boot image's part with its ELF.
    grants @2 :List(Grant);
    memoryLimit @3 :UInt64;
    stackBytes @4 :UInt64;
    wallClockNanoseconds @5 :UInt64;
    # 0 = no limit. When it has passed init ends the process with the outcome "wall clock".
    launch @6 :LaunchParameters;
    # Null for a process that is no WASI instance.
    module @7 :Text;
    # The part with the wasm module, granted as "module"; empty for none.
    submissionEntries @8 :UInt32;
    completionEntries @9 :UInt32;
    areaBytes @10 :UInt32;
    # Ring sizes; 0 = default.
  }

  struct Grant {
    name @0 :Text;
    # In the process's CapSet.
    source @1 :Source;
    methods @2 :UInt64;
    # Bit n permits method n.
    part @3 :Text;
    # The boot image's part, for the source "part".
  }

  enum Source {
    # What can be granted; interface and mask are checked against the schema by the host and again by init.
    consoleOutput @0;
    # A Console labelled with the process's name, standard output.
    consoleError @1;
    timer @2;
    entropySource @3;
    virtualMemory @4;
    # The process's own address space.
    part @5;
    # A MemoryObject: one part of the boot image.
    processSpawner @6;
    bootPackage @7;
    entropySink @8;
    codeMemory @9;
  }
}
