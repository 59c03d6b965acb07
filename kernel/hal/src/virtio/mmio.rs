//! Virtio devices at the addresses of QEMU's microvm.

use crate::paging;
use core::ptr::NonNull;
use virtio_drivers::transport::SomeTransport;
use virtio_drivers::transport::mmio::MmioTransport;

/// microvm's transports, in QEMU's `include/hw/i386/microvm.h`; filled from the last one downward.
const FIRST_ADDRESS: u64 = 0xfeb0_0000;
const STRIDE: usize = 512;
const TRANSPORTS: u64 = 24;

const MAGIC: u32 = u32::from_le_bytes(*b"virt");
const DEVICE_ID: u64 = 8;

/// Calls `take` with each device.
///
/// # Safety
/// Called once, at start-up, after paging, on a machine that has such transports or nothing at their addresses.
pub(super) unsafe fn find(take: &mut impl FnMut(SomeTransport<'static>)) {
    let first = paging::map_device(FIRST_ADDRESS);
    for index in (0..TRANSPORTS).rev() {
        let address = first + index * STRIDE as u64;
        // SAFETY: mapped; reading the magic number and the device id of a transport has no effect.
        let magic = unsafe { (address as *const u32).read_volatile() };
        // SAFETY: as above.
        let device = unsafe { ((address + DEVICE_ID) as *const u32).read_volatile() };
        if magic != MAGIC || device == 0 {
            continue;
        }
        if let Some(header) = NonNull::new(address as *mut _) {
            // SAFETY: a transport's registers, which nothing else uses; mapped for ever.
            if let Ok(transport) = unsafe { MmioTransport::new(header, STRIDE) } {
                take(SomeTransport::Mmio(transport));
            }
        }
    }
}
