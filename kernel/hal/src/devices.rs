//! Devices that processes drive: found at start-up, given out page by page, reset before what they reached is reused.
//!
//! The start-up code looks for them; the kernel gets them in [`crate::Hardware`]. The registers that ring 0 touches itself are
//! those of the reset and of the interrupt; everything else is the driver's.
//!
//! Invariant: frames that a device was given are free again only when it has been reset since; the pages of registers that
//! are given out hold no other device's, no interrupt table's, and no RAM.

mod lines;
mod mmio;
pub(crate) mod pci;

use crate::PAGE_BYTES;
use crate::frames::{OutOfMemory, Row};
use crate::paging;
use alloc::vec::Vec;
pub(crate) use lines::acknowledge;

/// Devices at most: each has an interrupt line of its own.
pub const DEVICES_MAX: usize = 16;
/// Frames of one [`DmaFrames`] at most: what is zeroed in one go.
pub const DMA_FRAMES_MAX: u32 = 64;
/// Device registers are above all RAM that is mapped below 4 GiB on the machines that this kernel runs on.
const LOWEST_ADDRESS: u64 = 0xc000_0000;
/// And below the end of what the direct map surely has.
const ADDRESS_END: u64 = 1 << 32;
/// How often the status is read until a reset has to be over.
const RESET_READS: u32 = 1000;

/// Where things are in a device's registers, in bytes from the start of the first page; virtio 1.2, sections 4.1.4 and 4.2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// The registers over MMIO, the common configuration structure over PCI.
    pub registers: u32,
    /// The notification structure; over PCI alone.
    pub notify: u32,
    /// Its bytes.
    pub notify_bytes: u32,
    /// Bytes between the places of two queues in it.
    pub notify_multiplier: u32,
    /// The interrupt status; over PCI alone.
    pub interrupt_status: u32,
    /// The configuration of this kind of device.
    pub configuration: u32,
    /// Its bytes.
    pub configuration_bytes: u32,
}

/// How a device is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Registers in memory.
    Mmio,
    /// A function of the PCI bus.
    Pci,
}

/// A page of device registers, to be mapped; only [`Device::page`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevicePage(u64);

impl DevicePage {
    pub(crate) fn physical(self) -> u64 {
        self.0
    }
}

/// Frames in a row that a device was given. They are free again by [`Device::free`] alone: dropping them loses them.
#[derive(Debug)]
#[must_use = "dropping them loses them: Device::free gives them back"]
pub struct DmaFrames {
    row: Row,
    line: usize,
    /// The device's resets before.
    resets: u64,
}

impl DmaFrames {
    /// How many.
    pub fn count(&self) -> u32 {
        self.row.count()
    }

    /// Where the device finds the first.
    pub fn address(&self) -> u64 {
        self.row.physical()
    }

    /// One of them, for a mapping.
    pub fn frame(&self, index: u32) -> Option<crate::frames::SharedFrame> {
        self.row.frame(index)
    }
}

/// A virtio device that a process may drive.
#[derive(Debug)]
pub struct Device {
    kind: u32,
    transport: Transport,
    /// Physical address of the first page of registers.
    start: u64,
    pages: u32,
    layout: Layout,
    /// Physical address of the status register, and its bytes: 4 over MMIO, 1 over PCI.
    status: u64,
    /// The function that says what it may do, over PCI.
    function: Option<pci::Function>,
    /// The place in the table of lines, which is also its number.
    line: usize,
    is_quiet: bool,
    resets: u64,
}

/// Looks for every device that can be given out, and leaves each reset and masked. Those of PCI get their addresses, whoever
/// drives them.
///
/// # Safety
/// Called once, at start-up, after paging, heap and local APIC.
pub(crate) unsafe fn find() -> Vec<Device> {
    let mut devices = Vec::new();
    if devices.try_reserve_exact(DEVICES_MAX).is_err() {
        return devices;
    }
    let mut take = |device: Device| _ = devices.push_within_capacity(device);
    if pci::is_present() {
        // SAFETY: the caller's promise.
        unsafe { pci::find_for_drivers(&mut take) };
    } else {
        // SAFETY: the caller's promise; a machine without PCI has its devices at microvm's addresses, if it has any.
        unsafe { mmio::find(&mut take) };
    }
    devices
}

