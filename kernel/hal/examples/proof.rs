//! The hardware layer against the machine: a kernel that runs small programs in ring 3 and checks what comes back.
//!
//! Built for the kernel's target and booted in QEMU by `tests/runner`, in the kernel's place; ends the machine with `EXIT_FINISHED` if every check
//! held, else with a panic.
#![no_std]
#![no_main]
#![feature(vec_push_within_capacity)]

extern crate alloc;

use alloc::vec::Vec;
use capos_abi::host::{EXIT_FINISHED, MACHINE_LINE};
use capos_abi::outcome::OutcomeKind;
use capos_kernel_hal::devices::Device;
use capos_kernel_hal::frames::{self, Frame, FrameError, OutOfMemory, Pinned, SharedFrame};
use capos_kernel_hal::paging::{Access, AddressSpace, BadAddress, MapError};
use capos_kernel_hal::user::{Context, Event, Processor};
use capos_kernel_hal::{Hardware, cpu, debug, entropy, power};
use core::arch::global_asm;
use core::fmt::Write;

capos_kernel_hal::entry!(kernel_main);

/// Kinds of devices, by their numbers in the virtio specification.
const CONSOLE: u32 = 3;
const ENTROPY: u32 = 4;

const CODE: u64 = 0x20_0000;
const DATA: u64 = 0x40_0000;
const STACK: u64 = 0x7fff_ffff_e000;

global_asm!(
    ".pushsection .rodata.programs, \"a\"",
    ".balign 4096",
    "programs:",
    "program_calls:",
    "    mov eax, 5",
    "    mov ebx, 0x1234",
    "    mov r10d, 4",
    "    syscall",
    "    mov rdi, rax",
    "    mov rsi, rbx",
    "    mov rdx, rsp",
    "    mov eax, 6",
    "    syscall",
    "    mov r15, 77",
    "3:  inc rcx",
    "    cmp dword ptr [0x400000], 0",
    "    je 3b",
    "    mov rdi, r15",
    "    mov eax, 7",
    "    syscall",
    "4:  syscall",
    "    jmp 4b",
    "program_null:",
    "    mov dword ptr [0], 1",
    "program_kernel:",
    "    mov rax, 0xffff800000100000",
    "    mov rax, [rax]",
    "program_code_write:",
    "    mov dword ptr [0x200000], 1",
    "program_data_jump:",
    "    mov eax, 0x400000",
    "    jmp rax",
    "program_disable_interrupts:",
    "    cli",
    "program_undefined:",
    "    ud2",
    "program_divide:",
    "    xor edx, edx",
    "    xor ecx, ecx",
    "    div ecx",
    "program_breakpoint:",
    "    int3",
    "program_time:",
    "    rdtsc",
    "    mov eax, 8",
    "    syscall",
    "program_store_descriptors:",
    "    sgdt [0x400000]",
    "program_interrupt:",
    "    int 0x80",
    "program_nmi_gate:",
    "    int 2",
    "program_noncanonical:",
    "    mov rax, 0x800000000000",
    "    jmp rax",
    "program_noncanonical_stack:",
    "    mov rsp, 0x900000000000",
    "    push rax",
    "program_flags:",
    // Trap, direction, nested task, alignment check.
    "    pushfq",
    "    or qword ptr [rsp], 0x44400",
    "    popfq",
    "    mov eax, 9",
    "    syscall",
    "    pushfq",
    "    pop rdi",
    "    mov eax, 10",
    "    syscall",
    "program_trap:",
    "    pushfq",
    "    or qword ptr [rsp], 0x100",
    "    popfq",
    "    nop",
    "    syscall",
    "program_vectors:",
    "    movq xmm7, rdi",
    "    mov eax, 11",
    "    syscall",
    "    movq rdi, xmm7",
    "    stmxcsr [0x400000]",
    "    mov esi, [0x400000]",
    "    mov eax, 12",
    "    syscall",
    "programs_end:",
    ".popsection",
);

macro_rules! programs {
    ($($name:ident),* $(,)?) => { unsafe extern "C" { $(static $name: u8;)* } };
}

programs!(
    programs,
    program_calls,
    program_null,
    program_kernel,
    program_code_write,
    program_data_jump,
    program_disable_interrupts,
    program_undefined,
    program_divide,
    program_breakpoint,
    program_time,
    program_store_descriptors,
    program_interrupt,
    program_nmi_gate,
    program_noncanonical,
    program_noncanonical_stack,
    program_flags,
    program_trap,
    program_vectors,
    programs_end,
);

