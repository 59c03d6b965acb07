//! Host tests of the ring's pure part: every refusal of `Submission::decode`, and that what encodes decodes.

use super::*;

const LAYOUT: Layout = Layout::DEFAULT;

fn call() -> Submission {
    Submission {
        flags: FLAGS,
        method: 3,
        handle: Handle::new(9, 2),
        interface: 0x8123_4567_89ab_cdef,
        address: 64,
        length: 48,
        result_address: 4096,
        result_capacity: 4096,
        send_list: 16,
        send_count: 2,
        receive_list: 32,
        receive_slots: 4,
        ..Submission::new(Opcode::Call, 77)
    }
}

fn refusal(submission: Submission) -> Transport {
    Submission::decode(&submission.encode(), &LAYOUT).unwrap_err()
}

#[test]
fn a_call_round_trips() {
    assert_eq!(Submission::decode(&call().encode(), &LAYOUT), Ok(call()));
    assert_eq!(Submission::user_data_of(&call().encode()), 77);
}

#[test]
fn a_plain_call_is_what_the_general_decoder_says() {
    let plain = Submission { send_list: 0, send_count: 0, receive_list: 0, receive_slots: 0, ..call() };
    let area = LAYOUT.area_bytes;
    assert_eq!(Submission::decode_plain_call(&plain.encode(), area), Some(plain));
    assert_eq!(Submission::decode_plain_call(&call().encode(), area), None);
    let short = PlainCall::new(plain.handle, plain.interface, plain.method);
    let parameters = (plain.address, plain.length);
    let results = (plain.result_address, plain.result_capacity);
    assert_eq!(short.encode(plain.user_data, parameters, results), plain.encode());
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut plain_calls = 0;
    // Miri takes a thousand times as long for each.
    let rounds = if cfg!(miri) { 500 } else { 200_000 };
    for _ in 0..rounds {
        let mut words = plain.encode();
        for _ in 0..random() % 3 {
            let place = random() as usize % words.len();
            words[place] ^= 1 << (random() % 64);
        }
        words[3] = words[3].wrapping_add((random() % 4096) & !3);
        words[4] = words[4].wrapping_add(random() % 8192);
        if let Some(decoded) = Submission::decode_plain_call(&words, area) {
            assert_eq!(Submission::decode(&words, &LAYOUT), Ok(decoded));
            plain_calls += 1;
        }
    }
    assert!(plain_calls > rounds / 200, "{plain_calls}");
}

#[test]
fn every_opcode_decodes_bare() {
    for opcode in Opcode::ALL {
        let submission = Submission::new(*opcode, 1);
        assert_eq!(Submission::decode(&submission.encode(), &LAYOUT), Ok(submission));
    }
}

#[test]
fn unknown_opcodes_and_flags_are_refused() {
    let mut words = call().encode();
    words[0] = (words[0] & !0xff) | Opcode::ALL.len() as u64;
    assert_eq!(Submission::decode(&words, &LAYOUT), Err(Transport::UnknownOpcode));
    assert_eq!(refusal(Submission { flags: 0x80, ..call() }), Transport::ReservedNotZero);
}

#[test]
fn unused_fields_must_be_zero() {
    for opcode in [Opcode::Nop, Opcode::Cancel, Opcode::Park] {
        assert_eq!(refusal(Submission { opcode, ..call() }), Transport::ReservedNotZero);
    }
    assert_eq!(
        refusal(Submission { operand: 1, ..Submission::new(Opcode::Release, 0) }),
        Transport::ReservedNotZero
    );
}

#[test]
fn buffers_must_lie_in_the_area() {
    assert_eq!(refusal(Submission { address: 8192 - 40, ..call() }), Transport::BadAddress);
    assert_eq!(refusal(Submission { address: u64::MAX - 7, ..call() }), Transport::BadAddress);
    assert_eq!(refusal(Submission { address: 4, ..call() }), Transport::BadAddress);
    assert_eq!(refusal(Submission { result_address: 4104, ..call() }), Transport::BadAddress);
    assert_eq!(refusal(Submission { send_list: 8184, ..call() }), Transport::BadAddress);
    assert_eq!(refusal(Submission { receive_list: 8180, ..call() }), Transport::BadAddress);
    assert_eq!(refusal(Submission { receive_list: 2, ..call() }), Transport::BadAddress);
}

