//! Addresses in the kernel's log, as function and line.
//!
//! Called by `qemu::verdict` at the end of a run that went wrong; reads the boot image and the `*.debug` files of the
//! installation.
//!
//! Invariant: a program's addresses are explained only by a file with the same build id, so an image of another version
//! is never explained wrongly. What cannot be explained stays as it is, with the reason; nothing here fails.

mod program;
mod record;

use std::fs;
use std::path::{Path, PathBuf};

use capos_abi::image::{Image, KERNEL, MANIFEST};
use capos_manifest_model::decode;

pub use program::{Place, Program};
use record::{Record, read};

const ELF: &[u8] = b"\x7fELF";

/// The symbols of a program of the image, or why there are none.
type Found = Result<Program, String>;

/// Where to look for what an address means; nothing is read before somebody asks.
#[derive(Clone, Debug)]
pub struct Source {
    /// The boot image.
    pub image: PathBuf,
    /// The folder with the programs of the prepared system, for an image that goes beside it.
    pub library: PathBuf,
    /// Folders with `*.debug` files.
    pub folders: Vec<PathBuf>,
}

/// The programs of one boot image, as far as their symbols are known.
#[derive(Debug, Default)]
pub struct Symbols {
    kernel: Option<Found>,
    processes: Vec<(String, Found)>,
}

/// A line of the log with what its addresses mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The line.
    pub line: String,
    /// For each address the places, the innermost call first; empty if there are no symbols.
    pub places: Vec<String>,
    /// Why there are no symbols, if there are none.
    pub absence: Option<String>,
    /// True if it is about ring 0.
    pub is_kernel: bool,
}

impl Source {
    /// Reads the image and looks for the symbols of its programs.
    #[must_use]
    pub fn load(&self) -> Symbols {
        let Ok(bytes) = fs::read(&self.image) else { return Symbols::default() };
        let Ok(image) = Image::parse(&bytes) else { return Symbols::default() };
        let find = |name: &str| match part(&image, name) {
            Some(program) => Program::find(program, &self.folders),
            None => Program::find(&fs::read(self.library.join(format!("{name}.elf"))).ok()?, &self.folders),
        };
        let system = part(&image, MANIFEST).and_then(|it| decode(it).ok()).unwrap_or_default();
        let processes = system.processes.iter().filter_map(|it| Some((it.name.clone(), find(&it.image)?)));
        // What a process starts by itself is called, as a rule, by the name of its part.
        let programs = image.parts().filter(|it| it.name != KERNEL && image.contents(it).starts_with(ELF));
        let started = programs.filter_map(|it| Some((it.name.to_owned(), find(it.name)?)));
        Symbols { kernel: find(KERNEL), processes: processes.chain(started).collect() }
    }
}

fn part<'a>(image: &Image<'a>, name: &str) -> Option<&'a [u8]> {
    image.parts().find(|part| part.name == name).map(|part| image.contents(&part))
}

impl Symbols {
    /// Every line of the log with addresses of a program in the image.
    #[must_use]
    pub fn explain(&self, log: &str) -> Vec<Explanation> {
        log.lines().filter_map(|line| self.explain_line(line)).collect()
    }

    fn explain_line(&self, line: &str) -> Option<Explanation> {
        let (found, addresses, is_kernel) = match read(line)? {
            Record::Kernel(addresses) => (self.kernel.as_ref()?, addresses, true),
            Record::Process { name, addresses } => (self.process(name)?, addresses, false),
        };
        let (places, absence): (Vec<String>, _) = match found {
            Ok(program) => {
                let places = addresses.into_iter().flat_map(|it| program.places(it));
                (places.map(|it| it.to_string()).collect(), None)
            }
            Err(reason) => (Vec::new(), Some(reason.clone())),
        };
        let is_told = !places.is_empty() || absence.is_some();
        is_told.then(|| Explanation { line: line.to_owned(), places, absence, is_kernel })
    }

    fn process(&self, name: &str) -> Option<&Found> {
        self.processes.iter().find(|(its_name, _)| its_name == name).map(|(_, found)| found)
    }
}

/// The folders to look in: that of the installation, and that of the tests' programs beside it in a clone.
#[must_use]
pub fn folders(library: &Path) -> Vec<PathBuf> {
    let tests = library.ancestors().nth(2).map(|folder| folder.join("tests"));
    std::iter::once(library.to_owned()).chain(tests.filter(|folder| folder.is_dir())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::{NamedPart, write};
    use capos_manifest_model::{Process, System, encode};

    /// An image whose kernel and whose process "app" are this test, in a folder with this test as the unstripped file.
    fn source(folder: &Path, debug: &[u8]) -> Source {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let process = Process { name: "app".into(), image: "app".into(), ..Process::default() };
        let system = System { main: "app".into(), processes: vec![process], ..System::default() };
        let part = |name: &str, contents: Vec<u8>| NamedPart { name: name.into(), contents };
        let parts = [part(KERNEL, own.clone()), part(MANIFEST, encode(&system)), part("app", own)];
        let mut bytes = Vec::new();
        write(&parts, &mut bytes).unwrap();
        fs::write(folder.join("image"), bytes).unwrap();
        fs::write(folder.join("other.debug"), b"\x7fELF no").unwrap();
        fs::write(folder.join("own.debug"), debug).unwrap();
        Source { image: folder.join("image"), library: folder.join("none"), folders: vec![folder.to_owned()] }
    }

    #[test]
    fn addresses_come_out_as_function_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let symbols = source(folder.path(), &own).load();
        let address = program::tests::address_of(&own, "addresses_come_out_as_function_and_line");
        let log = format!(
            "[kernel] hello\n[kernel] called from {:#x}\n[kernel] process 3 \"app\": fault vector 6 (#UD) error 0x0 \
             address 0x0 rip {address:#x}\n[kernel] process 4 \"unknown\": fault vector 6 (#UD) error 0x0 address 0x0 \
             rip {address:#x}\n",
            address + 1
        );
        let found = symbols.explain(&log);
        assert_eq!(found.len(), 2, "{found:?}");
        for explanation in found {
            let place = explanation.places.last().unwrap();
            assert!(
                place.contains("capos_cli::symbols::tests::addresses_come_out_as_function_and_line"),
                "{place}"
            );
            assert_eq!(explanation.absence, None);
            assert!(place.contains("cli/src/symbols/mod.rs:"), "{place}");
        }
    }

    #[test]
    fn a_file_with_another_build_id_explains_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut own = fs::read(std::env::current_exe().unwrap()).unwrap();
        let address = program::tests::address_of(&own, "a_file_with_another_build_id_explains_nothing");
        program::tests::change_build_id(&mut own);
        let symbols = source(folder.path(), &own).load();
        let [explanation] = &symbols.explain(&format!("[kernel] called from {address:#x}"))[..] else {
            panic!()
        };
        assert_eq!(explanation.places, [""; 0]);
        let absence = explanation.absence.as_deref().unwrap();
        let start = format!("no file *.debug in {} has its build id ", folder.path().display());
        assert!(absence.starts_with(&start), "{absence}");
    }

    #[test]
    fn an_image_that_cannot_be_read_explains_nothing() {
        let source =
            Source { image: "/nonexistent".into(), library: "/nonexistent".into(), folders: Vec::new() };
        assert_eq!(source.load().explain("[kernel] called from 0x1"), []);
    }
}
