//! The kernel's log: lines on the debug console.
//!
//! Called from everywhere in the kernel for its record; calls the hardware layer's writer.
//!
//! Invariant: each line starts with `[kernel] ` and is one line.

/// Writes one line of the kernel's record.
macro_rules! log_line {
    ($($argument:tt)*) => { $crate::log::write(format_args!($($argument)*)) };
}

pub(crate) use log_line;

/// The debug console takes what it can; a log that cannot be written has nobody to be told.
pub(crate) fn write(line: core::fmt::Arguments<'_>) {
    use core::fmt::Write;
    let mut writer = capos_kernel_hal::debug::Writer;
    if writer.write_str("[kernel] ").is_ok() && writer.write_fmt(line).is_ok() {
        let _ = writer.write_str("\n");
    }
}