/// Where a program starts in ring 3.
fn at(program: *const u8) -> u64 {
    CODE + (program as u64 - &raw const programs as u64)
}

fn log(arguments: core::fmt::Arguments<'_>) {
    let _ = writeln!(debug::Writer, "[proof] {arguments}");
}

/// A space with the programs, a page of data and a stack.
fn space() -> AddressSpace {
    let length = &raw const programs_end as usize - &raw const programs as usize;
    // SAFETY: the bytes between the two labels.
    let bytes = unsafe { core::slice::from_raw_parts(&raw const programs, length) };
    let mut code = Frame::new().unwrap();
    code.bytes_mut()[..length].copy_from_slice(bytes);
    let mut space = AddressSpace::new().unwrap();
    space.map(CODE, code.share(), Access::Execute).unwrap();
    space.map(DATA, Frame::new().unwrap().share(), Access::ReadWrite).unwrap();
    space.map(STACK, Frame::new().unwrap().share(), Access::ReadWrite).unwrap();
    space
}

fn context(program: *const u8, argument: u64) -> Context {
    Context::new(at(program), STACK + 0xff8, [argument, 0, 0]).unwrap()
}

fn first_event(processor: &mut Processor, program: *const u8) -> Event {
    processor.run(&mut context(program, 0), &space())
}

fn check_calls(hardware: &mut Hardware) {
    let processor = &mut hardware.processor;
    let space = space();
    let mut context = context(&raw const program_calls, 1);
    assert_eq!(processor.run(&mut context, &space), Event::SystemCall);
    assert_eq!(context.system_call(), (5, [1, 0, 0, 4]));
    context.set_result(99);
    assert_eq!(processor.run(&mut context, &space), Event::SystemCall);
    assert_eq!(context.system_call(), (6, [99, 0x1234, STACK + 0xff8, 4]));
    let start = hardware.clock.now();
    hardware.clock.set_alarm(Some(start + 1_000_000));
    assert_eq!(processor.run(&mut context, &space), Event::Timer);
    let late = hardware.clock.now() - start;
    assert!((1_000_000..50_000_000).contains(&late), "the alarm came after {late} ns");
    assert_eq!((context.cpl(), context.system_call().0), (3, 6));
    space.copy_out(DATA, &1u32.to_le_bytes()).unwrap();
    assert_eq!(processor.run(&mut context, &space), Event::SystemCall);
    assert_eq!(context.system_call(), (7, [77, 0x1234, STACK + 0xff8, 4]));
    let _ = processor.run(&mut context, &space);
    let rounds = 1000;
    let start = hardware.clock.now();
    for _ in 0..rounds {
        assert_eq!(processor.run(&mut context, &space), Event::SystemCall);
    }
    log(format_args!(
        "a system call: {} ns (with -icount: instructions)",
        (hardware.clock.now() - start) / rounds
    ));
}

fn check_faults(processor: &mut Processor) {
    let fault = |address, error_code| Event::PageFault { address, error_code };
    let exception = |vector, error_code| Event::Exception { vector, error_code };
    assert_eq!(first_event(processor, &raw const program_null), fault(0, 6));
    assert_eq!(first_event(processor, &raw const program_kernel), fault(0xffff_8000_0010_0000, 5));
    assert_eq!(first_event(processor, &raw const program_code_write), fault(CODE, 7));
    assert_eq!(first_event(processor, &raw const program_data_jump), fault(DATA, 0x15));
    assert_eq!(first_event(processor, &raw const program_disable_interrupts), exception(13, 0));
    assert_eq!(first_event(processor, &raw const program_undefined), exception(6, 0));
    assert_eq!(first_event(processor, &raw const program_divide), exception(0, 0));
    assert_eq!(first_event(processor, &raw const program_breakpoint), exception(3, 0));
    assert_eq!(first_event(processor, &raw const program_time), exception(13, 0));
    // The error code names the gate, by a number that QEMU and processors multiply differently.
    for program in [&raw const program_interrupt, &raw const program_nmi_gate] {
        assert!(matches!(first_event(processor, program), Event::Exception { vector: 13, .. }));
    }
    assert_eq!(first_event(processor, &raw const program_noncanonical), exception(13, 0));
    // A stack fault on a processor, a general-protection fault in QEMU's emulation.
    let event = first_event(processor, &raw const program_noncanonical_stack);
    assert!(event == exception(12, 0) || event == exception(13, 0));
    assert_eq!(first_event(processor, &raw const program_trap), exception(1, 0));
    if cpu::features().umip {
        assert_eq!(first_event(processor, &raw const program_store_descriptors), exception(13, 0));
    }
    let mut clocked = space();
    clocked.set_time_stamp_access(true);
    assert_eq!(processor.run(&mut context(&raw const program_time, 0), &clocked), Event::SystemCall);
    assert_eq!(first_event(processor, &raw const program_time), exception(13, 0));
    let mut outside = Context::new(0x8000_0000_0000, 0, [0; 3]).unwrap();
    assert_eq!(processor.run(&mut outside, &clocked), exception(13, 0));
}

