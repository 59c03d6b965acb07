//! Virtio devices, over MMIO (microvm) or PCI (q35), on the `virtio-drivers` crate's transports and queues.
pub mod console;
pub mod rng;
