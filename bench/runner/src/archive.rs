//! The archive from which the Linux guest starts: its root file system in the `newc` form of cpio.
//!
//! Called by `reference`.
//!
//! Invariant: equal files give equal bytes: inode numbers count up, and no time or owner of this machine gets in.

const DIRECTORY: u32 = 0o040_755;
const DEVICE: u32 = 0o020_666;
const PROGRAM: u32 = 0o100_755;

/// An archive that grows.
pub(crate) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
}

impl Archive {
    /// The archive with `/dev`, the console and the null device.
    pub(crate) fn new() -> Archive {
        let mut archive = Archive { bytes: Vec::new(), inode: 0 };
        archive.entry("dev", DIRECTORY, (0, 0), &[]);
        archive.entry("dev/console", DEVICE, (5, 1), &[]);
        archive.entry("dev/null", DEVICE, (1, 3), &[]);
        archive
    }

    /// Adds a file that may be executed.
    pub(crate) fn file(&mut self, name: &str, contents: &[u8]) {
        self.entry(name, PROGRAM, (0, 0), contents);
    }

    /// The finished archive.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), contents: &[u8]) {
        self.inode += 1;
        let (size, name_size) = (contents.len() as u32, name.len() as u32 + 1);
        let fields = [self.inode, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(contents);
        self.pad();
    }

    /// Headers and contents begin at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_padded_and_numbered() {
        let mut archive = Archive { bytes: Vec::new(), inode: 0 };
        archive.file("init", b"abcde");
        let bytes = archive.finish();
        let header = "0707010000000100008\
            1ed00000000000000000000000100000000000000050000000000000000000000000000000000000005"
            .to_owned()
            + "00000000";
        let text = String::from_utf8(bytes[..110].to_vec()).unwrap();
        assert_eq!(text, header);
        assert_eq!(&bytes[110..124], b"init\0\0abcde\0\0\0");
        assert_eq!(&bytes[124..138], b"07070100000002");
        assert_eq!(bytes.len() % 4, 0);
    }
}