fn check_flags(processor: &mut Processor) {
    let space = space();
    let mut context = context(&raw const program_flags, 0);
    assert_eq!(processor.run(&mut context, &space), Event::SystemCall);
    assert_eq!(processor.run(&mut context, &space), Event::SystemCall);
    let (number, [flags, ..]) = context.system_call();
    assert_eq!((number, flags & 0x44400), (10, 0x44400), "ring 3's flags are its own");
}

fn check_vectors(processor: &mut Processor) {
    let (first_space, second_space) = (space(), space());
    let mut first = context(&raw const program_vectors, 111);
    let mut second = context(&raw const program_vectors, 222);
    assert_eq!(processor.run(&mut first, &first_space), Event::SystemCall);
    assert_eq!(processor.run(&mut second, &second_space), Event::SystemCall);
    drop(context(&raw const program_vectors, 333));
    assert_eq!(processor.run(&mut first, &first_space), Event::SystemCall);
    assert_eq!(first.system_call(), (12, [111, 0x1f80, 0, 0]));
    drop(first);
    assert_eq!(processor.run(&mut second, &second_space), Event::SystemCall);
    assert_eq!(second.system_call(), (12, [222, 0x1f80, 0, 0]));
}

fn check_frames() {
    let shared = || Frame::new().unwrap().share();
    let mut space = AddressSpace::new().unwrap();
    let frame = shared();
    space.map(DATA, frame.clone(), Access::ReadWrite).unwrap();
    assert_eq!(space.map(CODE, frame.clone(), Access::Execute), Err(MapError::WriteOrExecute));
    assert_eq!(space.protect(DATA, Access::Execute), Ok(()));
    assert_eq!(space.map(CODE, frame.clone(), Access::ReadWrite), Err(MapError::WriteOrExecute));
    assert_eq!(frame.write(0, &[1]), Err(FrameError::ReadOnly));
    assert_eq!(space.protect(DATA, Access::ReadWrite), Ok(()));
    assert_eq!(frame.write(4095, &[1, 2]), Err(FrameError::OutOfBounds));
    assert_eq!(space.map(DATA, shared(), Access::Read), Err(MapError::Occupied));
    for page in [0, 0x1001, 0x7fff_ffff_f000, 0x8000_0000_0000, 0xffff_8000_0000_0000, !4095] {
        assert_eq!(space.map(page, shared(), Access::Read), Err(MapError::BadAddress));
        assert!(space.lookup(page).is_none() && space.unmap(page).is_none());
    }
    space.map(DATA + 4096, shared(), Access::Read).unwrap();
    let text: [u8; 100] = core::array::from_fn(|index| index as u8);
    assert_eq!(space.copy_out(DATA + 4000, &text), Err(BadAddress(DATA + 4096)));
    assert_eq!(space.protect(DATA + 4096, Access::ReadWrite), Ok(()));
    assert_eq!(space.copy_out(DATA + 4000, &text), Ok(()));
    let mut read = [0; 100];
    assert_eq!(space.copy_in(DATA + 4000, &mut read), Ok(()));
    assert_eq!(read, text);
    assert_eq!(space.copy_in(DATA + 8191, &mut read), Err(BadAddress(DATA + 8192)));
    assert_eq!(space.copy_in(u64::MAX - 3, &mut read), Err(BadAddress(u64::MAX - 3)));
    assert_eq!((frame.owners(), frame.writable_mappings(), frame.executable_mappings()), (2, 1, 0));
    drop(space.unmap(DATA));
    let frame = frame.into_frame().unwrap();
    assert_eq!(frame.bytes()[4000..], text[..96]);
    frames::fail_allocation(Some(2));
    assert!(Frame::new().is_ok());
    assert_eq!(Frame::new().map(drop), Err(OutOfMemory));
    assert!(Frame::new().is_ok());
    while !space.tear_down(7) {}
    assert_eq!(space.table_frames(), 0);
}

