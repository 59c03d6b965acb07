//! The ways to serve and to call one thing at a time, as most programs do: the kernel's direct way between processes.
//!
//! Called by `main`, as `calls`.
//!
//! Invariant: a way returns its exit code; 0 means that all was as it must be.

use capos_kernel_suite::by_hand;
use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Exception, Transport};
use capos_rt::abi::ring::{FLAGS, KERNEL_INTERFACE, Mint, Opcode, RECEIVED_HEADER_BYTES, ReceivedHeader};
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::untyped::{self, Outgoing, Room, Server};
use capos_rt::{Cap, CapSet, Capability, hostile};

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn(&CapSet) -> u32> {
    const WAYS: &[(&str, fn(&CapSet) -> u32)] = &[
        ("serve directly", serve),
        ("call once", |capabilities| call_times(capabilities, 1)),
        ("call twice", |capabilities| call_times(capabilities, 2)),
        ("call twice and lose the third", lose_the_third),
        ("call with vectors", call_with_vectors),
        ("serve with vectors", serve_with_vectors),
        ("receive two at once", receive_two_at_once),
    ];
    WAYS.iter().find(|(one, _)| *one == name).map(|(_, way)| *way)
}

/// Answers method 0 with its message, and method 1 in a way that the first byte of its message says.
fn serve(capabilities: &CapSet) -> u32 {
    let endpoint: Result<Cap<Endpoint>, _> = capabilities.get("endpoint");
    let Ok(endpoint) = endpoint else { return 1 };
    match serve_all(&endpoint) {
        Ok(code) => code,
        Err(CallError::Transport(Transport::Revoked)) => 7,
        Err(_) => 2,
    }
}

fn serve_all(endpoint: &Cap<Endpoint>) -> Result<u32, CallError> {
    let mut server = Server::new(endpoint, 512, 256)?;
    let mut header = server.receive()?;
    let mut last = 0;
    loop {
        let (message, reply) = server.buffers();
        let length = message.len();
        reply[..length].copy_from_slice(message);
        let token = header.token;
        let asked = if header.method == 1 { message.first().copied().unwrap_or(0) } else { 0 };
        header = match (header.interface, asked) {
            (KERNEL_INTERFACE, _) => server.receive()?,
            // It ends with the call in its hands.
            (_, 1) => return Ok(0),
            // The answer takes the general way.
            (_, 2) => {
                untyped::reply(token, b"apart", &[])?;
                server.receive()?
            }
            // An exception does too.
            (_, 3) => {
                untyped::refuse(token, Exception::Overloaded)?;
                server.receive()?
            }
            // The token before this one is used up.
            (_, 4) => {
                let again = untyped::reply(last, b"", &[]);
                let is_gone = again == Err(CallError::Transport(Transport::CallerGone));
                server.buffers().1[0] = u8::from(is_gone);
                server.reply_and_receive(token, 1)?
            }
            // A new object.
            (_, 6) => {
                let mint = Mint { interface: Probe::ID, cookie: 7, methods: Probe::ALL_METHODS };
                untyped::reply(token, b"", &[Outgoing::Mint(mint)])?;
                server.receive()?
            }
            // More than the caller has room for.
            (_, 5) => match server.reply_and_receive(token, 512) {
                Err(CallError::Transport(Transport::TooLarge)) => server.receive()?,
                _ => return Ok(3),
            },
            _ => server.reply_and_receive(token, length)?,
        };
        last = token;
    }
}

pub(crate) fn service(capabilities: &CapSet) -> Option<Cap<Probe>> {
    capabilities.get("service").ok()
}

/// Calls so often and ends.
pub(crate) fn call_times(capabilities: &CapSet, times: u32) -> u32 {
    let Some(service) = service(capabilities) else { return 1 };
    let mut reply = [0; 8];
    for _ in 0..times {
        if service.call_bytes(0, b"", &mut reply) != Ok(0) {
            return 2;
        }
    }
    0
}

/// Calls twice, and a third time, which gets no answer.
fn lose_the_third(capabilities: &CapSet) -> u32 {
    let twice = call_times(capabilities, 2);
    let Some(service) = service(capabilities).filter(|_| twice == 0) else { return 2 };
    match service.call_bytes(0, b"", &mut []) {
        Err(CallError::Transport(Transport::Revoked)) => 0,
        _ => 3,
    }
}

/// Calls, and answers to them, that are made by hand.
const ROUNDS: u64 = 8;
/// Where in the message area what comes goes, past what the runtime uses, and how much.
const PLACE: usize = 4096;
const CAPACITY: u64 = 64 << 32;

/// The first word of a submission whose messages lie in the message area.
fn first_word(opcode: Opcode, capability: &dyn Capability) -> u64 {
    opcode as u64 | u64::from(FLAGS) << 8 | u64::from(capability.handle().0) << 32
}

/// Calls, with other values in the vector registers each time, which must still be there behind the call.
fn call_with_vectors(capabilities: &CapSet) -> u32 {
    let Some(service) = service(capabilities) else { return 1 };
    let words = [first_word(Opcode::Call, &service), Probe::ID, 1, 0, CAPACITY, PLACE as u64, 0, 0];
    for round in 0..=ROUNDS {
        if by_hand::enter_with_vectors(&words, 0x0123_4567_89ab_cdef + round) != Some(0) {
            return 2;
        }
    }
    0
}

/// Answers, likewise.
fn serve_with_vectors(capabilities: &CapSet) -> u32 {
    let endpoint: Result<Cap<Endpoint>, _> = capabilities.get("endpoint");
    let Ok(endpoint) = endpoint else { return 1 };
    let received = Server::new(&endpoint, 64, 64).and_then(|mut server| server.receive());
    let Ok(mut header) = received else { return 2 };
    for round in 0..ROUNDS {
        let first = first_word(Opcode::ReturnAndReceive, &endpoint);
        let words = [first, 0, 1, 0, CAPACITY, PLACE as u64, header.token, 0];
        if by_hand::enter_with_vectors(&words, 0xfeed_0000_beef_0000 + round) != Some(0) {
            return 3;
        }
        let mut bytes = [0; RECEIVED_HEADER_BYTES];
        hostile::read_area(PLACE, &mut bytes);
        let word =
            |index: usize| bytes.as_chunks::<8>().0.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        header = ReceivedHeader::decode(&[0, 1, 2, 3, 4].map(word));
    }
    u32::from(untyped::reply(header.token, b"", &[]).is_err())
}

/// Receives two calls with one `enter`, which must not return before both are there; answers both.
fn receive_two_at_once(capabilities: &CapSet) -> u32 {
    let endpoint: Result<Cap<Endpoint>, _> = capabilities.get("endpoint");
    let Ok(endpoint) = endpoint else { return 1 };
    let room = Room { bytes: 64, capabilities: 0 };
    let (Ok(one), Ok(other)) = (endpoint.begin_accept(room), endpoint.begin_accept(room)) else { return 2 };
    if hostile::enter(2, u64::MAX, 0) != 2 {
        return 3;
    }
    let answered = [one, other].into_iter().try_for_each(|progress| {
        let header = progress.wait()?.header()?;
        untyped::reply(header.token, b"", &[])
    });
    u32::from(answered.is_err())
}
