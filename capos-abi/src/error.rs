//! Why a submission did not succeed: transport errors and exceptions, as negative completion results.
//!
//! The kernel writes them, `capos-rt` reads them, the book prints them from this table. Domain results (a file that is
//! not there) are not errors of this kind: they are part of a reply and live in `schema/`.
//!
//! Invariant: a result of 0 or more is a success; -1 to -63 is the transport's, -64 to -127 is the object's exception.
//! Numbers are append-only.

macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $text:literal;)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum $name { $($(#[doc = $doc])+ $variant = $number,)+ }

        impl $name {
            /// Every row of the table, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The row with this completion result, if there is one.
            #[must_use]
            pub const fn from_result(result: i32) -> Option<$name> {
                match result { $($number => Some($name::$variant),)+ _ => None }
            }

            /// The negative number that a completion carries.
            #[must_use]
            pub const fn result(self) -> i32 {
                self as i32
            }

            /// The words used in reports.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                formatter.write_str(self.text())
            }
        }
    };
}

numbered! {
    /// The call did not reach its object, or its reply did not reach the caller.
    Transport {
        /// The handle names no capability of this process, or one that was released.
        BadHandle = -1, "bad handle";
        /// The interface id of the call is not the object's.
        WrongInterface = -2, "wrong interface";
        /// The capability's method mask does not have the method.
        MethodDenied = -3, "method denied";
        /// The capability was revoked.
        Revoked = -4, "revoked";
        /// The object or the server behind it is gone.
        Disconnected = -5, "disconnected";
        /// The message is larger than the receiver or the protocol accepts, or the reply than the caller's buffer.
        TooLarge = -6, "too large";
        /// No free slot for a capability, in the table or in the list of slots that the receiver stated.
        NoSlot = -7, "no slot";
        /// The message is not the single-segment message that the method's schema describes.
        BadMessage = -8, "malformed message";
        /// A pointer or an offset of the submission lies outside the process's memory or message area.
        BadAddress = -9, "bad address";
        /// The operation was cancelled by its submitter.
        Cancelled = -10, "cancelled";
        /// The process would pass its memory limit.
        LimitReached = -11, "limit reached";
        /// The machine has no memory left for it.
        OutOfMemory = -12, "out of memory";
        /// The opcode is not in the table.
        UnknownOpcode = -13, "unknown opcode";
        /// The opcode is in the table and this kernel does not serve it.
        UnsupportedOpcode = -14, "unsupported opcode";
        /// A reserved field or flag is not zero.
        ReservedNotZero = -15, "reserved field not zero";
        /// The caller of this reply token has gone.
        CallerGone = -16, "caller gone";
        /// No operation in progress has this user data.
        NotFound = -17, "no such operation";
        /// The transfer list is malformed: too many entries, an unknown mode, a handle named twice in a move.
        BadTransfer = -18, "bad transfer list";
        /// A finite deadline needs a live Timer capability.
        NoTimer = -19, "no timer";
        /// The method number is not in the interface.
        NoSuchMethod = -20, "no such method";
        /// A parked word does not have the expected value any more.
        ValueChanged = -21, "value changed";
        /// The mask of a derive is not within the mask of its source.
        MaskNotWithin = -22, "mask not within source";
        /// The capability's descendants are being revoked: it gives no new ones until that is done.
        Revoking = -23, "revocation in progress";
    }
}

numbered! {
    /// The object got the call and could not do it. Not a domain result: the caller did something wrong, or must try later.
    Exception {
        /// It failed for a reason that the interface does not name.
        Failed = -64, "failed";
        /// Not now: the object has reached a limit of its own.
        Overloaded = -65, "overloaded";
        /// The method is in the schema and this object does not serve it.
        Unimplemented = -66, "unimplemented";
        /// A parameter has a value outside its documented range.
        InvalidArgument = -67, "invalid argument";
    }
}

/// A negative completion result, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The call or its reply was not delivered.
    Transport(Transport),
    /// The object refused.
    Exception(Exception),
}

impl CallError {
    /// Takes a completion result apart: `Ok` for 0 and more. A negative number that is in neither table is an impossible
    /// reply; it is reported as a malformed message.
    pub const fn check(result: i32) -> Result<u32, CallError> {
        if result >= 0 {
            return Ok(result as u32);
        }
        match (Transport::from_result(result), Exception::from_result(result)) {
            (Some(transport), _) => Err(CallError::Transport(transport)),
            (None, Some(exception)) => Err(CallError::Exception(exception)),
            (None, None) => Err(CallError::Transport(Transport::BadMessage)),
        }
    }

    /// The number that a completion carries.
    #[must_use]
    pub const fn result(self) -> i32 {
        match self {
            CallError::Transport(transport) => transport.result(),
            CallError::Exception(exception) => exception.result(),
        }
    }
}

impl From<Transport> for CallError {
    fn from(transport: Transport) -> CallError {
        CallError::Transport(transport)
    }
}

impl From<Exception> for CallError {
    fn from(exception: Exception) -> CallError {
        CallError::Exception(exception)
    }
}

impl core::fmt::Display for CallError {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            CallError::Transport(transport) => transport.fmt(formatter),
            CallError::Exception(exception) => exception.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_returns_to_its_row() {
        for row in Transport::ALL {
            assert!((-63..=-1).contains(&row.result()));
            assert_eq!(CallError::check(row.result()), Err(CallError::Transport(*row)));
        }
        for row in Exception::ALL {
            assert!((-127..=-64).contains(&row.result()));
            assert_eq!(CallError::check(row.result()), Err(CallError::Exception(*row)));
        }
    }

    #[test]
    fn success_and_nonsense() {
        assert_eq!(CallError::check(7), Ok(7));
        assert_eq!(CallError::check(-1000), Err(CallError::Transport(Transport::BadMessage)));
    }
}
