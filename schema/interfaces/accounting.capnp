@0xc3160dbc7fc9f8fa;

# Accounting: what one process uses, and what it may.
#
# Served by the kernel. ProcessHandle.accounting gives a process's to its creator; a process has its own if a manifest grants
# it. Reading changes nothing, and works until the last capability to the process is gone, also after its end.

interface Accounting @0xc734048343a8c04f {
  memory @0 () -> (limit :UInt64, committed :UInt64, peak :UInt64, reserve :UInt64, backed :UInt64, refusals :UInt64);
  # Bytes. `committed` is what is charged: committed pages, page tables, rings, kernel objects, and its children's limits; `peak`
  # the most that was. `reserve` is what was set aside for it and not passed on to a child, `backed` what has a frame now.
  # `refusals` counts how often a limit, of whichever kind, refused it something.

  processor @1 () -> (time :UInt64, childrenTime :UInt64, weight :UInt32, budget :UInt64, period :UInt64, left :UInt64);
  # Nanoseconds. `time` is what the processor did for it: in ring 3, in ring 0, and in servers from receive to return;
  # `childrenTime` the same of its children that have ended. `weight` is 0 for a process that runs on its creator's share. Of each
  # `period` it may have `budget`, and `left` of this one's is left; all three are 0 without such a limit. Weight and budget are
  # without what its children have of them.

  activity @2 () -> (entries :UInt64, wakes :UInt64, callsMade :UInt64, callsServed :UInt64);
  # How often the processor was left to its ring 3, how often a thread that waited was woken, how many calls of its own a process
  # has received, and how many it has received itself.

  objects @3 () -> (processes :UInt32, operations :UInt32, capabilities :UInt32, memoryObjects :UInt32, mappings :UInt32,
                    endpoints :UInt32, minted :UInt32, notifications :UInt32);
  # What the kernel keeps for it now, by kind: children that have not ended, submissions in progress, capabilities, and the objects
  # that are charged to it.
}
