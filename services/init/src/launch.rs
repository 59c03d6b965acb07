//! The LaunchParameters of a WASI instance, as the message that it reads at its start.
//!
//! Called by `spawn`; calls the `capnp` crate. The parameters are copied out of the manifest, so that an instance sees its
//! own and no other's.
//!
//! Invariant: one segment with the root at word 0.

use alloc::vec::Vec;

use capnp::message::{Builder, HeapAllocator};
use capos_schema::launch_capnp::launch_parameters;

/// The bytes of the message.
///
/// # Errors
/// If the parameters in the manifest are malformed.
pub fn encode(parameters: launch_parameters::Reader<'_>) -> capnp::Result<Vec<u8>> {
    let size = parameters.total_size()?;
    // The root pointer comes on top; with room for all of it the message stays one segment.
    let words = u32::try_from(size.word_count + 1)
        .map_err(|_| capnp::Error::from_kind(capnp::ErrorKind::MessageTooLarge(size.word_count as usize)))?;
    let mut message = Builder::new(HeapAllocator::new().first_segment_words(words));
    message.set_root(parameters)?;
    match *message.get_segments_for_output() {
        [segment] => Ok(segment.to_vec()),
        _ => Err(capnp::Error::failed("more than one segment".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use capnp::message::{Reader, ReaderOptions, SegmentArray};

    #[test]
    fn parameters_come_back_from_one_segment() {
        let mut manifest = Builder::new_default();
        let mut parameters = manifest.init_root::<launch_parameters::Builder<'_>>();
        parameters.set_fuel(7);
        parameters.set_module_name("hello");
        let mut arguments = parameters.reborrow().init_arguments(2);
        arguments.set(0, b"hello");
        arguments.set(1, &[b'x'; 100_000]);

        let bytes = encode(parameters.into_reader()).unwrap();
        let segments = [&bytes[..]];
        let message = Reader::new(SegmentArray::new(&segments), ReaderOptions::new());
        let parameters = message.get_root::<launch_parameters::Reader<'_>>().unwrap();
        assert_eq!(parameters.get_fuel(), 7);
        assert_eq!(parameters.get_module_name().unwrap(), "hello");
        assert_eq!(parameters.get_arguments().unwrap().get(1).unwrap(), [b'x'; 100_000]);
        assert_eq!(parameters.get_environment().unwrap().len(), 0);
    }
}
