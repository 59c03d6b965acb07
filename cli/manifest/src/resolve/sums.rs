//! Sums: what is carved out of the machine for all processes together is no more than it has.
//!
//! Called last by `resolve`, with the processes in the order of their start. All of them are init's children, so what one
//! has the others have not.
//!
//! Invariant: init can create every process of a system that passes, on the machine that the manifest states.

use super::{At, Resolver};
use crate::quantity::size_text;
use crate::system::{MACHINE_MAX, Process, System, WEIGHT_MOST};

/// Bytes of a mebibyte.
const MEBIBYTE: u64 = 1 << 20;
/// Bytes of a machine's memory at least and at most: the least one holds the kernel and a small process.
const MACHINE: (u64, u64) = (192 * MEBIBYTE, MACHINE_MAX);

impl Resolver<'_> {
    /// Bytes of memory of the machine; `None` if none is stated, or it was refused.
    pub(super) fn machine_memory(&mut self) -> Option<u64> {
        let stated = &self.document.machine.as_ref()?.memory;
        let at = At::root().field("machine").field("memory");
        let bytes = self.size(Some(stated), 0, MACHINE.0, MACHINE.1, &at)?;
        if bytes.is_multiple_of(MEBIBYTE) {
            return Some(bytes);
        }
        self.refuse(&at, format!("the size {} is not a whole number of MiB", size_text(bytes)), "whole MiB");
        None
    }

    /// Refuses the first process for which nothing is left of the machine's memory or of the processor's weights.
    pub(super) fn check_sums(&mut self, system: &System) {
        let image_bytes = self.parts.bytes();
        let (memory_most, mut memory, mut weight) = (system.memory_most(image_bytes), 0_u64, 0_u64);
        let (mut is_memory_told, mut is_weight_told) = (false, false);
        for process in &system.processes {
            memory = memory.saturating_add(process.memory_reserve);
            weight += u64::from(process.processor.weight);
            if memory > memory_most && !is_memory_told {
                is_memory_told = true;
                let (path, [sum, most]) = (self.limit(process, "reserve"), mebibytes(memory, memory_most));
                let message = format!("with \"{}\" {sum}MiB are set aside for all processes", process.name);
                let of = system.machine_memory.map_or("the largest machine".to_owned(), |machine| {
                    format!("a machine of {}, beside the kernel and the image", size_text(machine))
                });
                self.refuse(&path, message, format!("at most {most}MiB together, on {of}"));
            }
            if weight > u64::from(WEIGHT_MOST) && !is_weight_told {
                is_weight_told = true;
                let path = self.limit(process, "weight");
                let message = format!("with \"{}\" the weights of all processes are {weight}", process.name);
                self.refuse(&path, message, format!("at most {WEIGHT_MOST} together"));
            }
        }
    }

    /// The path of a limit of a process; of a driver's that of the drivers.
    fn limit(&self, process: &Process, name: &str) -> At {
        match self.document.processes.iter().position(|written| written.name() == process.name) {
            Some(index) => At::root().field("processes").index(index).field("limits").field(name),
            None => At::root().field("drivers"),
        }
    }
}

/// Both in MiB, rounded so that what was more stays more.
fn mebibytes(sum: u64, most: u64) -> [u64; 2] {
    [sum.div_ceil(MEBIBYTE), most / MEBIBYTE]
}
