//! Driving a device: its registers, memory that it reaches, its queues.
//!
//! Used by drivers, which are ordinary processes that hold a Device capability. What touches the hardware is in `sys`: with
//! the feature `virtio`, [`VirtioDevice`] opens a device, agrees on its features and makes its [`Queue`]s; a [`DmaBuffer`]
//! belongs either to the program or, in a [`Chain`], to the device. With an
//! [`Intake`] a call's bytes are received where the device finds them.
//!
//! Invariant: registers are reached inside their mapping only, and the program holds no reference into memory that a device
//! was told to use.

pub use crate::sys::registers::Registers;

#[cfg(feature = "virtio")]
pub use crate::sys::dma::DmaBuffer;
#[cfg(feature = "virtio")]
pub use crate::sys::intake::{Arrival, Intake};
#[cfg(feature = "virtio")]
pub use crate::sys::virtio::VirtioDevice;
#[cfg(feature = "virtio")]
pub use crate::sys::virtio::queue::{CHAIN_PARTS, Chain, Completed, Queue};
