//! What an instance is told at its start.
//!
//! Decoded from the message `launch` by the `capos-wasm` program, made by hand in tests; read by [`crate::engine`].
//!
//! Invariant: the bytes of the message are checked by the `capnp` crate at each access. A launch that passed [`Launch::check`] has no string that WASI's NUL-terminated lists would cut.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use capnp::message::{Reader, ReaderOptions, SegmentArray};
use capos_schema::launch_capnp::launch_parameters;

/// Depth of wasm calls unless the launch parameters say otherwise.
pub const RECURSION_LIMIT_DEFAULT: u32 = 50_000;
/// Bytes of the engine's value stack unless the launch parameters say otherwise: 160 bytes for each of the nested calls.
pub const STACK_BYTES_DEFAULT: u64 = 8 << 20;
/// Bytes of the engine's value stack at most: it lies on the heap and is paid for by the process.
pub const STACK_BYTES_MAX: u64 = 1 << 30;

/// The launch parameters, decoded. Fields as in `schema/launch.capnp`.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// argv.
    pub arguments: Vec<Vec<u8>>,
    /// `KEY=VALUE` each.
    pub environment: Vec<Vec<u8>>,
    /// Fuel units at most; `None` = no limit.
    pub fuel: Option<u64>,
    /// Bytes of linear memory at most.
    pub memory_limit: u64,
    /// Depth of wasm calls at most; `None` = [`RECURSION_LIMIT_DEFAULT`].
    pub recursion_limit: Option<u32>,
    /// Bytes of the engine's value stack at most; `None` = [`STACK_BYTES_DEFAULT`].
    pub stack_bytes: Option<u64>,
    /// What the module is called in reports.
    pub module_name: String,
    /// True if the module was validated when the image was made, so that it need not be again before it starts. Nothing
    /// is trusted for it: each function is validated before its first instruction all the same.
    pub is_validated: bool,
}

/// What is wrong with a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchError {
    /// The message cannot be read; the text says where.
    Message(String),
    /// There are preopened directories, which this host does not serve.
    Preopens(u32),
    /// The argument at this index holds a NUL.
    NulInArgument(usize),
    /// The environment entry at this index holds a NUL.
    NulInEnvironment(usize),
    /// The environment entry at this index is not `KEY=VALUE` with a key that is not empty.
    NoKey(usize),
}

impl core::fmt::Display for LaunchError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            LaunchError::Message(why) => write!(formatter, "the message cannot be read: {why}"),
            LaunchError::Preopens(count) => {
                write!(formatter, "{count} preopened directories, and directories are not served yet")
            }
            LaunchError::NulInArgument(index) => write!(formatter, "argument {index} holds a NUL byte"),
            LaunchError::NulInEnvironment(index) => {
                write!(formatter, "environment entry {index} holds a NUL byte")
            }
            LaunchError::NoKey(index) => {
                write!(formatter, "environment entry {index} is not KEY=VALUE with a key")
            }
        }
    }
}

impl From<capnp::Error> for LaunchError {
    fn from(error: capnp::Error) -> LaunchError {
        LaunchError::Message(error.to_string())
    }
}

impl Launch {
    /// Reads the message: one segment, unpacked, root at word 0.
    ///
    /// # Errors
    /// [`LaunchError::Message`], [`LaunchError::Preopens`].
    pub fn decode(message: &[u8]) -> Result<Launch, LaunchError> {
        let segments = [message];
        let message = Reader::new(SegmentArray::new(&segments), ReaderOptions::new());
        let parameters: launch_parameters::Reader<'_> = message.get_root()?;
        let preopens = parameters.get_preopens()?.len();
        if preopens > 0 {
            return Err(LaunchError::Preopens(preopens));
        }
        let name = parameters.get_module_name()?;
        Ok(Launch {
            arguments: owned(parameters.get_arguments()?)?,
            environment: owned(parameters.get_environment()?)?,
            fuel: Some(parameters.get_fuel()).filter(|fuel| *fuel != 0),
            memory_limit: parameters.get_memory_limit(),
            recursion_limit: Some(parameters.get_recursion_limit()).filter(|depth| *depth != 0),
            stack_bytes: Some(parameters.get_stack_bytes()).filter(|bytes| *bytes != 0),
            module_name: name.to_string().map_err(capnp::Error::from)?,
            is_validated: parameters.get_validated(),
        })
    }

