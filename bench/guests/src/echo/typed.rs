//! The server on generated stubs: a device whose reset does nothing.
//!
//! Run by `main` where the CapSet says so. The interface has a method without parameters and results, and some with.
//!
//! Invariant: nothing but the stubs and the loop is between two calls.

use capos_rt::Cap;
use capos_rt::abi::error::{CallError, Exception};
use capos_rt::schema::device::{Device, DeviceInfoResults};
use capos_rt::schema::dma_memory::DmaMemory;
use capos_rt::schema::endpoint::Endpoint;
use capos_rt::server::{
    Answer, Call, DeviceAllocate, DeviceInfo, DeviceOpen, DeviceOpenAnswer, DeviceReset, DeviceServer, Given,
    Loop, Server, Sizes,
};

struct Still;

impl Server for Still {
    type Interfaces = Device;
}

impl DeviceServer for Still {
    fn info(&mut self, _: Call<'_, DeviceInfo>) -> Answer<DeviceInfoResults> {
        Ok(DeviceInfoResults::default())
    }

    fn open(&mut self, _: Call<'_, DeviceOpen>) -> Answer<DeviceOpenAnswer> {
        Err(Exception::Unimplemented.into())
    }

    fn allocate(&mut self, _: Call<'_, DeviceAllocate>, _: u64) -> Answer<Given<DmaMemory>> {
        Err(Exception::Unimplemented.into())
    }

    fn reset(&mut self, _: Call<'_, DeviceReset>) -> Answer<()> {
        Ok(())
    }
}

/// Serves until nobody can call any more.
pub(crate) fn serve(endpoint: &Cap<Endpoint>) -> Result<(), CallError> {
    let mut serving = Loop::new::<Still>(endpoint, Sizes { request: 256, reply: 256 })?;
    serving.run(&mut Still)?;
    Ok(())
}
