//! The generated codecs against the `capnp` crate: each reads what the other writes.
//!
//! The crate's structs are used without generated code: words and pointers at the offsets that the Cap'n Proto layout rules
//! give the schema's fields.
#![forbid(unsafe_code)]

use capnp::Word;
use capnp::message::{Builder, HeapAllocator, Reader, ReaderOptions, SegmentArray};
use capnp::private::layout::{PointerBuilder, PointerReader, StructBuilder, StructReader, StructSize};
use capnp::traits::{FromPointerBuilder, FromPointerReader};
use capos_schema::console::{ConsoleOpenParams, ConsoleStream, ConsoleWriteParams};
use capos_schema::process_handle::{ProcessHandleFault, ProcessHandleWaitResults};
use capos_schema::process_spawner::{ProcessSpawnerCreateParams, ProcessSpawnerCreateResults};
use capos_schema::virtual_memory::VirtualMemoryMapParams;

/// A struct of any shape, read.
struct Read<'a>(StructReader<'a>);

impl<'a> FromPointerReader<'a> for Read<'a> {
    fn get_from_pointer(reader: &PointerReader<'a>, default: Option<&'a [Word]>) -> capnp::Result<Self> {
        reader.get_struct(default).map(Read)
    }
}

/// A struct of 4 data words and 2 pointers, written: a newer sender's struct is larger than ours.
struct Written<'a>(StructBuilder<'a>);

impl<'a> FromPointerBuilder<'a> for Written<'a> {
    fn init_pointer(builder: PointerBuilder<'a>, _length: u32) -> Self {
        Written(builder.init_struct(StructSize { data: 4, pointers: 2 }))
    }

    fn get_from_pointer(builder: PointerBuilder<'a>, default: Option<&'a [Word]>) -> capnp::Result<Self> {
        builder.get_struct(StructSize { data: 4, pointers: 2 }, default).map(Written)
    }
}

