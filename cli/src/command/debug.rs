//! `capos run --print-qemu` and `--gdb`: for people who look into the machine.
//!
//! Called by `run`; calls `qemu` for the command line.
//!
//! Invariant: a debugger can be reached from this machine alone, and the socket is gone when the run has ended.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::failure::{Context, Failure};
use crate::layout::Layout;
use crate::qemu::machine::{Backends, Boot, Debugger};
use crate::qemu::quote::command_line;

/// Stands for a boot image that lives in memory during a run only.
const IMAGE: &str = "IMAGE";

/// Prints the command line that would start QEMU. With `is_nameless` the boot image is no file; then a line on standard
/// error says how to make one.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn print_command_line(program: &Path, boot: Boot, is_nameless: bool) -> Result<(), Failure> {
    let boot = if is_nameless { Boot { image: PathBuf::from(IMAGE), ..boot } } else { boot };
    super::print(&command_line(program, &boot.arguments(Backends::PRINTED)))?;
    if is_nameless {
        eprintln!(
            "capos: note: {IMAGE} is made for each run; `capos build MANIFEST -o {IMAGE}` writes it to a file \
             (--print-manifest prints the manifest of a module)"
        );
    }
    Ok(())
}

/// A place where one run waits for a debugger.
pub(crate) struct Session {
    port: Option<u16>,
    folder: TempDir,
}

impl Session {
    /// Makes the place and says on standard error how to get there.
    ///
    /// # Errors
    /// The folder for temporary files cannot be written to.
    pub(crate) fn open(port: Option<u16>, layout: &Layout) -> Result<Session, Failure> {
        let folder = tempfile::Builder::new().prefix("capos-gdb-").tempdir();
        let folder = folder.or_host("a folder for the debugger's socket cannot be made")?;
        let session = Session { port, folder };
        let symbols = layout.folder().join("kernel.elf.debug");
        eprintln!(
            "capos: waiting for a debugger: gdb -ex 'target remote {}' {}",
            session.place(),
            symbols.display()
        );
        Ok(session)
    }

    /// What QEMU has to be told.
    pub(crate) fn debugger(&self) -> Debugger {
        self.port.map_or_else(|| Debugger::Socket(self.socket()), Debugger::Port)
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("gdb")
    }

    /// What the debugger has to be told.
    fn place(&self) -> String {
        match self.port {
            Some(port) => format!("127.0.0.1:{port}"),
            None => self.socket().display().to_string(),
        }
    }
}
