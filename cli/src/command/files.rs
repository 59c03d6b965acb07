//! Files that the command writes for its user: where they may go, and how.
//!
//! Called by `build` for the image and by `run` for the outcome and the kernel's log; calls the file system.
//!
//! Invariant: nothing that the command reads is written over, a device stays a device, a link stays a link, and a regular
//! file has its old contents until it gets the new ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Links that are followed before a path is taken as it is; the system follows as many.
const LINKS_MAX: usize = 40;

/// True if both paths lead to the same file.
pub(crate) fn is_same(first: &Path, second: &Path) -> bool {
    match (fs::metadata(first), fs::metadata(second)) {
        (Ok(first), Ok(second)) => identity(&first) == identity(&second),
        _ => false,
    }
}

fn identity(metadata: &fs::Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Refuses to write what is read. `what` is how the user named the file to be written, `--outcome FILE`.
///
/// # Errors
/// The file is one of the inputs; names both.
pub(crate) fn refuse_inputs<'a>(
    what: &str,
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Failure> {
    match inputs.into_iter().find(|input| is_same(output, input)) {
        None => Ok(()),
        Some(input) => Err(Failure::request(format!(
            "{what}: is the same file as {}, which is read; choose another name",
            input.display()
        ))),
    }
}

/// Writes a file as a whole: a regular file is replaced when the new one is complete, anything else is written into.
///
/// # Errors
/// It cannot be written, which is for the user to mend.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path.is_dir() {
        let text = format!("{}: is a folder; expected the path of a file", path.display());
        return Err(Failure::request(text));
    }
    let written = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() || is_own_stream(&metadata) => write_into(path, bytes),
        _ => replace(&behind_links(path), bytes),
    };
    written.map_err(|error| Failure::request(format!("{} cannot be written: {error}", path.display())))
}

fn write_into(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(bytes)?;
    file.flush()
}

/// Puts a file beside its place, under another name until it is whole: for as short as possible, because a signal leaves it.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mode = fs::metadata(path).map_or(0o666, |metadata| metadata.permissions().mode() & 0o777);
    let mut file = tempfile::Builder::new()
        .prefix(".capos-image-")
        .permissions(fs::Permissions::from_mode(mode))
        .tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The path that a chain of links leads to, which need not exist.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// True for the file that is this process's standard output or standard error: others may be writing it too.
fn is_own_stream(metadata: &fs::Metadata) -> bool {
    ["/proc/self/fd/1", "/proc/self/fd/2"]
        .iter()
        .filter_map(|stream| fs::metadata(stream).ok())
        .any(|stream| identity(&stream) == identity(metadata))
}

/// Opens a file that gets its contents at the end. What it had it has until then.
///
/// # Errors
/// It cannot be opened for writing.
pub(crate) fn open_for_later(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(path)
}

/// Gives a file of [`open_for_later`] its contents.
///
/// # Errors
/// It cannot be written.
pub(crate) fn fill(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    let metadata = file.metadata()?;
    if is_own_stream(&metadata) {
        // What the guest wrote stays. A pipe has no end to go to, and needs none.
        let _ = file.seek(SeekFrom::End(0));
    } else if metadata.is_file() {
        file.set_len(0)?;
    }
    file.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    #[test]
    fn a_link_leads_to_the_file_that_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/target"), "old").unwrap();
        fs::set_permissions(at("sub/target"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("sub/target", at("link")).unwrap();
        symlink("link", at("second")).unwrap();
        write_whole(&at("second"), b"new").unwrap();
        assert_eq!(fs::read(at("sub/target")).unwrap(), b"new");
        assert_eq!(fs::metadata(at("sub/target")).unwrap().mode() & 0o777, 0o640);
        symlink("sub/none", at("dangling")).unwrap();
        write_whole(&at("dangling"), b"made").unwrap();
        assert_eq!(fs::read(at("sub/none")).unwrap(), b"made");
        for link in ["link", "second", "dangling"] {
            assert!(fs::symlink_metadata(at(link)).unwrap().is_symlink(), "{link}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        write_whole(&pipe, b"bytes").unwrap();
        assert_eq!(reader.join().unwrap(), b"bytes");
        assert!(!fs::metadata(&pipe).unwrap().is_file());
    }

    #[test]
    fn refusals_are_the_users_to_mend() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| {
            let failure = write_whole(path, b"x").unwrap_err();
            assert_eq!(failure.blame, crate::failure::Blame::Request);
            failure.message
        };
        assert!(message(folder.path()).ends_with(": is a folder; expected the path of a file"));
        assert!(message(&folder.path().join("no/such")).contains("cannot be written: No such file"));
        let file = folder.path().join("a");
        fs::write(&file, "a").unwrap();
        fs::hard_link(&file, folder.path().join("b")).unwrap();
        let other = folder.path().join("b");
        assert!(refuse_inputs("-o a", &file, [other.as_path()]).is_err());
        assert!(refuse_inputs("-o a", &file, [folder.path()]).is_ok());
    }
}
