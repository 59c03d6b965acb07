//! Programs that crash: each ends alone, with the right report, and the suite goes on.
//!
//! Called by `main`; starts `crash` once for each row.
//!
//! Invariant: every forbidden instruction of the runtime's table has a row.

use alloc::format;

use capos_rt::hostile::Forbidden;

use crate::child;
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, equal};

const DIVIDE: u8 = 0;
const DEBUG: u8 = 1;
const BREAKPOINT: u8 = 3;
const ILLEGAL: u8 = 6;
const STACK: u8 = 12;
const PROTECTION: u8 = 13;
const PAGE: u8 = 14;
const FLOAT: u8 = 16;

/// What a page fault's error code says, bit by bit.
const PRESENT: u32 = 1;
const WRITE: u32 = 2;
const USER: u32 = 4;
const FETCH: u32 = 16;

/// Page faults: way, error code without the bit that says whether a page was there, address if it is known.
const PAGE_FAULTS: &[(&str, u32, Option<u64>)] = &[
    ("read null", USER, Some(0)),
    ("write null", USER | WRITE, Some(8)),
    ("read kernel", USER, Some(0xffff_8000_0000_0000)),
    ("write kernel", USER | WRITE, Some(0xffff_8000_0000_0000)),
    ("read last page", USER, Some(0x7fff_ffff_f000)),
    ("write code", USER | WRITE, None),
    ("write constant", USER | WRITE, None),
    ("write capset", USER | WRITE, None),
    ("jump to null", USER | FETCH, Some(0)),
    ("jump to constant", USER | FETCH, None),
    ("jump to stack", USER | FETCH, None),
    ("jump to ring", USER | FETCH, None),
    ("jump to kernel", USER | FETCH, Some(0xffff_8000_0000_0000)),
    ("overflow stack", USER | WRITE, None),
];

/// Faults with another vector.
const FAULTS: &[(&str, u8)] = &[("read not canonical", PROTECTION), ("jump to not canonical", PROTECTION)];

/// The vectors that an instruction may end with.
fn vectors(instruction: Forbidden) -> &'static [u8] {
    match instruction {
        Forbidden::Illegal | Forbidden::SystemReturn => &[ILLEGAL, PROTECTION],
        Forbidden::SystemEnter => &[ILLEGAL, PROTECTION],
        Forbidden::DivideByZero | Forbidden::DivideOverflow => &[DIVIDE],
        Forbidden::SingleStep | Forbidden::SingleStepCall => &[DEBUG],
        Forbidden::Breakpoint => &[BREAKPOINT],
        Forbidden::FloatException => &[FLOAT],
        // QEMU's translator reads the stack for it as ring 0 would, which SMAP refuses with a page fault.
        Forbidden::KernelSegment => &[PROTECTION, PAGE],
        Forbidden::KernelStack => &[PROTECTION, STACK],
        _ => &[PROTECTION],
    }
}

pub(crate) fn run(harness: &mut Harness<'_>) {
    for (way, error_code, address) in PAGE_FAULTS {
        harness.count("crash", way, page_fault(harness.context, way, *error_code, *address));
    }
    for (way, vector) in FAULTS {
        harness.count("crash", way, fault(harness.context, way, &[*vector]));
    }
    for (instruction, word) in Forbidden::ALL {
        harness.count("crash", word, fault(harness.context, word, vectors(*instruction)));
    }
    harness.subject(
        "crash",
        &[
            ("unknown system call numbers", unknown_system_calls),
            ("a panic is reported with its place", panic),
            ("the suite is still alive", alive),
        ],
    );
}

fn page_fault(context: &Context, way: &str, error_code: u32, address: Option<u64>) -> Outcome {
    let reply = child::run(context, way)?;
    equal("end", child::end(&reply).0, "fault")?;
    equal("vector", reply.fault.vector, PAGE)?;
    equal("error code", reply.fault.error_code & !PRESENT, error_code)?;
    if let Some(address) = address {
        equal("address", reply.fault.address, address)?;
    }
    check(reply.fault.instruction_pointer != 0 || way.ends_with("null"), "no instruction pointer")
}

fn fault(context: &Context, way: &str, vectors: &[u8]) -> Outcome {
    let reply = child::run(context, way)?;
    equal("end", child::end(&reply).0, "fault")?;
    check(
        vectors.contains(&reply.fault.vector),
        &format!("vector {}, expected one of {vectors:?}", reply.fault.vector),
    )?;
    check(reply.fault.address == 0 || reply.fault.vector == PAGE, "an address without a page fault")
}

fn unknown_system_calls(context: &Context) -> Outcome {
    for way in ["system call 2", "system call -1"] {
        let reply = child::run(context, way)?;
        equal(way, child::end(&reply).0, "fault")?;
    }
    Ok(())
}

fn panic(context: &Context) -> Outcome {
    let reply = child::run(context, "panic")?;
    equal("end", child::end(&reply), ("internal", 0))?;
    check(
        reply.report.contains("on purpose") && reply.report.contains("ways.rs"),
        &format!("the report is {:?}", reply.report),
    )
}

fn alive(context: &Context) -> Outcome {
    equal("end", child::end(&child::run(context, "exit 42")?), ("exited", 42))
}
