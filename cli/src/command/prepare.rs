//! From a request to a boot image that QEMU can open, and what has to be known about the system in it.
//!
//! Called by `run` and `build`; calls `capos-manifest-model` for the system and `image` for the bytes.
//!
//! Invariant: the image holds the manifest and the parts that it names, nothing else: with kernel and init it is whole by
//! itself (`build`); without them, and without the WASI host, it goes beside the prepared system. Such an image is a file
//! without a name.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use capos_abi::image::{INIT, Image, KERNEL, MANIFEST, OPTIONS};
use capos_manifest_model::{Contents, Library, Package, Refusal, Refusals, System, decode, encode};

use crate::command::modules;
use crate::failure::{Context, Failure};
use crate::image::{NamedPart, memory_file, memory_file_path, write};
use crate::layout::Layout;
use crate::outcome::one_line;
use crate::progress::Progress;

/// The programs that the prepared system holds, besides kernel and init.
const PREPARED: [&str; 3] = ["capos-wasm", "virtio-console", "virtio-rng"];

/// An image that is ready to boot.
#[derive(Debug)]
pub(crate) struct Bootable {
    /// The boot stage that QEMU starts.
    pub(crate) stage: PathBuf,
    /// Where QEMU finds the image.
    pub(crate) path: PathBuf,
    /// Keeps a file without a name open.
    pub(crate) file: Option<File>,
    /// The files that it was made from, as far as they are the user's.
    pub(crate) inputs: Vec<PathBuf>,
    /// What is known about the system.
    pub(crate) traits: Traits,
}

/// What the host has to know about a system to run it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    /// True if the main process is the adapter with a wasm module.
    pub(crate) is_instance: bool,
    /// True if there are several processes.
    pub(crate) has_several: bool,
    /// How long the main process may run.
    pub(crate) time_limit: Option<Duration>,
    /// Bytes that are set aside for all processes together.
    pub(crate) memory_total: u64,
    /// Bytes of memory of the machine that it is meant for.
    pub(crate) machine_memory: Option<u64>,
    /// Bytes of the image.
    pub(crate) image_bytes: u64,
}

impl Traits {
    pub(crate) fn of(system: &System, image_bytes: u64) -> Traits {
        let main = system.processes.iter().find(|process| process.name == system.main);
        Traits {
            is_instance: main.is_some_and(|process| process.module.is_some()),
            has_several: system.processes.iter().filter(|process| !process.is_driver()).count() > 1,
            time_limit: main.and_then(|process| process.wall_clock),
            memory_total: system.memory_total(),
            machine_memory: system.machine_memory,
            image_bytes,
        }
    }
}

/// The library of `capos-manifest-model` for this installation.
pub(crate) fn library(layout: &Layout) -> Library {
    Library::new(layout.folder())
}

/// All parts of an image that is whole by itself, in the order in which they are written.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn parts(
    layout: &Layout,
    package: Package,
    kernel_options: &[String],
) -> Result<Vec<NamedPart>, Failure> {
    let mut parts = vec![named(KERNEL, read(&layout.kernel()?)?), named(INIT, read(&layout.init()?)?)];
    parts.extend(own_parts(package, kernel_options)?);
    Ok(parts)
}

fn named(name: &str, contents: Vec<u8>) -> NamedPart {
    NamedPart { name: name.to_owned(), contents }
}

/// The parts besides kernel and init.
fn own_parts(package: Package, kernel_options: &[String]) -> Result<Vec<NamedPart>, Failure> {
    let mut parts = vec![named(MANIFEST, encode(&package.system))];
    if !kernel_options.is_empty() {
        parts.push(named(OPTIONS, options_text(kernel_options)?));
    }
    for (name, contents) in package.parts {
        let contents = match contents {
            Contents::File(path) => read(&path)?,
            Contents::Bytes(bytes) => bytes,
        };
        parts.push(NamedPart { name, contents });
    }
    Ok(parts)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::request(format!("{}: cannot be read: {error}", path.display())))
}

fn options_text(options: &[String]) -> Result<Vec<u8>, Failure> {
    let mut text = String::new();
    for option in options {
        if !option.contains('=') || option.contains('\n') {
            return Err(Failure::request(format!("kernel option \"{option}\": expected KEY=VALUE")));
        }
        text.push_str(option);
        text.push('\n');
    }
    Ok(text.into_bytes())
}

/// Writes what the prepared system lacks for this package into an image without a name.
///
/// # Errors
/// A file cannot be read; or the host has no memory left.
pub(crate) fn bootable(
    layout: &Layout,
    mut package: Package,
    kernel_options: &[String],
) -> Result<Bootable, Failure> {
    let traits = Traits::of(&package.system, 0);
    let inputs = package.files.clone();
    let stage = layout.system()?;
    // A part that is called so is the file that the prepared system was made of: only capOS's own programs are.
    package.parts.retain(|(name, _)| !PREPARED.contains(&name.as_str()));
    into_memory(stage, &own_parts(package, kernel_options)?, traits, inputs)
}

