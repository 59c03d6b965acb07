//! `key-value`: serves keys and values.
//!
//! Started by init from `manifests/system-services.cue`. On a build host it says that it does not run there.
//!
//! Invariant: it ends only when nobody can call it any more, or when it is told to.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
mod serve {
    use capos_rt::CapSet;
    use capos_rt::abi::error::{CallError, Transport};
    use capos_rt::abi::outcome::ExitStatus;
    use capos_rt::server::{Loop, Sizes};
    use capos_services_demo::service::Service;

    const SIZES: Sizes = Sizes { request: 512, reply: 512 };

    pub(crate) fn main(capabilities: &CapSet) -> Result<ExitStatus, CallError> {
        let endpoint = capabilities.get("keys").map_err(|_| Transport::BadHandle)?;
        let mut serving = Loop::new::<Service>(&endpoint, SIZES)?;
        serving.run(&mut Service::default())?;
        Ok(ExitStatus::exited(0))
    }
}

capos_rt::entry!(serve::main, "key-value is a program for capOS; `make run-services` boots it");
