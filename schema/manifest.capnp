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
  # In the order in which they are started, those that drive a device before all others.

  machineMemory @4 :UInt64;
  # Bytes of memory of the machine that the system is meant for; 0 = as much as it needs.

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
    serves @11 :List(Service);
    # Endpoints whose calls it receives.
    restart @12 :Restart;
    memoryReserve @13 :UInt64;
    # Of the memory limit: what is set aside.
    weight @14 :UInt32;
    # Of the processor, at least 1.
    budgetNanoseconds @15 :UInt64;
    periodNanoseconds @16 :UInt64;
    # Of the processor: so much in each period; both 0 = no limit.
  }

  struct Service {
    name @0 :Text;
    # Of the endpoint's receive side, in the process's CapSet.
    interface @1 :UInt64;
    methods @2 :UInt64;
    # Of the root object that others are granted: all that there were when the manifest was built.
  }

  struct Restart {
    # What init does when the process has ended. What it served waits meanwhile, within its callers' limits.
    when @0 :When;
    most @1 :UInt32;
    # How many times at most; then what it served is closed.
    delayNanoseconds @2 :UInt64;
    # Before the first time; twice as long before each following one, up to a minute.
    enum When {
      never @0;
      onFailure @1;
      # Unless it has exited with code 0.
      always @2;
    }
  }

  struct Grant {
    name @0 :Text;
    # In the process's CapSet.
    source @1 :Source;
    methods @2 :UInt64;
    # Bit n permits method n.
    part @3 :Text;
    # The boot image's part, for the source "part".
    process @4 :Text;
    service @5 :Text;
    # Who serves what, for the source "service".
    device @6 :UInt32;
    # The kind of device, for the source "device": its number in the virtio specification.
  }

  enum Source {
    # What can be granted; interface and mask are checked against the schema by the host and again by init.
    consoleOutput @0;
    # A Console labelled with the process's name, standard output: an object of whoever serves Console and drives the console.
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
    service @10;
    # The root object of a process's endpoint.
    accounting @11;
    # The process's own.
    device @12;
    # A Device: the machine's of the kind that the grant names.
    consoleNames @13;
    # A MemoryObject: whose streams a driver of the console carries (capos_abi::streams).
  }
}
