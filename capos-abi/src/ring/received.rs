//! What a server sees of a call, and what it says of an object that it mints.
//!
//! Written by the kernel into a receive's result buffer, read by `capos-rt`; the other way round for [`Mint`].
//!
//! Invariant: every word of a [`ReceivedHeader`] is the kernel's; none is the client's.

/// The interface id of a received header that is no call but the kernel's own word.
pub const KERNEL_INTERFACE: u64 = 0;
/// Method of [`KERNEL_INTERFACE`]: the last capability to the object with this cookie is gone, and no call through it is in
/// progress. The token is the object's mint number.
pub const EVENT_UNREFERENCED: u16 = 0;
/// Method of [`KERNEL_INTERFACE`]: the caller of this token is gone; a return would complete with "caller gone".
pub const EVENT_ABANDONED: u16 = 1;

/// What stands in front of a received message, five words: interface id, method (bits 0-15) with the capability count
/// (bits 16-23), cookie, reply token, message bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedHeader {
    /// The interface that the client called, or [`KERNEL_INTERFACE`].
    pub interface: u64,
    /// The method.
    pub method: u16,
    /// Handles written to the receive list.
    pub capability_count: u8,
    /// What the server chose when it minted the object.
    pub cookie: u64,
    /// For the return; single use.
    pub token: u64,
    /// Bytes of the message behind this header.
    pub length: u32,
}

/// Bytes of a [`ReceivedHeader`].
pub const RECEIVED_HEADER_BYTES: usize = 40;

impl ReceivedHeader {
    /// The five words.
    #[must_use]
    pub const fn encode(&self) -> [u64; 5] {
        [
            self.interface,
            self.method as u64 | (self.capability_count as u64) << 16,
            self.cookie,
            self.token,
            self.length as u64,
        ]
    }

    /// Reads the five words.
    #[must_use]
    pub const fn decode(words: &[u64; 5]) -> ReceivedHeader {
        ReceivedHeader {
            interface: words[0],
            method: words[1] as u16,
            capability_count: (words[1] >> 16) as u8,
            cookie: words[2],
            token: words[3],
            length: words[4] as u32,
        }
    }
}

/// An object to be minted with a reply: three little-endian words in the message area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mint {
    /// The interface id that clients must state; not [`KERNEL_INTERFACE`].
    pub interface: u64,
    /// What the server will see with each call.
    pub cookie: u64,
    /// The methods that there are, bit n for method n.
    pub methods: u64,
}

/// Bytes of a [`Mint`].
pub const MINT_BYTES: usize = 24;

impl Mint {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; MINT_BYTES] {
        let mut bytes = [0; MINT_BYTES];
        let words = [self.interface, self.cookie, self.methods];
        for (place, word) in bytes.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// Reads the bytes.
    #[must_use]
    pub fn decode(bytes: &[u8; MINT_BYTES]) -> Mint {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
        Mint { interface: word(0), cookie: word(1), methods: word(2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_round_trip() {
        let header = ReceivedHeader {
            interface: u64::MAX - 1,
            method: 0xfffe,
            capability_count: 16,
            cookie: 3,
            token: 1 << 63,
            length: 70_000,
        };
        assert_eq!(ReceivedHeader::decode(&header.encode()), header);
        let mint = Mint { interface: 1, cookie: u64::MAX, methods: 0b1011 };
        assert_eq!(Mint::decode(&mint.encode()), mint);
    }
}
