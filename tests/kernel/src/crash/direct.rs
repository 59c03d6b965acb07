//! The ways to serve and to call one thing at a time, as most programs do: the kernel's direct way between processes.
//!
//! Called by `main`, as `calls`.
//!
//! Invariant: a way returns its exit code; 0 means that all was as it must be.

use capos_kernel_suite::probe::Probe;
use capos_rt::abi::error::{CallError, Exception, Transport};
use capos_rt::abi::ring::KERNEL_INTERFACE;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::untyped::{self, Server};
use capos_rt::{Cap, CapSet};

/// The way with this name.
pub(crate) fn find(name: &str) -> Option<fn(&CapSet) -> u32> {
    const WAYS: &[(&str, fn(&CapSet) -> u32)] = &[
        ("serve directly", serve),
        ("call twice", call_twice),
        ("call twice and lose the third", lose_the_third),
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

fn service(capabilities: &CapSet) -> Option<Cap<Probe>> {
    capabilities.get("service").ok()
}

/// Calls twice and ends.
fn call_twice(capabilities: &CapSet) -> u32 {
    let Some(service) = service(capabilities) else { return 1 };
    let mut reply = [0; 8];
    for _ in 0..2 {
        if service.call_bytes(0, b"", &mut reply) != Ok(0) {
            return 2;
        }
    }
    0
}

/// Calls twice, and a third time, which gets no answer.
fn lose_the_third(capabilities: &CapSet) -> u32 {
    let twice = call_twice(capabilities);
    let Some(service) = service(capabilities).filter(|_| twice == 0) else { return 2 };
    match service.call_bytes(0, b"", &mut []) {
        Err(CallError::Transport(Transport::Revoked)) => 0,
        _ => 3,
    }
}
