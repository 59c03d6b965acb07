//! Ring 3: run a thread until something happens.
//!
//! Called by the kernel's scheduler. [`Processor::seat`] loads what a thread needs, once; [`Seat::run`] is a function call
//! that returns when ring 3 is left, by a system call, an exception or an interrupt, and may be repeated; the kernel's one
//! stack is used throughout.
//!
//! Invariant: one thread at a time has the processor's seat, and what is loaded is its own; a resumed thread has its instruction pointer in the lower half, CPL 3, interrupts on and IOPL 0, and
//! sees only register contents of its own.

mod entry;

pub(crate) use entry::{LOCAL, initialize};

use crate::frames::{Frame, OutOfMemory};
use crate::interrupts::{self, USER_CODE, USER_DATA};
use crate::paging::AddressSpace;
use crate::{PAGE_BYTES, USER_END};
use core::arch::asm;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};
use entry::{Registers, VECTOR_SYSTEM_CALL};

/// Why ring 3 was left, or why [`crate::cpu::idle`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `SYSCALL`: see [`Context::system_call`].
    SystemCall,
    /// A page fault in ring 3.
    PageFault {
        /// The address that was accessed (CR2).
        address: u64,
        /// Bit 0 present, 1 write, 2 user, 4 instruction fetch.
        error_code: u64,
    },
    /// Any other exception in ring 3.
    Exception {
        /// The vector, 0 to 31.
        vector: u8,
        /// The error code, 0 for vectors without one.
        error_code: u64,
    },
    /// The alarm of [`crate::time::Clock`] went off.
    Timer,
    /// The interrupt of a device; its line is masked.
    Interrupt {
        /// [`crate::devices::Device::line`] of the device.
        line: u8,
    },
    /// An interrupt that nobody asked for; already acknowledged.
    Spurious,
}

const VECTOR_GENERAL_PROTECTION: u8 = 13;
const VECTOR_PAGE_FAULT: u64 = 14;
const EXCEPTIONS: u64 = 32;

/// Interrupts on; bit 1 is always set.
const INITIAL_FLAGS: u64 = 0x202;
const INITIAL_CONTROL_WORD: u16 = 0x37f;
const INITIAL_MXCSR: u32 = 0x1f80;

/// What a context's frame holds.
#[repr(C, align(16))]
struct State {
    registers: Registers,
    /// The FXSAVE area: x87, MMX and SSE.
    extended: [u8; 512],
}

const _: () = assert!(size_of::<State>() <= PAGE_BYTES && size_of::<Registers>().is_multiple_of(16));

/// The state whose SSE registers the processor holds; null if none.
static LOADED: AtomicPtr<State> = AtomicPtr::new(ptr::null_mut());

/// Everything of a thread that the processor holds while it runs: registers and SSE state. Takes one frame.
#[derive(Debug)]
pub struct Context {
    /// Owns what `state` points to.
    _frame: Frame,
    state: NonNull<State>,
}

impl Context {
    /// A thread that will start at `entry` with the given stack pointer and `rdi`, `rsi`, `rdx`; other registers
    /// zero, MXCSR 0x1f80, FCW 0x37f. An entry outside the lower half makes [`Seat::run`] return a general-protection
    /// exception.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn new(entry: u64, stack: u64, arguments: [u64; 3]) -> Result<Context, OutOfMemory> {
        let mut frame = Frame::new()?;
        let state = NonNull::from_mut(frame.bytes_mut()).cast();
        let mut context = Context { _frame: frame, state };
        let state = context.state_mut();
        state.registers.rip = entry;
        state.registers.cs = u64::from(USER_CODE);
        state.registers.rflags = INITIAL_FLAGS;
        state.registers.rsp = stack;
        state.registers.ss = u64::from(USER_DATA);
        [state.registers.rdi, state.registers.rsi, state.registers.rdx] = arguments;
        state.extended[..2].copy_from_slice(&INITIAL_CONTROL_WORD.to_le_bytes());
        state.extended[24..28].copy_from_slice(&INITIAL_MXCSR.to_le_bytes());
        Ok(context)
    }

    #[inline]
    fn state(&self) -> &State {
        // SAFETY: in the frame, which is big enough, aligned, and this context's; every bit pattern is a state.
        unsafe { self.state.as_ref() }
    }

    #[inline]
    fn state_mut(&mut self) -> &mut State {
        // SAFETY: as for `state`, borrowed exclusively.
        unsafe { self.state.as_mut() }
    }

    /// `rax` and `rdi`, `rsi`, `rdx`, `r10` at the system call.
    #[inline]
    pub fn system_call(&self) -> (u64, [u64; 4]) {
        self.state().registers.system_call()
    }

    /// Sets `rax`.
    #[inline]
    pub fn set_result(&mut self, value: u64) {
        self.state_mut().registers.rax = value;
    }

    /// Where ring 3 goes on; after a fault the instruction that faulted.
    pub fn instruction_pointer(&self) -> u64 {
        self.state().registers.rip
    }

    /// The stack pointer.
    pub fn stack_pointer(&self) -> u64 {
        self.state().registers.rsp
    }

    /// The privilege level at which it ran: the low bits of the CS that the processor saved at the last exception or
    /// interrupt. A `SYSCALL` saves none.
    pub fn cpl(&self) -> u8 {
        (self.state().registers.cs & 3) as u8
    }
}

