//! Endpoint: the receive side of a service, as an object.
//!
//! Specified by `schema/interfaces/endpoint.capnp`. Called by `invoke`; receives are opcodes, served by `endpoints`.
//!
//! Invariant: an object is charged, and its capability made sure of, before it is minted.

use crate::calls::message::{SMALL, malformed};
use crate::calls::transfer::Gift;
use crate::calls::{Answer, Call};
use crate::endpoints;
use crate::kernel::Kernel;
use crate::objects::Object;
use capos_abi::error::{CallError, Exception, Transport};
use capos_abi::ring::{KERNEL_INTERFACE, Mint};
use capos_kernel_core::pool::Id;
use capos_schema::endpoint::{Endpoint, EndpointMintParams, EndpointMintResults};

impl Kernel {
    pub(crate) fn call_endpoint(
        &mut self,
        call: &Call<'_>,
        id: Id<endpoints::Endpoint>,
    ) -> Result<Answer, CallError> {
        match call.origin.submission.method {
            Endpoint::RECEIVE => Err(Exception::Unimplemented.into()),
            Endpoint::MINT => self.mint(call, id),
            _ => Err(Transport::NoSuchMethod.into()),
        }
    }

    fn mint(&mut self, call: &Call<'_>, id: Id<endpoints::Endpoint>) -> Result<Answer, CallError> {
        let message = self.parameters::<SMALL>(call)?;
        let EndpointMintParams { interface, cookie, methods } =
            EndpointMintParams::decode(message.bytes()).map_err(malformed)?;
        if interface == KERNEL_INTERFACE {
            return Err(Exception::InvalidArgument.into());
        }
        let server = call.origin.process;
        self.prepare_minted(server, 1)?;
        let prepared = self.prepare_reply(call, EndpointMintResults::FIXED_BYTES, 1);
        if let Err(error) = prepared {
            self.cancel_minted(server, 1);
            return Err(error.into());
        }
        let mint = Mint { interface, cookie, methods };
        let object = self.insert_minted(server, id, Some(server), mint).ok_or(Transport::OutOfMemory)?;
        self.give(call, 0, Gift { object: Object::Service(object), interface, methods })?;
        let answer = self.reply(call.origin, |out| EndpointMintResults { object: Some(0) }.encode(out))?;
        Ok(answer.with_capabilities(1))
    }
}