fn into_memory(
    stage: PathBuf,
    parts: &[NamedPart],
    traits: Traits,
    inputs: Vec<PathBuf>,
) -> Result<Bootable, Failure> {
    let file = memory_file("capos-image")?;
    let mut writer = BufWriter::with_capacity(256 << 10, &file);
    write(parts, &mut writer)?;
    drop(writer);
    let image_bytes = file.metadata().or_host("the boot image in memory")?.len();
    let traits = Traits { image_bytes, ..traits };
    Ok(Bootable { stage, path: memory_file_path(&file), file: Some(file), inputs, traits })
}

/// An image that somebody built: boots as it is, whole or not, because the machine judges it. Only what the host has to
/// know is read from it, as far as that is possible. What is no file goes into one without a name.
///
/// # Errors
/// Kernel options are to be added and it is not whole; or the host has no memory left.
pub(crate) fn built(
    layout: &Layout,
    path: &Path,
    bytes: &[u8],
    is_file: bool,
    kernel_options: &[String],
) -> Result<Bootable, Failure> {
    let image = Image::parse(bytes);
    let stage = layout.boot_stage()?;
    let traits = match image.as_ref().ok().and_then(|it| decode(it.verify(MANIFEST).ok()?).ok()) {
        Some(system) => Traits::of(&system, bytes.len() as u64),
        None => Traits { image_bytes: bytes.len() as u64, ..Traits::default() },
    };
    if kernel_options.is_empty() {
        if is_file {
            return Ok(Bootable { stage, path: path.to_owned(), file: None, inputs: Vec::new(), traits });
        }
        let mut file = memory_file("capos-image")?;
        file.write_all(bytes).or_host("the boot image in memory")?;
        let path = memory_file_path(&file);
        return Ok(Bootable { stage, path, file: Some(file), inputs: Vec::new(), traits });
    }
    let image = image.map_err(|error| Failure::request(format!("{}: {error}", path.display())))?;
    let mut parts: Vec<NamedPart> = image
        .parts()
        .filter(|part| part.name != OPTIONS)
        .map(|part| NamedPart { name: part.name.to_owned(), contents: image.contents(&part).to_vec() })
        .collect();
    parts.push(NamedPart { name: OPTIONS.to_owned(), contents: options_text(kernel_options)? });
    into_memory(stage, &parts, traits, Vec::new())
}

/// The package that a manifest describes.
///
/// # Errors
/// All that is wrong with it.
pub(crate) fn load(library: &Library, manifest: &Path) -> Result<Package, Failure> {
    let _progress = Progress::of("evaluating the manifest");
    let mut package =
        capos_manifest_model::load(library, manifest).map_err(|refusals| manifest_refused(&refusals))?;
    modules::check(&mut package)?;
    Ok(package)
}

/// The refusals of a manifest, one line each.
pub(crate) fn manifest_refused(refusals: &Refusals) -> Failure {
    Failure::request(refusals.to_string())
}

/// The refusals of a module and its options, as one line. Where the manifest would name a path, this names the option.
pub(crate) fn module_refused(refusals: &Refusals) -> Failure {
    let texts: Vec<String> = refusals
        .0
        .iter()
        .map(|refusal| {
            let refusal = Refusal { path: option_of(&refusal.path).to_owned(), ..refusal.clone() };
            one_line(&refusal.to_string())
        })
        .collect();
    Failure::request(texts.join("; "))
}

/// The option that sets what has this path in the manifest of a single instance.
fn option_of(path: &str) -> &str {
    let Some(path) = path.strip_prefix("processes[0]") else { return path };
    let path = path.trim_start_matches('.');
    const OPTIONS: [(&str, &str); 8] = [
        ("limits.memory", "--memory"),
        ("limits.fuel", "--fuel"),
        ("limits.time", "--timeout"),
        ("argv0", "--argv0"),
        ("args", "the arguments"),
        ("env", "--env"),
        ("caps", "--deny"),
        ("binary", ""),
    ];
    OPTIONS.iter().find(|(prefix, _)| path.starts_with(prefix)).map_or(path, |(_, option)| option)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_options() {
        let name = |path| option_of(path);
        assert_eq!(name("processes[0].limits.memory"), "--memory");
        assert_eq!(name("processes[0].args[3]"), "the arguments");
        assert_eq!(name("processes[0].binary"), "");
        assert_eq!(name("offers"), "offers");
    }
}