#[test]
fn sizes_are_bounded() {
    let too_long = MESSAGE_BYTES_MAX as u32 + 1;
    assert_eq!(refusal(Submission { flags: 0, length: too_long, ..call() }), Transport::TooLarge);
    assert_eq!(refusal(Submission { flags: 0, result_capacity: too_long, ..call() }), Transport::TooLarge);
    assert_eq!(refusal(Submission { send_count: 17, ..call() }), Transport::BadTransfer);
    assert_eq!(refusal(Submission { receive_slots: 17, ..call() }), Transport::BadTransfer);
}

#[test]
fn the_default_layout_is_three_pages() {
    assert!(LAYOUT.is_valid());
    assert_eq!(LAYOUT.area_offset(), 4096);
    assert_eq!(LAYOUT.region_bytes(), 3 * 4096);
    assert!(!Layout { submission_entries: 12, ..LAYOUT }.is_valid());
    assert!(!Layout { completion_entries: 16, ..LAYOUT }.is_valid());
    assert!(!Layout { area_bytes: 100, ..LAYOUT }.is_valid());
}

#[test]
fn completions_and_headers_round_trip() {
    let completion =
        Completion { user_data: u64::MAX, result: -3, capability_count: 16, length: 0xffff_ffff };
    assert_eq!(Completion::decode(&completion.encode()), completion);
    let header = ReceivedHeader {
        interface: 1,
        method: 0xffff,
        capability_count: 16,
        cookie: u64::MAX,
        token: 5,
        length: 65_536,
    };
    assert_eq!(ReceivedHeader::decode(&header.encode()), header);
}

#[test]
fn distances_wrap_and_refuse_forgeries() {
    assert_eq!(distance(u32::MAX, 2, 16), Some(3));
    assert_eq!(distance(5, 5, 16), Some(0));
    assert_eq!(distance(0, 17, 16), None);
    assert_eq!(distance(5, 4, 16), None);
}

#[test]
fn a_return_is_a_reply_or_an_exception() {
    let bare = Submission { operand: 7, ..Submission::new(Opcode::Return, 1) };
    let decoded = |submission: &Submission| Submission::decode(&submission.encode(), &Layout::DEFAULT);
    for exception in Exception::ALL {
        let stated = Submission { method: exception.result().unsigned_abs() as u16, ..bare };
        assert_eq!(decoded(&stated), Ok(stated));
        let with_message = Submission { flags: FLAG_PARAMETERS_IN_AREA, length: 8, ..stated };
        assert_eq!(decoded(&with_message), Err(Transport::ReservedNotZero));
        assert_eq!(decoded(&Submission { send_count: 1, ..stated }), Err(Transport::ReservedNotZero));
    }
    for method in [1, 5, 63, 68, 127, 0xffff] {
        assert_eq!(decoded(&Submission { method, ..bare }), Err(Transport::ReservedNotZero));
    }
    assert_eq!(decoded(&Submission { interface: 1, ..bare }), Err(Transport::ReservedNotZero));
    assert_eq!(decoded(&bare), Ok(bare));
}

#[test]
fn a_plain_return_is_decoded_as_any_other() {
    let plain = Submission {
        flags: FLAGS,
        handle: Handle::new(3, 1),
        address: 64,
        length: 16,
        result_address: 128,
        result_capacity: 256,
        operand: u64::MAX,
        ..Submission::new(Opcode::ReturnAndReceive, 5)
    };
    let limit = Layout::DEFAULT.area_bytes;
    assert_eq!(Submission::decode_plain_return(&plain.encode(), limit), Some(plain));
    let answer = PlainAnswer { endpoint: plain.handle, token: plain.operand, length: plain.length };
    let without = Submission { handle: Handle::NULL, operand: 0, length: 0, ..plain };
    assert_eq!(answer.fill_in(&without.encode()), plain.encode());
    let words = plain.encode();
    for word in 0..8 {
        for bit in 0..64 {
            let mut words = words;
            words[word] ^= 1 << bit;
            if let Some(found) = Submission::decode_plain_return(&words, limit) {
                assert_eq!(Submission::decode(&words, &Layout::DEFAULT), Ok(found), "{word} {bit}");
            }
        }
    }
    for other in [
        Submission { method: 64, length: 0, ..plain },
        Submission { send_count: 1, ..plain },
        Submission { receive_slots: 17, ..plain },
        Submission { receive_list: 2, receive_slots: 1, ..plain },
        Submission { receive_list: limit, receive_slots: 1, ..plain },
        Submission { flags: 0, ..plain },
        Submission { address: u64::from(limit), ..plain },
    ] {
        assert_eq!(Submission::decode_plain_return(&other.encode(), limit), None);
    }
}
