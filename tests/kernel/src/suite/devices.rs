//! Devices: who may drive one, its registers, and the memory that it is given.
//!
//! Called by `main`; drives the machine's random source itself, as far as that needs no interrupt.
//!
//! Invariant: after each test the device has no driver.

use alloc::string::String;

use capos_rt::abi::error::{Exception, Transport};
use capos_rt::abi::ring::{Opcode, Submission};
use capos_rt::device::Registers;
use capos_rt::schema::device::{Device, DeviceTransport};
use capos_rt::schema::device_memory::DeviceMemory;
use capos_rt::schema::dma_memory::DmaMemory;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, DeviceMemoryInfoReply, DeviceOpenReply, flush, hostile};

use crate::child;
use crate::context::Context;
use crate::harness::{Harness, Outcome, check, done, equal, exception, refused};
use crate::rings::submit;

pub(crate) fn run(harness: &mut Harness<'_>) {
    harness.subject(
        "device",
        &[
            ("it says what it is", says_what_it_is),
            ("its registers answer", registers_answer),
            ("registers outside the mapping are not reached", outside),
            ("it has one driver", one_driver),
            ("the session ends with the last holder of the registers", session_ends),
            ("a session that has ended reaches nothing", stale),
            ("memory before it is opened", memory_before),
            ("memory of no bytes, and of too many", memory_sizes),
            ("memory is zeros in a row", memory_is_zeros),
            ("memory is charged until a reset", memory_charged),
            ("the limit holds for memory", memory_limit),
            ("memory outlives the session for its holder", memory_outlives),
            ("registers are mapped for their driver alone", mapped_for_driver),
            ("the kernel reads and writes no registers for a process", kernel_keeps_off),
            ("revoked registers read as zeros", revoked),
            ("revoked memory reads as zeros", revoked_memory),
            ("methods are rights", methods),
            ("a reset takes away what it was told", reset),
        ],
    );
}

const PAGE: u64 = 4096;
/// The status register, from the start of `registers`.
const MMIO_STATUS: u64 = 0x70;
const PCI_STATUS: u64 = 0x14;
/// ACKNOWLEDGE.
const ACKNOWLEDGED: u8 = 1;

struct Driven<'c> {
    opened: DeviceOpenReply,
    layout: DeviceMemoryInfoReply,
    registers: Registers<'c>,
    is_mmio: bool,
}

fn open(context: &Context) -> Result<Driven<'_>, String> {
    open_by(context, &context.device)
}

fn open_by<'c>(context: &'c Context, device: &Cap<Device>) -> Result<Driven<'c>, String> {
    let is_mmio = done("info", device.info())?.transport == DeviceTransport::VirtioMmio;
    let opened = done("open", device.open())?;
    let layout = done("layout", opened.registers.info())?;
    let registers = done("map", Registers::map(&context.memory, &opened.registers))?;
    Ok(Driven { opened, layout, registers, is_mmio })
}

impl Driven<'_> {
    fn status_place(&self) -> u64 {
        u64::from(self.layout.registers) + if self.is_mmio { MMIO_STATUS } else { PCI_STATUS }
    }

    fn status(&self) -> Option<u32> {
        let place = self.status_place();
        if self.is_mmio {
            self.registers.read_u32(place)
        } else {
            self.registers.read_u8(place).map(u32::from)
        }
    }

    fn set_status(&self, status: u8) -> Option<()> {
        let place = self.status_place();
        if self.is_mmio {
            self.registers.write_u32(place, status.into())
        } else {
            self.registers.write_u8(place, status)
        }
    }
}

fn says_what_it_is(context: &Context) -> Outcome {
    equal("kind", done("info", context.device.info())?.kind, 4)
}

fn registers_answer(context: &Context) -> Outcome {
    let driven = open(context)?;
    let start = u64::from(driven.layout.registers);
    if driven.is_mmio {
        equal("magic", driven.registers.read_u32(start), Some(u32::from_le_bytes(*b"virt")))?;
        equal("device", driven.registers.read_u32(start + 8), Some(4))?;
        equal("bytes", driven.layout.bytes, PAGE)?;
    } else {
        equal("queues", driven.registers.read_u16(start + 0x12), Some(1))?;
    }
    equal("status", driven.status(), Some(0))?;
    equal("write", driven.set_status(ACKNOWLEDGED), Some(()))?;
    equal("status", driven.status(), Some(ACKNOWLEDGED.into()))
}

fn outside(context: &Context) -> Outcome {
    let driven = open(context)?;
    let end = driven.registers.bytes();
    equal("the last", driven.registers.read_u32(end - 4).is_some(), true)?;
    equal("behind", driven.registers.read_u8(end), None)?;
    equal("half behind", driven.registers.read_u32(end - 2), None)?;
    equal("wrapping", driven.registers.read_u32(u64::MAX - 1), None)?;
    equal("not aligned", driven.registers.read_u32(2), None)?;
    equal("write", driven.registers.write_u16(end, 1), None)
}