impl Registers {
    #[inline(always)]
    fn system_call(&self) -> (u64, [u64; 4]) {
        (self.rax, [self.rdi, self.rsi, self.rdx, self.r10])
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let state = ptr::from_mut(self.state_mut());
        // Nothing is saved into a frame that is about to be free.
        if LOADED.load(Ordering::Relaxed) == state {
            LOADED.store(ptr::null_mut(), Ordering::Relaxed);
        }
    }
}

/// The right to leave the processor to ring 3. There is one, in [`crate::Hardware`].
#[derive(Debug)]
pub struct Processor(());

impl Processor {
    /// # Safety
    /// Called once.
    pub(crate) const unsafe fn new() -> Processor {
        Processor(())
    }

    /// Loads address space and SSE state, if others are loaded, for as many runs as the seat is kept. `None` for a space
    /// that is torn down.
    #[inline(always)] // On the way of every switch between processes.
    pub fn seat<'p>(&'p mut self, context: &'p mut Context, space: &'p AddressSpace) -> Option<Seat<'p>> {
        if !space.activate() {
            return None;
        }
        let state = ptr::from_mut(context.state_mut());
        let previous = LOADED.load(Ordering::Relaxed);
        if previous != state {
            // SAFETY: the frame of a context, which is not dropped while the seat borrows it; a context removes itself from
            // `LOADED` when it is dropped, so the frame of the one before is still its own.
            unsafe { change_extended(previous, state) };
        }
        let seat = Seat { state: context.state_mut(), space: PhantomData };
        // SAFETY: the seat borrows the one processor, and the state lives at least as long.
        unsafe { entry::prepare(&raw mut seat.state.registers) };
        Some(seat)
    }

    /// Runs ring 3 until one event.
    pub fn run(&mut self, context: &mut Context, space: &AddressSpace) -> Event {
        self.seat(context, space).map_or(GENERAL_PROTECTION, |mut seat| seat.run())
    }
}

/// A thread that is loaded into the processor.
pub struct Seat<'p> {
    state: &'p mut State,
    space: PhantomData<&'p AddressSpace>,
}

/// What ring 0 would get itself if it returned to an address that is none.
const GENERAL_PROTECTION: Event = Event::Exception { vector: VECTOR_GENERAL_PROTECTION, error_code: 0 };

impl Seat<'_> {
    /// Runs ring 3 until an event.
    pub fn run(&mut self) -> Event {
        self.enter().err().unwrap_or(Event::SystemCall)
    }

    /// Runs ring 3 until a system call.
    ///
    /// # Errors
    /// Another event.
    #[inline(always)] // Around it are the loops of every system call.
    pub fn enter(&mut self) -> Result<(), Event> {
        // Ring 3 comes back from `SYSCALL` to where it was; a first entry may be anywhere.
        if self.state.registers.vector != VECTOR_SYSTEM_CALL && self.state.registers.rip >= USER_END {
            return Err(GENERAL_PROTECTION);
        }
        // SAFETY: selectors and flags in the registers are ring 3's (see `Context::new` and the entry code), the address
        // is in the lower half, the space is loaded and its upper half is the kernel's.
        unsafe { entry::enter(&raw mut self.state.registers) };
        if self.state.registers.vector == VECTOR_SYSTEM_CALL { Ok(()) } else { Err(self.interrupted()) }
    }

    /// The event that was not a system call.
    #[inline(never)]
    fn interrupted(&self) -> Event {
        let registers = &self.state.registers;
        match registers.vector {
            VECTOR_PAGE_FAULT => {
                let address = x86_64::registers::control::Cr2::read_raw();
                Event::PageFault { address, error_code: registers.error_code }
            }
            vector if vector < EXCEPTIONS => {
                Event::Exception { vector: vector as u8, error_code: registers.error_code }
            }
            vector => interrupts::acknowledge(vector as u8),
        }
    }

    /// As [`Context::system_call`].
    #[inline(always)]
    pub fn system_call(&self) -> (u64, [u64; 4]) {
        self.state.registers.system_call()
    }

    /// As [`Context::set_result`].
    #[inline(always)]
    pub fn set_result(&mut self, value: u64) {
        self.state.registers.rax = value;
    }
}

/// Saves the SSE state of the thread that ran before, if it is still there, loads this one's, and clears the segment registers,
/// which ring 3 can load and which would tell one thread about another.
///
/// # Safety
/// Both are in frames of living contexts; the first may be null.
#[inline(always)] // As [`Processor::seat`].
unsafe fn change_extended(previous: *mut State, state: *mut State) {
    LOADED.store(state, Ordering::Relaxed);
    if !previous.is_null() {
        // SAFETY: the caller's promise.
        let area = unsafe { &raw mut (*previous).extended };
        // SAFETY: 512 bytes, aligned to 16.
        unsafe { asm!("fxsave64 [{}]", in(reg) area, options(nostack, preserves_flags)) };
    }
    // SAFETY: the caller's promise.
    let area = unsafe { &raw const (*state).extended };
    // SAFETY: the area was written by `Context::new` or by FXSAVE, so nothing in it is refused; ring 0 is compiled
    // without SSE.
    unsafe { asm!("fxrstor64 [{}]", in(reg) area, options(nostack, preserves_flags, readonly)) };
    // SAFETY: null selectors; ring 0 uses none of these segments in long mode.
    unsafe {
        asm!(
            "mov ds, {0:x}",
            "mov es, {0:x}",
            "mov fs, {0:x}",
            "mov gs, {0:x}",
            in(reg) 0,
            options(nomem, nostack, preserves_flags),
        );
    }
}