/// What is pinned stays writable for ring 0, and is found by record and by byte.
fn check_pinned() {
    let frames = || vec_of([Frame::new().unwrap().share(), Frame::new().unwrap().share()]);
    let pinned = Pinned::new(frames()).unwrap();
    assert_eq!(pinned.frames()[1].writable_mappings(), 1);
    let mut space = AddressSpace::new().unwrap();
    assert_eq!(space.map(CODE, pinned.frames()[1].clone(), Access::Execute), Err(MapError::WriteOrExecute));
    pinned.store::<128>(7);
    assert!(pinned.write_record(64, &[1, 2, 3, 4, 5, 6, 7, 8]) && !pinned.write_record(128, &[0; 8]));
    assert_eq!((pinned.load::<128>(), pinned.read_record(256)), (7, Some([1, 2])));
    assert_eq!((pinned.read_record::<8>(128), pinned.read_part::<8, 5, 3>(64)), (None, Some([6, 7, 8])));
    assert!(pinned.write_words(8176, &[8, 9]) && !pinned.write_words(8184, &[0, 0]));
    assert!(!pinned.write_words(4, &[0]) && !pinned.write_words(4088, &[0, 0]));
    assert_eq!(pinned.read_record(511), Some([8, 9]));
    check_pinned_copy(&pinned);
    drop(pinned);
    let executable = Frame::new().unwrap().share();
    space.map(CODE, executable.clone(), Access::Execute).unwrap();
    let mixed = vec_of([Frame::new().unwrap().share(), executable]);
    assert_eq!(Pinned::new(mixed).map(drop), Err(FrameError::ReadOnly));
    assert_eq!(Pinned::new(Vec::new()).map(drop), Err(FrameError::OutOfBounds));
}

/// Bytes go from one pinned memory to another, across the ends of frames on both sides, and not past the end of either.
fn check_pinned_copy(to: &Pinned) {
    let from = Pinned::new(vec_of([Frame::new().unwrap().share(), Frame::new().unwrap().share()])).unwrap();
    assert!(from.write_words(4080, &[1, 2]) && from.write_words(4096, &[3, 4]));
    assert!(to.write_words(4072, &[9, 9, 9]) && to.write_words(4096, &[9, 9]));
    assert!(to.copy_from(4087, &from, 4080, 25));
    assert_eq!(to.read_record(510), Some([9 | 1 << 56]));
    assert_eq!(to.read_record(256), Some([3 << 56, 4 << 56]));
    assert!(to.copy_from(8191, &from, 0, 1) && to.copy_from(9000, &from, 9000, 0));
    assert!(!to.copy_from(8191, &from, 0, 2) && !to.copy_from(0, &from, 8185, 8));
    assert!(!to.copy_from(usize::MAX, &from, 0, 8) && !to.copy_from(0, &from, usize::MAX - 3, 8));
}

fn vec_of(frames: [SharedFrame; 2]) -> Vec<SharedFrame> {
    let mut vector = Vec::new();
    vector.try_reserve(2).unwrap();
    for frame in frames {
        vector.push_within_capacity(frame).unwrap();
    }
    vector
}

fn check_memory_comes_back(processor: &mut Processor) {
    let before = frames::free_count();
    check_frames();
    check_pinned();
    check_flags(processor);
    check_vectors(processor);
    check_faults(processor);
    assert_eq!(frames::free_count(), before, "frames leaked");
    let mut taken: Option<SharedFrame> = None;
    let mut count = 0;
    // All memory, each frame naming the one before it.
    while let Ok(mut frame) = Frame::new() {
        assert!(frame.bytes().iter().all(|byte| *byte == 0), "a frame shows old bytes");
        frame.bytes_mut().fill(0xa5);
        count += 1;
        if count > 64 {
            break;
        }
        taken = Some(frame.share());
    }
    drop(taken);
    assert_eq!(frames::free_count(), before);
}