/// True if registers may be at so many pages from `start` on.
fn is_device_range(start: u64, pages: u32) -> bool {
    let end = start.checked_add(u64::from(pages) * PAGE_BYTES as u64);
    pages > 0
        && start.is_multiple_of(PAGE_BYTES as u64)
        && start >= LOWEST_ADDRESS
        && end.is_some_and(|end| end <= ADDRESS_END)
}

impl Device {
    /// The device type of the virtio specification.
    pub fn kind(&self) -> u32 {
        self.kind
    }

    /// How it is reached.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Where things are in its registers.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Pages of registers.
    pub fn pages(&self) -> u32 {
        self.pages
    }

    /// A page of its registers.
    pub fn page(&self, index: u32) -> Option<DevicePage> {
        let offset = u64::from(index) * PAGE_BYTES as u64;
        (index < self.pages).then(|| DevicePage(self.start + offset))
    }

    /// The number by which [`crate::user::Event::Interrupt`] names it.
    pub fn line(&self) -> u8 {
        self.line as u8
    }

    /// Lets the next interrupt through.
    pub fn unmask(&self) {
        lines::unmask(self.line);
    }

    /// Resets it and lets it access memory; its line stays masked. False if it does not answer: then it may access nothing.
    pub fn enable(&mut self) -> bool {
        if !self.disable() {
            return false;
        }
        self.is_quiet = false;
        if let Some(function) = &self.function {
            function.enable();
        }
        true
    }

    /// Masks its line, takes its access to memory away and resets it. False if it does not answer: nobody knows what it may
    /// still do, so what it was given stays lost.
    pub fn disable(&mut self) -> bool {
        lines::mask(self.line);
        self.is_quiet = self.reset();
        if let Some(function) = &self.function {
            function.disable();
        }
        self.resets += u64::from(self.is_quiet);
        self.is_quiet
    }

    fn reset(&self) -> bool {
        let address = direct(self.status);
        for read in 0..RESET_READS {
            let status = match self.transport {
                Transport::Mmio => {
                    let register = address as *mut u32;
                    if read == 0 {
                        // SAFETY: the status register of a virtio device; 0 takes away all that it was told.
                        unsafe { register.write_volatile(0) };
                    }
                    // SAFETY: reading it has no effect.
                    unsafe { register.read_volatile() }
                }
                Transport::Pci => {
                    let register = address as *mut u8;
                    if read == 0 {
                        // SAFETY: as above.
                        unsafe { register.write_volatile(0) };
                    }
                    // SAFETY: as above.
                    u32::from(unsafe { register.read_volatile() })
                }
            };
            if status == 0 {
                return true;
            }
        }
        false
    }

    /// `count` frames in a row, zeros, 1 to [`DMA_FRAMES_MAX`].
    ///
    /// # Errors
    /// [`OutOfMemory`], also for another count.
    pub fn allocate(&self, count: u32) -> Result<DmaFrames, OutOfMemory> {
        if count == 0 || count > DMA_FRAMES_MAX {
            return Err(OutOfMemory);
        }
        Ok(DmaFrames { row: Row::new(count)?, line: self.line, resets: self.resets })
    }

    /// Frees frames that it was never told of.
    pub fn take_back(&self, frames: DmaFrames) {
        frames.row.free();
    }

    /// Frees frames that it was given.
    ///
    /// # Errors
    /// Gives them back if the device may still access them: it was not reset since; or if they are another device's.
    pub fn free(&self, frames: DmaFrames) -> Result<(), DmaFrames> {
        let is_out_of_reach = self.is_quiet || frames.resets < self.resets;
        if frames.line != self.line || !is_out_of_reach {
            return Err(frames);
        }
        frames.row.free();
        Ok(())
    }
}

/// Where registers at a physical address are for ring 0.
fn direct(physical: u64) -> u64 {
    paging::map_device(physical)
}
