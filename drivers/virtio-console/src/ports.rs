//! The ports of the console: which there are, what they are called, and what is said to the device about them.
//!
//! Called by the driver with each message of the control queue; answers go out on the other one. Virtio 1.2, section 5.3.6.2.
//! Pure.
//!
//! Invariant: what the device says is only a claim: a port beyond the table, a name that is too long and an unknown event
//! change nothing.

/// Bytes of a message without its text.
pub const HEADER_BYTES: usize = 8;
/// Ports that are used at most; further ones are ignored.
pub const PORTS_MAX: usize = 8;
/// Bytes of a name at most.
const NAME_BYTES_MAX: usize = 64;
/// The port number of messages that are about the device.
const DEVICE: u32 = u32::MAX;

/// What a message is about.
mod event {
    pub(super) const DEVICE_READY: u16 = 0;
    pub(super) const PORT_ADD: u16 = 1;
    pub(super) const PORT_REMOVE: u16 = 2;
    pub(super) const PORT_READY: u16 = 3;
    pub(super) const PORT_OPEN: u16 = 6;
    pub(super) const PORT_NAME: u16 = 7;
}

/// A message for the device.
pub type Message = [u8; HEADER_BYTES];

/// The first message: the driver asks for all ports.
pub const READY: Message = message(DEVICE, event::DEVICE_READY, 1);

const fn message(port: u32, event: u16, value: u16) -> Message {
    (port as u64 | (event as u64) << 32 | (value as u64) << 48).to_le_bytes()
}

/// The queue through which a port sends.
#[must_use]
pub const fn transmit_queue(port: usize) -> u16 {
    if port == 0 { 1 } else { 2 * port as u16 + 3 }
}

/// What is known about the ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    names: [Option<Name>; PORTS_MAX],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    bytes: [u8; NAME_BYTES_MAX],
    length: usize,
}

impl Ports {
    /// Takes a message of the device; returns the answer that is due.
    pub fn hear(&mut self, bytes: &[u8]) -> Option<Message> {
        let header = u64::from_le_bytes(*bytes.first_chunk()?);
        let port = header as u32;
        let place = self.names.get_mut(port as usize)?;
        match (header >> 32) as u16 {
            // The name comes in answer to this.
            event::PORT_ADD => Some(message(port, event::PORT_READY, 1)),
            event::PORT_REMOVE => {
                *place = None;
                None
            }
            event::PORT_NAME => {
                *place = Some(Name::of(bytes.get(HEADER_BYTES..)?)?);
                Some(message(port, event::PORT_OPEN, 1))
            }
            _ => None,
        }
    }

    /// The port with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let is_named = |place: &Option<Name>| {
            place.is_some_and(|its_name| its_name.bytes.get(..its_name.length) == Some(name.as_bytes()))
        };
        self.names.iter().position(is_named)
    }
}

impl Name {
    /// QEMU ends the name with a zero byte. `None` for one that is empty or too long.
    fn of(text: &[u8]) -> Option<Name> {
        let length = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes.get_mut(..length)?.copy_from_slice(&text[..length]);
        (length > 0).then_some(Name { bytes, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(port: u32, text: &[u8]) -> Vec<u8> {
        [&message(port, event::PORT_NAME, 1)[..], text].concat()
    }

    #[test]
    fn ports_are_asked_for_named_and_opened() {
        let mut ports = Ports::default();
        assert_eq!(READY, [0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0]);
        assert_eq!(ports.hear(&message(1, event::PORT_ADD, 1)), Some([1, 0, 0, 0, 3, 0, 1, 0]));
        assert_eq!(ports.hear(&named(1, b"org.capos.output\0")), Some([1, 0, 0, 0, 6, 0, 1, 0]));
        assert_eq!(ports.find("org.capos.output"), Some(1));
        assert_eq!((transmit_queue(0), transmit_queue(1), transmit_queue(2)), (1, 5, 7));
        assert_eq!(ports.hear(&message(1, event::PORT_REMOVE, 1)), None);
        assert_eq!(ports.find("org.capos.output"), None);
    }

    #[test]
    fn claims_that_make_no_sense_change_nothing() {
        let mut ports = Ports::default();
        let before = ports.clone();
        let long = named(0, &[b'x'; NAME_BYTES_MAX + 1]);
        let messages = [
            &[][..],
            &[0; 7],
            &message(PORTS_MAX as u32, event::PORT_ADD, 1),
            &message(DEVICE, event::PORT_NAME, 1),
            &message(0, 99, 1),
            &named(0, b""),
            &named(0, b"\0name"),
            &long,
        ];
        for bytes in messages {
            assert_eq!(ports.hear(bytes), None, "{bytes:?}");
        }
        assert_eq!(ports, before);
    }
}
