//! Messages that nobody honest writes: each refusal, and a storm of damaged ones.
#![forbid(unsafe_code)]

use capos_schema::console::{ConsoleOpenParams, ConsoleStream, ConsoleWriteParams};
use capos_schema::interface::{by_id, by_name};
use capos_schema::process_handle::{ProcessHandleGrantParams, ProcessHandleWaitResults};
use capos_schema::wire::{DecodeError, EncodeError};

/// A message of these words.
fn message(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A root pointer to a struct right behind it.
const fn root(data_words: u64, pointers: u64) -> u64 {
    data_words << 32 | pointers << 48
}

/// A pointer to a list of bytes, `offset` words behind the pointer.
const fn bytes_at(offset: u64, length: u64) -> u64 {
    1 | offset << 2 | 2 << 32 | length << 35
}

/// The refusal of a write whose only pointer is `pointer`, followed by two words.
fn write(pointer: u64) -> Result<usize, DecodeError> {
    let bytes = message(&[root(0, 1), pointer, 0x1111, 0]);
    ConsoleWriteParams::decode(&bytes).map(|parameters| parameters.bytes.len())
}

#[test]
fn each_refusal_of_bulk_data() {
    assert_eq!(write(bytes_at(0, 16)), Ok(16));
    assert_eq!(write(bytes_at(0, 17)), Err(DecodeError::OutOfBounds));
    assert_eq!(write(bytes_at(1, 9)), Err(DecodeError::OutOfBounds));
    assert_eq!(write(bytes_at(0x1fff_ffff, 1)), Err(DecodeError::OutOfBounds));
    assert_eq!(write(bytes_at(0x3fff_fff0, 1)), Err(DecodeError::OutOfBounds), "before the message");
    assert_eq!(write(bytes_at(0, (1 << 29) - 1)), Err(DecodeError::OutOfBounds));
    assert_eq!(write(2), Err(DecodeError::FarPointer));
    assert_eq!(write(3), Err(DecodeError::WrongPointer), "a capability");
    assert_eq!(write(root(1, 0)), Err(DecodeError::WrongPointer), "a struct");
    for size in [0, 1, 3, 4, 5, 6, 7] {
        assert_eq!(write(1 | size << 32 | 1 << 35), Err(DecodeError::WrongPointer), "element size {size}");
    }
}

#[test]
fn each_refusal_of_a_root() {
    let decode = |words: &[u64]| ConsoleWriteParams::decode(&message(words)).err();
    assert_eq!(decode(&[root(0, 1)]), Some(DecodeError::OutOfBounds));
    assert_eq!(decode(&[root(0xffff, 0xffff)]), Some(DecodeError::OutOfBounds));
    assert_eq!(decode(&[2]), Some(DecodeError::FarPointer));
    assert_eq!(decode(&[1]), Some(DecodeError::WrongPointer));
    assert_eq!(decode(&[3]), Some(DecodeError::WrongPointer));
    assert_eq!(ConsoleWriteParams::decode(&[0; 12]).err(), Some(DecodeError::NotWholeWords));
    assert_eq!(decode(&[0]), None);
}

#[test]
fn each_refusal_of_a_text() {
    let open = |stream: u64, pointer: u64, text: u64| {
        let bytes = message(&[root(1, 1), stream, pointer, text]);
        ConsoleOpenParams::decode(&bytes).map(|parameters| parameters.name.to_string())
    };
    let abc = u64::from_le_bytes(*b"abc\0\0\0\0\0");
    assert_eq!(open(0, bytes_at(0, 4), abc).as_deref(), Ok("abc"));
    assert_eq!(open(0, bytes_at(0, 3), abc), Err(DecodeError::BadText), "no NUL");
    assert_eq!(open(0, bytes_at(0, 0), abc), Err(DecodeError::BadText), "no byte at all");
    assert_eq!(open(0, bytes_at(0, 4), abc | 0xff), Err(DecodeError::BadText), "not UTF-8");
    assert_eq!(open(0, bytes_at(0, 9), abc), Err(DecodeError::OutOfBounds));
    assert_eq!(open(2, bytes_at(0, 4), abc), Err(DecodeError::UnknownEnumerant));
    assert_eq!(open(0xffff, 0, abc), Err(DecodeError::UnknownEnumerant));
}

#[test]
fn each_refusal_of_a_capability() {
    let grant = |pointer: u64| {
        let bytes = message(&[root(1, 2), 7, 0, pointer]);
        ProcessHandleGrantParams::decode(&bytes).map(|parameters| parameters.capability)
    };
    assert_eq!(grant(3 | 5 << 32), Ok(Some(5)));
    assert_eq!(grant(0), Ok(None));
    assert_eq!(grant(7 | 5 << 32), Err(DecodeError::WrongPointer), "reserved bits");
    assert_eq!(grant(2), Err(DecodeError::FarPointer));
    assert_eq!(grant(root(1, 0)), Err(DecodeError::WrongPointer));
}

#[test]
fn each_refusal_of_a_nested_struct() {
    let wait = |pointer: u64| {
        let bytes = message(&[root(1, 2), 7, 0, pointer, 14, 0, 0]);
        ProcessHandleWaitResults::decode(&bytes).map(|results| results.fault.vector)
    };
    assert_eq!(wait(root(3, 0)), Ok(14));
    assert_eq!(wait(root(1, 0)), Ok(14), "an older sender's");
    assert_eq!(wait(root(4, 0)), Err(DecodeError::OutOfBounds));
    assert_eq!(wait(bytes_at(0, 1)), Err(DecodeError::WrongPointer));
    assert_eq!(wait(2), Err(DecodeError::FarPointer));
    // A struct that is its own content cannot make the reader loop.
    assert_eq!(wait(root(0, 1) | (-1_i32 as u32 as u64) << 2 & 0xffff_fffc), Ok(0));
}

#[test]
fn a_head_is_enough_for_bulk_data() {
    let parameters = ConsoleWriteParams { bytes: &[7; 1000] };
    let mut out = [0; 1016];
    assert_eq!(parameters.encode(&mut out), Ok(1016));
    let (head, range) = ConsoleWriteParams::decode_head(&out[..64], 1016).unwrap();
    assert_eq!((head.bytes.len(), range), (0, 16..1016));
    let mut other = [0xff; 1016];
    assert_eq!(ConsoleWriteParams::default().encode_head(1000, &mut other), Ok(16));
    assert_eq!(other[..16], out[..16]);
    assert_eq!(ConsoleWriteParams::decode_head(&out[..8], 1016).err(), Some(DecodeError::NotInHead));
    let text = message(&[root(1, 1), 0, bytes_at(2, 1), 0, 0, 0]);
    assert_eq!(ConsoleOpenParams::decode(&text).map(|found| found.name), Ok(""));
}

#[test]
fn small_buffers_are_refused() {
    let parameters = ConsoleOpenParams { name: "a name of some length", stream: ConsoleStream::Output };
    let size = parameters.encoded_bytes();
    let mut out = vec![0; size];
    assert_eq!(parameters.encode(&mut out), Ok(size));
    for length in 0..size {
        assert_eq!(parameters.encode(&mut out[..length]), Err(EncodeError::BufferTooSmall));
    }
    let write = ConsoleWriteParams { bytes: &[1; 9] };
    for length in 0..write.encoded_bytes() {
        assert_eq!(write.encode(&mut [0; 64][..length]), Err(EncodeError::BufferTooSmall));
    }
}

/// A small generator of reproducible numbers (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn damaged_messages_are_read_or_refused() {
    let results = ProcessHandleWaitResults { report: "some report", ..ProcessHandleWaitResults::default() };
    let mut good = vec![0; results.encoded_bytes()];
    results.encode(&mut good).unwrap();
    let (mut numbers, mut accepted, mut refused) = (Numbers(0x2545_f491_4f6c_dd1d), 0, 0);
    for _ in 0..100_000 {
        let mut bytes = good.clone();
        for _ in 0..1 + numbers.next() % 4 {
            let place = numbers.next() as usize % bytes.len();
            bytes[place] ^= 1 << (numbers.next() % 8);
        }
        bytes.truncate((numbers.next() as usize % (bytes.len() + 64)).max(8));
        match ProcessHandleWaitResults::decode(&bytes) {
            Ok(found) => {
                assert!(found.report.len() < bytes.len());
                accepted += 1;
            }
            Err(_) => refused += 1,
        }
        let _ = ConsoleWriteParams::decode(&bytes);
        let _ = ConsoleOpenParams::decode(&bytes);
        let _ = ProcessHandleGrantParams::decode(&bytes);
    }
    assert!(accepted > 10_000 && refused > 10_000, "{accepted} accepted, {refused} refused");
}

#[test]
fn interfaces_are_found() {
    let console = by_name("Console").unwrap();
    assert_eq!(by_id(console.id).unwrap().name, "Console");
    assert_eq!(console.method("open").unwrap().mask(), 0b10);
    assert!(console.method("close").is_none());
    for interface in capos_schema::INTERFACES {
        assert_eq!(interface.all_methods.count_ones() as usize, interface.methods.len());
        for (number, method) in interface.methods.iter().enumerate() {
            assert_eq!(usize::from(method.number), number);
        }
    }
}
