//! What the limits of a system mean on the host: the machine's memory, and how long the host waits for it.
//!
//! Called by `run`; reads how much memory the host has.
//!
//! Invariant: every limit inside the machine can be reached before the host's own.

use std::time::Duration;

use capos_manifest_model::machine_bytes;

use crate::command::prepare::Traits;
use crate::failure::Failure;
use crate::qemu::machine::MEBIBYTE;

/// The least memory of a machine.
const MEMORY_MIN: u64 = 512 * MEBIBYTE;
/// How long after the guest's own time limit the host waits for the machine to say so.
const TIME_LIMIT_GRACE: Duration = Duration::from_secs(5);

/// A module's time limit is kept by init, and by the host only as a backstop; for a manifest or an image `--timeout` is
/// the host's.
pub(super) fn host_limit(traits: &Traits, option: Option<Duration>) -> Option<Duration> {
    let own = traits.time_limit.map(|limit| limit.saturating_add(TIME_LIMIT_GRACE));
    match (own, option) {
        (Some(own), Some(option)) if traits.time_limit == Some(option) => Some(own),
        (Some(own), Some(option)) => Some(own.min(option)),
        (own, option) => own.or(option),
    }
}

/// What the manifest states, or enough for everything that is set aside, which is what the kernel asks for before it starts
/// a process.
///
/// # Errors
/// It is more than three quarters of the host's memory; says what would be accepted.
pub(super) fn memory_bytes(traits: &Traits, host: u64) -> Result<u64, Failure> {
    if let Some(machine) = traits.machine_memory {
        let most = (host / 4 * 3).max(MEMORY_MIN);
        return if machine <= most { Ok(machine) } else { Err(larger_than_here(machine, most)) };
    }
    let wanted = machine_bytes(traits.memory_total, traits.image_bytes);
    let most = (host / 4 * 3).max(MEMORY_MIN);
    if wanted <= most {
        return Ok(wanted.max(MEMORY_MIN).next_multiple_of(64 * MEBIBYTE));
    }
    let [wanted, most] = [wanted.div_ceil(MEBIBYTE), most / MEBIBYTE];
    let remedy = if traits.is_instance && !traits.has_several { "a lower --memory" } else { "lower limits" };
    Err(Failure::request(format!(
        "the memory limits need a machine of {wanted}MiB; here it can have {most}MiB, three quarters of this \
         host's memory: choose {remedy}"
    )))
}

fn larger_than_here(machine: u64, most: u64) -> Failure {
    let [machine, most] = [machine / MEBIBYTE, most / MEBIBYTE];
    Failure::request(format!(
        "the manifest states a machine of {machine}MiB; here it can have {most}MiB, three quarters of this host's memory"
    ))
}

pub(super) fn host_memory() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kibibytes.unwrap_or(u64::MAX >> 20) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_the_limits() {
        let traits = |memory_total| Traits { memory_total, ..Traits::default() };
        let host = 16 << 30;
        assert_eq!(memory_bytes(&traits(0), host), Ok(512 << 20));
        assert_eq!(memory_bytes(&traits(1 << 30), host), Ok((1 << 30) + (192 << 20)));
        assert_eq!(memory_bytes(&traits(300 << 20), 256 << 20), Ok(512 << 20));
        let most = ((12 << 30) - (128 << 20)) / 33 * 32;
        assert_eq!(memory_bytes(&traits(most), host), Ok(12 << 30));
        let message = memory_bytes(&traits(most + 33), host).unwrap_err().message;
        let most = "a machine of 12289MiB; here it can have 12288MiB, three quarters of this host's memory: choose lower limits";
        assert_eq!(message, format!("the memory limits need {most}"));
        assert!(memory_bytes(&traits(u64::MAX), host).is_err());
        let stated = |memory| Traits { machine_memory: Some(memory), ..Traits::default() };
        assert_eq!(memory_bytes(&stated(192 << 20), host), Ok(192 << 20));
        let message = memory_bytes(&stated(16 << 30), host).unwrap_err().message;
        let told = "the manifest states a machine of 16384MiB; here it can have 12288MiB, three quarters of this host's memory";
        assert_eq!(message, told);
    }

    #[test]
    fn the_host_waits_longer_than_the_guest() {
        let second = Duration::from_secs(1);
        let traits = |time_limit| Traits { time_limit, ..Traits::default() };
        assert_eq!(host_limit(&traits(None), None), None);
        assert_eq!(host_limit(&traits(Some(second)), Some(second)), Some(second * 6));
        assert_eq!(host_limit(&traits(None), Some(second)), Some(second));
        assert_eq!(host_limit(&traits(Some(second * 60)), Some(second)), Some(second));
    }
}
