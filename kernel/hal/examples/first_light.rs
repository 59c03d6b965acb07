//! first
#![no_std]
#![no_main]
#![forbid(unsafe_code)]
use capos_kernel_hal as hal;
use core::fmt::Write;
hal::entry!(main);
fn main(hardware: hal::Hardware) -> ! {
    let _ = writeln!(hal::debug::Writer, "[kernel] hello {} {:?}", hardware.clock.now(), hal::cpu::features());
    hal::power::exit(0x10)
}