fn one_driver(context: &Context) -> Outcome {
    let driven = open(context)?;
    exception("open again", context.device.open().map(drop), Exception::Failed)?;
    let other = child::create(context, "open what is driven")?;
    grant_device(context, &other)?;
    done("start", other.process.start())?;
    equal("another process", child::end(&child::wait(&other)?), ("exited", 0))?;
    equal("status", driven.status(), Some(0))
}

/// Grants what the ways to drive need.
pub(crate) fn grant_device(context: &Context, child: &child::Child) -> Outcome {
    child::grant(child, "device", &context.device, Device::ALL_METHODS)?;
    child::grant(child, "memory", &child.memory, VirtualMemory::ALL_METHODS)?;
    child::grant(child, "timer", &context.timer, capos_rt::schema::timer::Timer::ALL_METHODS)
}

fn session_ends(context: &Context) -> Outcome {
    let driven = open(context)?;
    driven.set_status(ACKNOWLEDGED);
    let Driven { opened, registers, .. } = driven;
    let second = done("derive", opened.registers.derive(DeviceMemory::ALL_METHODS))?;
    drop(opened);
    flush();
    exception("a mapping and a capability are left", context.device.open().map(drop), Exception::Failed)?;
    drop(registers);
    exception("a capability is left", context.device.open().map(drop), Exception::Failed)?;
    drop(second);
    let driven = open(context)?;
    equal("status", driven.status(), Some(0))
}

fn stale(context: &Context) -> Outcome {
    let opened = done("open", context.device.open())?;
    let interrupt = opened.interrupt;
    let wait = done("begin", interrupt.begin_wait())?;
    flush();
    drop(opened.registers);
    flush();
    refused("the wait", wait.wait(), Transport::Disconnected)?;
    let again = open(context)?;
    refused("wait", interrupt.wait(), Transport::Disconnected)?;
    refused("acknowledge", interrupt.acknowledge(), Transport::Disconnected)?;
    let notification = done("create", context.spawner.create_notification())?;
    refused("bind", interrupt.bind(&notification, 1), Transport::Disconnected)?;
    done("acknowledge the new one", again.opened.interrupt.acknowledge())
}

fn memory_before(context: &Context) -> Outcome {
    exception("allocate", context.device.allocate(PAGE).map(drop), Exception::Failed)?;
    exception("reset", context.device.reset(), Exception::Failed)
}

fn memory_sizes(context: &Context) -> Outcome {
    let _driven = open(context)?;
    for bytes in [0, 256 * 1024 + 1, u64::MAX] {
        exception("allocate", context.device.allocate(bytes).map(drop), Exception::InvalidArgument)?;
    }
    let least = done("allocate", context.device.allocate(1))?;
    equal("bytes", done("info", least.info())?.bytes, PAGE)?;
    let most = done("allocate", context.device.allocate(256 * 1024))?;
    equal("bytes", done("info", most.info())?.bytes, 256 * 1024)
}

fn memory_is_zeros(context: &Context) -> Outcome {
    let _driven = open(context)?;
    let memory = done("allocate", context.device.allocate(3 * PAGE))?;
    let info = done("info", memory.info())?;
    check(info.address != 0 && info.address.is_multiple_of(PAGE), "the device's address")?;
    let address = done("map", memory.map(&context.memory))?;
    for byte in (0..3 * PAGE).step_by(512) {
        equal("byte", hostile::load(address + byte), 0)?;
        hostile::store_byte(address + byte, 0x5a);
        equal("byte", hostile::load(address + byte), 0x5a)?;
    }
    done("unmap", context.memory.unmap(address, 3 * PAGE))
}

fn used(context: &Context) -> Result<u64, String> {
    done("usage", context.memory.usage()).map(|usage| usage.committed)
}

fn memory_charged(context: &Context) -> Outcome {
    let driven = open(context)?;
    let before = used(context)?;
    let memory = done("allocate", context.device.allocate(8 * PAGE))?;
    let first = done("info", memory.info())?.address;
    check(used(context)? >= before + 8 * PAGE, "it was not charged")?;
    drop(memory);
    flush();
    check(used(context)? >= before + 8 * PAGE, "it was free while the device could reach it")?;
    let other = done("allocate", context.device.allocate(8 * PAGE))?;
    check(done("info", other.info())?.address != first, "it was given out while the device could reach it")?;
    drop(other);
    done("reset", context.device.reset())?;
    equal("used", used(context)?, before)?;
    drop(driven);
    Ok(())
}