/// Has the crate read a message.
fn read(message: &[u8], check: impl FnOnce(StructReader<'_>)) {
    let mut words = Word::allocate_zeroed_vec(message.len() / 8);
    Word::words_to_bytes_mut(&mut words).copy_from_slice(message);
    let segments = [Word::words_to_bytes(&words)];
    let reader = Reader::new(SegmentArray::new(&segments), ReaderOptions::new());
    check(reader.get_root::<Read<'_>>().unwrap().0);
}

/// Has the crate write a message.
fn written(fill: impl FnOnce(StructBuilder<'_>)) -> Vec<u8> {
    let mut builder = Builder::new(HeapAllocator::new().first_segment_words(16_384));
    fill(builder.init_root::<Written<'_>>().0);
    let segments = builder.get_segments_for_output();
    assert_eq!(segments.len(), 1);
    segments[0].to_vec()
}

/// A pointer of the struct. The builder hands them out by value, so each takes a fresh borrow.
fn set_text(structure: &mut StructBuilder<'_>, index: usize, text: &str) {
    structure.reborrow().get_pointer_field(index).set_text(text.into());
}

fn encoded(bytes: usize, encode: impl FnOnce(&mut [u8]) -> usize) -> Vec<u8> {
    let mut out = vec![0xa5; bytes];
    assert_eq!(encode(&mut out), bytes);
    out
}

#[test]
fn bulk_data() {
    let bytes: Vec<u8> = (0..65_531_u32).map(|value| value as u8).collect();
    let ours = ConsoleWriteParams { bytes: &bytes };
    let message = encoded(ours.encoded_bytes(), |out| ours.encode(out).unwrap());
    read(&message, |found| assert_eq!(found.get_pointer_field(0).get_data(None).unwrap(), bytes));
    let theirs = written(|mut structure| structure.reborrow().get_pointer_field(0).set_data(&bytes));
    assert_eq!(ConsoleWriteParams::decode(&theirs), Ok(ours));
}

#[test]
fn text_and_enum() {
    let ours = ConsoleOpenParams { name: "hello", stream: ConsoleStream::Error };
    let message = encoded(ours.encoded_bytes(), |out| ours.encode(out).unwrap());
    read(&message, |found| {
        assert_eq!(found.get_data_field::<u16>(0), 1);
        assert_eq!(found.get_pointer_field(0).get_text(None).unwrap(), "hello");
    });
    let theirs = written(|mut structure| {
        structure.set_data_field::<u16>(0, 1);
        set_text(&mut structure, 0, "hello");
    });
    assert_eq!(ConsoleOpenParams::decode(&theirs), Ok(ours));
}

#[test]
fn numbers_booleans_and_capabilities() {
    let ours = VirtualMemoryMapParams { object: Some(3), offset: 1 << 40, length: 4096, writable: true };
    let message = encoded(ours.encoded_bytes(), |out| ours.encode(out).unwrap());
    read(&message, |found| {
        assert_eq!(found.get_data_field::<u64>(0), 1 << 40);
        assert_eq!(found.get_data_field::<u64>(1), 4096);
        assert!(found.get_bool_field(128));
        let pointer = found.get_pointer_field(0);
        assert!(matches!(pointer.get_pointer_type(), Ok(capnp::private::layout::PointerType::Capability)));
    });
    let theirs = written(|structure| {
        structure.set_data_field::<u64>(0, 1 << 40);
        structure.set_data_field::<u64>(1, 4096);
        structure.set_bool_field(128, true);
    });
    let ours = VirtualMemoryMapParams { object: None, ..ours };
    assert_eq!(VirtualMemoryMapParams::decode(&theirs), Ok(ours));
}

#[test]
fn several_texts_and_words() {
    let ours = ProcessSpawnerCreateParams {
        name: "worker",
        image: Some(0),
        memory_limit: 1 << 33,
        stack_bytes: 65_536,
        submission_entries: 16,
        completion_entries: 32,
        area_bytes: 8192,
    };
    let message = encoded(ours.encoded_bytes(), |out| ours.encode(out).unwrap());
    read(&message, |found| {
        assert_eq!(found.get_data_field::<u64>(0), 1 << 33);
        assert_eq!(found.get_data_field::<u64>(1), 65_536);
        assert_eq!(found.get_data_field::<u32>(4), 16);
        assert_eq!(found.get_data_field::<u32>(5), 32);
        assert_eq!(found.get_data_field::<u32>(6), 8192);
        assert_eq!(found.get_pointer_field(0).get_text(None).unwrap(), "worker");
    });
    let results = ProcessSpawnerCreateResults { process: Some(0), memory: Some(1) };
    let message = encoded(ProcessSpawnerCreateResults::FIXED_BYTES, |out| results.encode(out).unwrap());
    assert_eq!(ProcessSpawnerCreateResults::decode(&message), Ok(results));
}

#[test]
fn nested_structs() {
    let fault = ProcessHandleFault {
        vector: 14,
        error_code: 6,
        address: 0xdead_0000,
        instruction_pointer: 0x20_0000,
    };
    let ours = ProcessHandleWaitResults { kind: 7, code: 9, report: "page fault", fault };
    let message = encoded(ours.encoded_bytes(), |out| ours.encode(out).unwrap());
    read(&message, |found| {
        assert_eq!(found.get_data_field::<u16>(0), 7);
        assert_eq!(found.get_data_field::<u32>(1), 9);
        assert_eq!(found.get_pointer_field(0).get_text(None).unwrap(), "page fault");
        let fault = found.get_pointer_field(1).get_struct(None).unwrap();
        assert_eq!(fault.get_data_field::<u8>(0), 14);
        assert_eq!(fault.get_data_field::<u32>(1), 6);
        assert_eq!(fault.get_data_field::<u64>(1), 0xdead_0000);
        assert_eq!(fault.get_data_field::<u64>(2), 0x20_0000);
    });
    let theirs = written(|mut structure| {
        structure.set_data_field::<u16>(0, 7);
        structure.set_data_field::<u32>(1, 9);
        set_text(&mut structure, 0, "page fault");
        let nested = structure.get_pointer_field(1).init_struct(StructSize { data: 3, pointers: 0 });
        nested.set_data_field::<u8>(0, 14);
        nested.set_data_field::<u32>(1, 6);
        nested.set_data_field::<u64>(1, 0xdead_0000);
        nested.set_data_field::<u64>(2, 0x20_0000);
    });
    assert_eq!(ProcessHandleWaitResults::decode(&theirs), Ok(ours));
}

#[test]
fn absent_fields_are_defaults() {
    let theirs = written(|_| {});
    assert_eq!(ConsoleWriteParams::decode(&theirs), Ok(ConsoleWriteParams::default()));
    assert_eq!(ProcessHandleWaitResults::decode(&theirs), Ok(ProcessHandleWaitResults::default()));
    assert_eq!(ProcessHandleWaitResults::decode(&[]), Ok(ProcessHandleWaitResults::default()));
    assert_eq!(ProcessHandleWaitResults::decode(&[0; 8]), Ok(ProcessHandleWaitResults::default()));
}