    /// Checks the strings.
    ///
    /// # Errors
    /// See [`LaunchError`].
    pub fn check(&self) -> Result<(), LaunchError> {
        let has_nul = |entry: &Vec<u8>| entry.contains(&0);
        if let Some(index) = self.arguments.iter().position(has_nul) {
            return Err(LaunchError::NulInArgument(index));
        }
        if let Some(index) = self.environment.iter().position(has_nul) {
            return Err(LaunchError::NulInEnvironment(index));
        }
        let has_key = |entry: &Vec<u8>| entry.iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0);
        match self.environment.iter().position(|entry| !has_key(entry)) {
            Some(index) => Err(LaunchError::NoKey(index)),
            None => Ok(()),
        }
    }
}

/// The list's entries as vectors.
fn owned(list: capnp::data_list::Reader<'_>) -> Result<Vec<Vec<u8>>, LaunchError> {
    list.iter().map(|entry| Ok(entry?.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use capnp::message::{Builder, HeapAllocator};

    fn message(fill: impl FnOnce(launch_parameters::Builder<'_>)) -> Vec<u8> {
        let mut message = Builder::new(HeapAllocator::new().first_segment_words(1024));
        fill(message.init_root());
        assert_eq!(message.get_segments_for_output().len(), 1);
        message.get_segments_for_output()[0].to_vec()
    }

    #[test]
    fn what_init_writes_is_read() {
        let bytes = message(|mut launch| {
            let mut arguments = launch.reborrow().init_arguments(2);
            arguments.set(0, b"program");
            arguments.set(1, b"\xff");
            launch.reborrow().init_environment(1).set(0, b"KEY=value");
            launch.set_fuel(7);
            launch.set_memory_limit(1 << 20);
            launch.set_recursion_limit(9);
            launch.set_stack_bytes(4096);
            launch.set_module_name("hello");
            launch.set_validated(true);
        });
        let launch = Launch::decode(&bytes).unwrap();
        assert_eq!(launch.arguments, [b"program".to_vec(), b"\xff".to_vec()]);
        assert_eq!(launch.environment, [b"KEY=value".to_vec()]);
        assert_eq!((launch.fuel, launch.memory_limit), (Some(7), 1 << 20));
        assert_eq!((launch.recursion_limit, launch.stack_bytes), (Some(9), Some(4096)));
        assert_eq!(launch.module_name, "hello");
        assert!(launch.is_validated);
    }

    #[test]
    fn zero_means_the_default() {
        let launch = Launch::decode(&message(|mut launch| launch.set_memory_limit(5))).unwrap();
        assert_eq!((launch.fuel, launch.recursion_limit, launch.stack_bytes), (None, None, None));
        assert!(launch.arguments.is_empty() && launch.environment.is_empty());
        assert!(!launch.is_validated, "what nobody stated is not believed");
    }

    #[test]
    fn directories_are_refused_and_not_dropped() {
        let bytes = message(|launch| {
            launch.init_preopens(2);
        });
        assert_eq!(Launch::decode(&bytes).err(), Some(LaunchError::Preopens(2)));
    }

    #[test]
    fn broken_messages_are_refused() {
        let whole = message(|launch| launch.init_arguments(1).set(0, b"program"));
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
        for length in (0..used).step_by(8) {
            assert!(Launch::decode(&whole[..length]).is_err(), "{length} bytes");
        }
        assert!(Launch::decode(&[0xff; 64]).is_err());
    }
}