fn memory_limit(context: &Context) -> Outcome {
    let _driven = open(context)?;
    let usage = done("usage", context.memory.usage())?;
    let left = (usage.limit - usage.committed) / PAGE;
    let object = done("create", context.memory.create_object((left - 70) * PAGE))?;
    let mut kept = alloc::vec::Vec::new();
    loop {
        match context.device.allocate(256 * 1024) {
            Ok(memory) => kept.push(memory),
            Err(error) => {
                drop(object);
                return refused("allocate", Err::<(), _>(error), Transport::LimitReached);
            }
        }
        check(kept.len() < 3, "more than the limit")?;
    }
}

fn memory_outlives(context: &Context) -> Outcome {
    let driven = open(context)?;
    let memory = done("allocate", context.device.allocate(PAGE))?;
    let address = done("map", memory.map(&context.memory))?;
    hostile::store_byte(address, 9);
    drop(driven);
    flush();
    equal("byte", hostile::load(address), 9)?;
    let again = open(context)?;
    let other = done("allocate", context.device.allocate(PAGE))?;
    check(
        done("info", other.info())?.address != done("info", memory.info())?.address,
        "it was given out while somebody held it",
    )?;
    done("unmap", context.memory.unmap(address, PAGE))?;
    drop(again);
    Ok(())
}

fn mapped_for_driver(context: &Context) -> Outcome {
    let driven = open(context)?;
    let other = child::create(context, "exit 0")?;
    exception("map", driven.opened.registers.map(&other.memory), Exception::Failed)?;
    let lent = done("derive", context.memory.derive(1 << VirtualMemory::USAGE))?;
    refused("map", driven.opened.registers.map(&lent), Transport::MethodDenied)?;
    done("start", other.process.start())?;
    equal("end", child::end(&child::wait(&other)?), ("exited", 0))
}

fn kernel_keeps_off(context: &Context) -> Outcome {
    let driven = open(context)?;
    let address = done("map", driven.opened.registers.map(&context.memory))?;
    let _ = hostile::load(address);
    let park = Submission { address, operand: 0, ..Submission::new(Opcode::Park, 3) };
    equal("park", submit(&park.encode()).result, Transport::BadAddress.result())?;
    done("unmap", context.memory.unmap(address, driven.layout.bytes))
}

fn revoked(context: &Context) -> Outcome {
    let device = done("derive", context.device.derive(Device::ALL_METHODS))?;
    let driven = open_by(context, &device)?;
    equal("set", driven.set_status(ACKNOWLEDGED), Some(()))?;
    equal("status", driven.status(), Some(ACKNOWLEDGED.into()))?;
    done("revoke", context.device.revoke())?;
    equal("status", driven.status(), Some(0))?;
    driven.set_status(ACKNOWLEDGED | 2);
    refused("info", driven.opened.registers.info().map(drop), Transport::Revoked)?;
    refused("acknowledge", driven.opened.interrupt.acknowledge(), Transport::Revoked)?;
    drop(driven);
    let again = open(context)?;
    equal("what was written did not reach it", again.status(), Some(0))
}

fn revoked_memory(context: &Context) -> Outcome {
    let _driven = open(context)?;
    let memory = done("allocate", context.device.allocate(2 * PAGE))?;
    let lent = done("derive", memory.derive(DmaMemory::ALL_METHODS))?;
    let address = done("map", lent.map(&context.memory))?;
    hostile::store_byte(address, 7);
    done("revoke", memory.revoke())?;
    equal("byte", hostile::load(address), 0)?;
    hostile::store_byte(address, 8);
    let mine = done("map", memory.map(&context.memory))?;
    equal("its bytes", hostile::load(mine), 7)?;
    done("unmap", context.memory.unmap(mine, 2 * PAGE))?;
    done("unmap", context.memory.unmap(address, 2 * PAGE))
}

fn methods(context: &Context) -> Outcome {
    let looks = done("derive", context.device.derive(1 << Device::INFO))?;
    done("info", looks.info())?;
    refused("open", looks.open().map(drop), Transport::MethodDenied)?;
    refused("allocate", looks.allocate(PAGE).map(drop), Transport::MethodDenied)?;
    refused("reset", looks.reset(), Transport::MethodDenied)?;
    let driven = open(context)?;
    let looks = done("derive", driven.opened.registers.derive(1 << DeviceMemory::INFO))?;
    refused("map", looks.map(&context.memory), Transport::MethodDenied)
}

fn reset(context: &Context) -> Outcome {
    let driven = open(context)?;
    equal("set", driven.set_status(ACKNOWLEDGED), Some(()))?;
    done("reset", context.device.reset())?;
    equal("status", driven.status(), Some(0))
}