fn check_image(hardware: &Hardware) {
    let bytes = hardware.ramdisk.bytes();
    capos_abi::image::Image::parse(bytes)
        .unwrap()
        .verify("kernel")
        .expect("the image is as the boot stage found it");
    let frame = hardware.ramdisk.frame(0).unwrap();
    let mut head = [0; 8];
    frame.read(0, &mut head).unwrap();
    assert_eq!(head, bytes[..8]);
    assert_eq!(frame.write(0, &[0]), Err(FrameError::ReadOnly));
    let mut space = AddressSpace::new().unwrap();
    assert_eq!(space.map(CODE, frame.clone(), Access::ReadWrite), Err(MapError::WriteOrExecute));
    space.map(CODE, frame.clone(), Access::Execute).unwrap();
    assert_eq!(frame.executable_mappings(), 1);
    drop(space);
    assert_eq!(frame.executable_mappings(), 0);
    assert!(frame.into_frame().is_err());
    assert!(hardware.ramdisk.frame(bytes.len().div_ceil(4096)).is_none());
}

/// What the machine has is found, and nothing was given out yet.
fn check_devices(hardware: &Hardware) {
    for kind in [CONSOLE, ENTROPY] {
        assert!(hardware.devices.iter().any(|device| device.kind() == kind), "no device of kind {kind}");
    }
    check_places(&hardware.devices);
}

/// No page of registers is that of two devices.
fn check_places(devices: &[Device]) {
    for (index, one) in devices.iter().enumerate() {
        assert_eq!((one.page(0).is_some(), one.page(one.pages())), (true, None));
        for other in &devices[index + 1..] {
            for page in (0..one.pages()).filter_map(|index| one.page(index)) {
                let is_shared = (0..other.pages()).any(|index| other.page(index) == Some(page));
                assert!(!is_shared, "{one:?} and {other:?}");
            }
        }
    }
}

/// Tells the host command that all went well, as a kernel does whose console has no driver.
fn tell_outcome() {
    let word = OutcomeKind::Exited.word();
    let _ = writeln!(debug::Writer, "[kernel] {MACHINE_LINE}{word}(0) by process \"proof\": ");
}

fn check_idle(hardware: &mut Hardware) {
    let start = hardware.clock.now();
    hardware.clock.set_alarm(Some(start + 2_000_000));
    while hardware.clock.now() < start + 2_000_000 {
        assert_eq!(cpu::idle(), Event::Timer);
    }
    hardware.clock.set_alarm(Some(start));
    assert_eq!(cpu::idle(), Event::Timer);
    // In ticks of the timer, in coarse ones, and longer than it counts: then it goes off in between, and is set again.
    for (length, alarms) in [(900_000_000, 1), (1_200_000_000, 1), (119_000_000_000, 1), (130_000_000_000, 2)]
    {
        let deadline = hardware.clock.now() + length;
        let mut count = 0;
        while hardware.clock.now() < deadline {
            hardware.clock.set_alarm(Some(deadline));
            assert_eq!(cpu::idle(), Event::Timer);
            count += 1;
        }
        assert_eq!(count, alarms, "of {length} ns");
        let late = hardware.clock.now() - deadline;
        assert!(late < 10_000, "{late} ns behind one of {length} ns");
    }
    let deadline = hardware.clock.now();
    hardware.clock.set_alarm(Some(deadline));
    hardware.clock.set_alarm(None);
}

fn kernel_main(mut hardware: Hardware) -> ! {
    log(format_args!("started at {} ns, {} frames free", hardware.clock.now(), frames::free_count()));
    log(format_args!(
        "TSC {} Hz, {}; {:?}",
        hardware.clock.time_stamp_frequency(),
        hardware.clock.calibration(),
        cpu::features()
    ));
    check_image(&hardware);
    check_memory_comes_back(&mut hardware.processor);
    check_calls(&mut hardware);
    check_idle(&mut hardware);
    check_devices(&hardware);
    assert_ne!(entropy::rdrand(), entropy::rdrand());
    log(format_args!("everything held, at {} ns", hardware.clock.now()));
    tell_outcome();
    power::exit(EXIT_FINISHED)
}
