//! One WASI instance as a whole system: what `capos run app.wasm` boots.
//!
//! Called by the host command with its options; builds the document that a person would have written, so that
//! `--print-manifest` prints what runs. Calls `resolve` and `cue`.
//!
//! Invariant: `load` of the text of [`Instance::manifest`] is [`Instance::package`].

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cue;
use crate::document::{
    self, Caps, Console, Document, Entries, InstanceLimits, Methods, Process, Size, Streams, Text, Verify,
};
use crate::drivers::DRIVERS;
use crate::library::Library;
use crate::quantity::{duration_text, size_text};
use crate::refusal::{Refusal, Refusals};
use crate::resolve::{Positions, resolve};
use crate::system::Package;

/// What can be denied: the names in the CapSet.
const GRANTS: [&str; 4] = ["stdout", "stderr", "timer", "random"];
/// Characters of a process's name that are taken from the file's.
const NAME_MAX: usize = 48;

/// A module to run, and everything that it is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// The module's file, binary or text.
    pub binary: PathBuf,
    /// What that file holds, if it has been read; its name may then be any.
    pub module: Option<Vec<u8>>,
    /// argv\[0\]; none for the file's name.
    pub argument0: Option<Vec<u8>>,
    /// argv\[1\] and the rest.
    pub arguments: Vec<Vec<u8>>,
    /// Keys and values, in order; of equal keys the last one counts.
    pub environment: Vec<(String, Vec<u8>)>,
    /// Of `stdout`, `stderr`, `timer` and `random` those that are not granted.
    pub denied: Vec<String>,
    /// Bytes of linear memory at most; none for the default.
    pub memory: Option<u64>,
    /// Fuel units at most.
    pub fuel: Option<u64>,
    /// Time from start to end at most.
    pub time: Option<Duration>,
    /// Bytes of the engine's value stack at most.
    pub stack: Option<u64>,
    /// Depth of wasm calls at most.
    pub recursion: Option<u32>,
}

impl Instance {
    /// The checked system.
    ///
    /// # Errors
    /// Everything that is wrong with the options.
    pub fn package(&self, library: &Library) -> Result<Package, Refusals> {
        let mut instance = self.instance(self.text_of(&self.binary, self.module.is_some())?)?;
        if instance.argv0.is_none() && self.binary.to_str().is_none() {
            instance.argv0 = self.binary.file_name().map(|name| Text(name.as_bytes().to_vec()));
        }
        let name = instance.name.clone();
        let processes = vec![Process::Instance(Box::new(instance))];
        let document = Document {
            name,
            main: None,
            processes,
            offers: Vec::new(),
            drivers: None,
            machine: None,
            parts: Entries::default(),
        };
        resolve(&document, &Positions::default(), Path::new("."), self.module.clone(), library)
    }

    /// The manifest that says the same, in CUE. It works in any folder: the module's path is absolute.
    ///
    /// # Errors
    /// As [`Instance::package`], as far as it can be told without the files.
    pub fn manifest(&self) -> Result<String, Refusals> {
        let path = std::path::absolute(&self.binary).unwrap_or_else(|_| self.binary.clone());
        let instance = self.instance(self.text_of(&path, false)?)?;
        let drivers = DRIVERS.iter().filter(|driver| driver.serves(&instance)).map(|driver| driver.name);
        Ok(cue::print(&instance.name, &instance, &drivers.collect::<Vec<_>>()))
    }

    /// A path as a document states it. A path that is not UTF-8 cannot be stated; with `is_name` it is only a name, and
    /// what cannot be stated is replaced.
    fn text_of(&self, path: &Path, is_name: bool) -> Result<String, Refusals> {
        match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None if is_name => Ok(path.to_string_lossy().into_owned()),
            None => {
                let message = "a manifest can name this file only by a path in UTF-8; rename it";
                Err(Refusal::general(format!("{}: {message}", self.binary.display())).into())
            }
        }
    }

    fn instance(&self, binary: String) -> Result<document::Instance, Refusals> {
        Ok(document::Instance {
            name: process_name(&self.binary),
            after: Vec::new(),
            binary,
            argv0: self.argument0.clone().map(Text),
            args: self.arguments.iter().cloned().map(Text).collect(),
            env: self.environment(),
            caps: self.caps()?,
            limits: InstanceLimits {
                memory: self.memory.map(|bytes| Size::Text(size_text(bytes))),
                fuel: self.fuel,
                time: self.time.map(duration_text),
                stack: self.stack.map(|bytes| Size::Text(size_text(bytes))),
                recursion: self.recursion,
                ..InstanceLimits::default()
            },
            verify: Verify::default(),
        })
    }

    fn environment(&self) -> Entries<Text> {
        let mut entries: Vec<(String, Text)> = Vec::new();
        for (key, value) in &self.environment {
            match entries.iter_mut().find(|(other, _)| other == key) {
                Some((_, earlier)) => *earlier = Text(value.clone()),
                None => entries.push((key.clone(), Text(value.clone()))),
            }
        }
        Entries(entries)
    }

    fn caps(&self) -> Result<Caps, Refusals> {
        if let Some(unknown) = self.denied.iter().find(|name| !GRANTS.contains(&name.as_str())) {
            let message = format!("nothing that is granted is called \"{unknown}\"");
            return Err(Refusal { accepted: GRANTS.join(", "), ..Refusal::general(message) }.into());
        }
        let is_granted = |name: &str| !self.denied.iter().any(|denied| denied == name);
        let streams = Streams { stdout: is_granted("stdout"), stderr: is_granted("stderr") };
        Ok(Caps {
            console: if streams.stdout == streams.stderr {
                Console::Whole(streams.stdout)
            } else {
                Console::Streams(streams)
            },
            log: false,
            timer: Methods::Whole(is_granted("timer")),
            random: Methods::Whole(is_granted("random")),
            preopens: Vec::new(),
        })
    }
}

/// A process's name out of a file's: what is allowed in one, and something in any case.
fn process_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let replaced: String =
        stem.chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-') { letter } else { '-' }
            })
            .skip_while(|letter| !letter.is_ascii_alphanumeric())
            .take(NAME_MAX)
            .collect();
    match replaced.trim_end_matches('-') {
        "" => "app".to_owned(),
        reserved @ ("kernel" | "init") => format!("app-{reserved}"),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_file_name_gives_a_name() {
        for (file, name) in [
            ("hello.wasm", "hello"),
            ("a/b/My App (2).wasm", "My-App--2"),
            ("kernel.wasm", "app-kernel"),
            ("\u{1f980}.wasm", "app"),
            ("caf\u{e9}.wasm", "caf"),
            ("init-.wasm", "app-init"),
            (".wasm", "wasm"),
        ] {
            assert_eq!(process_name(Path::new(file)), name, "{file}");
        }
        assert_eq!(process_name(Path::new(&"x".repeat(90))).len(), 48);
    }
}
