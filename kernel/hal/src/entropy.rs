//! The processor's random sources. Called by the kernel's entropy pool; virtio-rng is in [`crate::virtio`].

/// 64 bits of RDSEED; `None` if the processor has none or none left after some attempts.
pub fn rdseed() -> Option<u64> {
    crate::absent()
}

/// 64 bits of RDRAND; `None` if the processor has none or none left after some attempts.
pub fn rdrand() -> Option<u64> {
    crate::absent()
}
