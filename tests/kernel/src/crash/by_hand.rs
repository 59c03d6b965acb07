//! A driver without a driver's library: a queue of the random source, set up register by register.
//!
//! A row of `drive`. It also maps its memory into the address space `keeper` of another process, which sees there what
//! the device writes, also when this process is no more.
//!
//! Invariant: it ends with a request that the device has and has not answered, or with an exit code below [`LEAST`].

extern crate alloc;

use capos_rt::device::Registers;
use capos_rt::schema::device::{Device, DeviceTransport};
use capos_rt::schema::timer::Timer;
use capos_rt::schema::virtual_memory::VirtualMemory;
use capos_rt::{Cap, CapSet, DeviceMemoryInfoReply, hostile};

/// The first number of a page that can be mapped; what is below is an error.
const LEAST: u64 = 0x100;
const PAGE: u64 = 4096;
/// Pages of the memory: the queue's, and one for each request.
const PAGES: u64 = 16;
/// Entries of the queue.
const ENTRIES: u16 = 8;
/// Where the rings are in the queue's page, which starts with the descriptors: virtio 1.2, section 2.7.
const AVAILABLE: u64 = 256;
const USED: u64 = 512;
/// Bytes of a request.
const REQUEST: u64 = 64;
/// A descriptor that the device writes to.
const WRITABLE: u64 = 2;
/// ACKNOWLEDGE, DRIVER; FEATURES_OK; DRIVER_OK: section 2.1.
const KNOWN: u8 = 3;
const AGREED: u8 = 8;
const READY: u8 = 4;
/// How long an answer is waited for, in nanoseconds.
const PATIENCE: u64 = 2_000_000;

struct Driver<'c> {
    registers: Registers<'c>,
    layout: DeviceMemoryInfoReply,
    is_mmio: bool,
    /// The memory, for the device and for the program.
    device_address: u64,
    address: u64,
}

/// The number of the page at which `keeper` has the memory.
pub(crate) fn ask_and_die(capabilities: &CapSet) -> u32 {
    let Some((driver, kept, timer)) = start(capabilities) else { return 1 };
    for index in 0..ENTRIES {
        if driver.request(index).is_none() {
            return 2;
        }
        let Ok(start) = timer.now() else { return 3 };
        while driver.used() == index && timer.now().is_ok_and(|now| now < start + PATIENCE) {}
        if driver.used() == index {
            return (kept / PAGE) as u32;
        }
    }
    // It has answered each at once.
    4
}

fn start(capabilities: &CapSet) -> Option<(Driver<'static>, u64, Cap<Timer>)> {
    let device: Cap<Device> = capabilities.get("device").ok()?;
    let keeper: Cap<VirtualMemory> = capabilities.get("keeper").ok()?;
    let timer: Cap<Timer> = capabilities.get("timer").ok()?;
    // For the rest of the process.
    let memory: &'static Cap<VirtualMemory> =
        alloc::boxed::Box::leak(alloc::boxed::Box::new(capabilities.get("memory").ok()?));
    let is_mmio = device.info().ok()?.transport == DeviceTransport::VirtioMmio;
    let opened = device.open().ok()?;
    let layout = opened.registers.info().ok()?;
    let registers = Registers::map(memory, &opened.registers).ok()?;
    let dma = device.allocate(PAGES * PAGE).ok()?;
    let device_address = dma.info().ok()?.address;
    let (address, kept) = (dma.map(memory).ok()?, dma.map(&keeper).ok()?);
    core::mem::forget((opened, dma, device));
    let driver = Driver { registers, layout, is_mmio, device_address, address };
    driver.set_up()?;
    (kept / PAGE >= LEAST).then_some((driver, kept, timer))
}

impl Driver<'_> {
    fn set_up(&self) -> Option<()> {
        if self.is_mmio { self.set_up_mmio() } else { self.set_up_pci() }
    }

    /// Addresses of the descriptors and of the two rings.
    fn parts(&self) -> [u64; 3] {
        [0, AVAILABLE, USED].map(|offset| self.device_address + offset)
    }

    /// Section 4.2.2.
    fn set_up_mmio(&self) -> Option<()> {
        let write = |register: u64, value: u32| {
            self.registers.write_u32(u64::from(self.layout.registers) + register, value)
        };
        write(0x70, KNOWN.into())?;
        // Version 1 is bit 32 of the features.
        for (half, bits) in [(1, 1), (0, 0)] {
            write(0x24, half)?;
            write(0x20, bits)?;
        }
        write(0x70, (KNOWN | AGREED).into())?;
        write(0x30, 0)?;
        write(0x38, ENTRIES.into())?;
        for (register, address) in [0x80, 0x90, 0xa0].into_iter().zip(self.parts()) {
            write(register, address as u32)?;
            write(register + 4, (address >> 32) as u32)?;
        }
        write(0x44, 1)?;
        write(0x70, (KNOWN | AGREED | READY).into())
    }

    /// Section 4.1.4.3.
    fn set_up_pci(&self) -> Option<()> {
        let start = u64::from(self.layout.registers);
        let registers = &self.registers;
        registers.write_u8(start + 0x14, KNOWN)?;
        for (half, bits) in [(1, 1), (0, 0)] {
            registers.write_u32(start + 8, half)?;
            registers.write_u32(start + 0xc, bits)?;
        }
        registers.write_u8(start + 0x14, KNOWN | AGREED)?;
        registers.write_u16(start + 0x16, 0)?;
        registers.write_u16(start + 0x18, ENTRIES)?;
        for (register, address) in [0x20, 0x28, 0x30].into_iter().zip(self.parts()) {
            registers.write_u32(start + register, address as u32)?;
            registers.write_u32(start + register + 4, (address >> 32) as u32)?;
        }
        registers.write_u16(start + 0x1c, 1)?;
        registers.write_u8(start + 0x14, KNOWN | AGREED | READY)
    }

    /// Gives the device one more request, for a page of its own.
    fn request(&self, index: u16) -> Option<()> {
        let place = u64::from(index);
        let buffer = self.device_address + (1 + place) * PAGE;
        self.store(16 * place, buffer, 8);
        self.store(16 * place + 8, WRITABLE << 32 | REQUEST, 8);
        self.store(AVAILABLE + 4 + 2 * place, place, 2);
        self.store(AVAILABLE + 2, place + 1, 2);
        if self.is_mmio {
            return self.registers.write_u32(u64::from(self.layout.registers) + 0x50, 0);
        }
        let offset = self.registers.read_u16(u64::from(self.layout.registers) + 0x1e)?;
        let notify = u64::from(offset) * u64::from(self.layout.notify_multiplier);
        self.registers.write_u16(u64::from(self.layout.notify) + notify, 0)
    }

    fn store(&self, offset: u64, value: u64, bytes: u64) {
        for byte in 0..bytes {
            hostile::store_byte(self.address + offset + byte, (value >> (8 * byte)) as u8);
        }
    }

    /// Requests that the device has answered; fewer than 256.
    fn used(&self) -> u16 {
        hostile::load(self.address + USED + 2).into()
    }
}
