//! The ways to crash.
//!
//! Called by `main`; calls the runtime's hostile part.
//!
//! Invariant: each way does one thing that ring 3 must not get away with.

use capos_rt::hostile::{self, Forbidden};

/// An address of the kernel's half.
const KERNEL: u64 = 0xffff_8000_0000_0000;
/// An address that is not canonical.
const NOT_CANONICAL: u64 = 0x0000_8000_0000_0000;
/// The first address past what a program can have.
const END: u64 = 0x0000_7fff_ffff_f000;

/// A page of initialized data, which is not code.
static DATA: [u8; 16] = [0xc3; 16];

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn()> {
    const WAYS: &[(&str, fn())] = &[
        ("read null", || _ = hostile::load(0)),
        ("write null", || hostile::store(8)),
        ("read kernel", || _ = hostile::load(KERNEL)),
        ("write kernel", || hostile::store(KERNEL)),
        ("read last page", || _ = hostile::load(END)),
        ("read not canonical", || _ = hostile::load(NOT_CANONICAL)),
        ("write code", || hostile::store(find as *const () as u64)),
        ("write constant", || hostile::store(DATA.as_ptr() as u64)),
        ("write capset", write_capset),
        ("jump to null", || hostile::jump(0)),
        ("jump to constant", || hostile::jump(DATA.as_ptr() as u64)),
        ("jump to stack", jump_to_stack),
        ("jump to ring", || hostile::jump(hostile::region_address())),
        ("jump to kernel", || hostile::jump(KERNEL)),
        ("jump to not canonical", || hostile::jump(NOT_CANONICAL)),
        ("overflow stack", || _ = dig(0)),
        ("system call 2", || _ = hostile::system_call(2, [0; 4])),
        ("system call -1", || _ = hostile::system_call(u64::MAX, [u64::MAX; 4])),
        ("panic", || panic!("on purpose")),
    ];
    if let Some((_, way)) = WAYS.iter().find(|(one, _)| *one == name) {
        return Some(*way);
    }
    instruction(name)
}

/// A forbidden instruction as a way, by its word.
fn instruction(name: &str) -> Option<fn()> {
    macro_rules! ways {
        ($($variant:ident),*) => {
            match Forbidden::ALL.iter().find(|(_, word)| *word == name)?.0 {
                $(Forbidden::$variant => Some(|| Forbidden::$variant.execute()),)*
            }
        };
    }
    ways!(
        Illegal,
        Halt,
        DisableInterrupts,
        EnableInterrupts,
        PortRead,
        PortWrite,
        ReadControl,
        WriteControl,
        ReadDebug,
        ReadModelSpecific,
        WriteModelSpecific,
        LoadDescriptors,
        LoadInterrupts,
        StoreDescriptors,
        LoadTask,
        InvalidatePage,
        InvalidateCaches,
        SwapSegments,
        SystemReturn,
        TimeStamp,
        PerformanceCounter,
        SetExtendedState,
        Interrupt128,
        InterruptPageFault,
        InterruptDoubleFault,
        InterruptTimer,
        Breakpoint,
        SystemEnter,
        DivideByZero,
        DivideOverflow,
        SingleStep,
        SingleStepCall,
        FloatException,
        KernelSegment,
        KernelStack
    )
}

/// Writes the page that says what this process holds.
fn write_capset() {
    let entry = capos_rt::CapSet::of_this_process().entry("argument");
    if let Some(entry) = entry {
        hostile::store(entry.name.as_ptr() as u64);
    }
}

fn jump_to_stack() {
    let code = [0xc3u8; 16];
    hostile::jump(core::hint::black_box(&code).as_ptr() as u64);
}

/// Calls itself until the stack is used up.
fn dig(depth: u64) -> u64 {
    let block = core::hint::black_box([depth; 64]);
    block[(depth % 64) as usize] + dig(depth + 1) + core::hint::black_box(block)[0]
}
