//! Devices, who drives them, and the memory that they were given.
//!
//! A device has a driver from its opening until that process ends or nobody holds its registers any more: a *session*. Called
//! by the objects Device, Interrupt, DeviceMemory and DmaMemory, by the scheduler for interrupts, and by ends of processes.
//!
//! Invariant: a capability or mapping of an earlier session reaches nothing. Frames of a DmaMemory that nobody holds are free
//! only behind a reset of their device; until then they are charged.

use crate::kernel::{Kernel, Waiters};
use crate::log::log_line;
use crate::memory::charge::insert;
use crate::objects::notification::Notification;
use crate::processes::Process;
use crate::processes::layout::PAGE;
use alloc::vec::Vec;
use capos_abi::error::{CallError, Exception, Transport};
use capos_kernel_core::list::List;
use capos_kernel_core::pool::{Id, Pool};
use capos_kernel_core::storage::{self, AllocationRefused};
use capos_kernel_hal::devices::{DMA_FRAMES_MAX, Device, DmaFrames};

/// A device, by its place in the list.
pub(crate) type DeviceNumber = u8;

/// A device and the time for which it has had its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) device: DeviceNumber,
    /// Numbers of one device's sessions are never reused while a capability can name them.
    number: u32,
}

/// A device and its driver.
pub(crate) struct Driven {
    pub(crate) device: Device,
    /// The process that opened it.
    driver: Option<Id<Process>>,
    session: u32,
    /// Capabilities and areas that name the registers in this session.
    holders: u32,
    /// An interrupt has come that nobody was told of.
    has_come: bool,
    bound: Option<(Id<Notification>, u64)>,
    /// The wait for the interrupt, if there is one, over `Kernel::wait_links`.
    pub(crate) waiters: Waiters,
}

/// Memory that a device was given.
pub(crate) struct DmaMemory {
    /// There until it is freed.
    pub(crate) frames: Option<DmaFrames>,
    device: DeviceNumber,
    /// Capabilities and areas that name it.
    holders: u32,
    /// Who is charged.
    pub(crate) account: Option<Id<Process>>,
    pub(crate) charge: u64,
}

/// The list of what the machine has, without drivers.
///
/// # Errors
/// [`AllocationRefused`].
pub(crate) fn list(devices: Vec<Device>) -> Result<Vec<Driven>, AllocationRefused> {
    let mut list = Vec::new();
    storage::reserve(&mut list, devices.len())?;
    for device in devices {
        let (driver, waiters) = (None, List::EMPTY);
        let driven = Driven { device, driver, session: 0, holders: 0, has_come: false, bound: None, waiters };
        let pushed = storage::push(&mut list, driven);
        debug_assert!(pushed);
    }
    Ok(list)
}

impl DmaMemory {
    /// Frames, which the account backs.
    pub(crate) const fn backed(&self) -> u64 {
        self.charge / PAGE
    }
}

impl Kernel {
    /// The device of a session that has not ended.
    ///
    /// # Errors
    /// "disconnected".
    pub(crate) fn driven(&mut self, session: Session) -> Result<&mut Driven, Transport> {
        let driven = self.devices.get_mut(usize::from(session.device)).ok_or(Transport::Disconnected)?;
        if driven.driver.is_some() && driven.session == session.number {
            Ok(driven)
        } else {
            Err(Transport::Disconnected)
        }
    }

    /// The device, for its driver.
    ///
    /// # Errors
    /// Exception "failed" for anybody else.
    pub(crate) fn driven_by(
        &mut self,
        number: DeviceNumber,
        process: Id<Process>,
    ) -> Result<&mut Driven, CallError> {
        let driven = self.devices.get_mut(usize::from(number)).ok_or(Transport::Disconnected)?;
        if driven.driver == Some(process) { Ok(driven) } else { Err(Exception::Failed.into()) }
    }

    /// Begins a session.
    ///
    /// # Errors
    /// Exception "failed" if the device has a driver, or does not answer a reset.
    pub(crate) fn begin_session(
        &mut self,
        device: DeviceNumber,
        process: Id<Process>,
    ) -> Result<Session, CallError> {
        let driven = self.devices.get_mut(usize::from(device)).ok_or(Transport::Disconnected)?;
        if driven.driver.is_some() || !driven.device.enable() {
            return Err(Exception::Failed.into());
        }
        driven.session = driven.session.wrapping_add(1);
        driven.driver = Some(process);
        Ok(Session { device, number: driven.session })
    }

    /// Ends the sessions of a process that ends.
    pub(crate) fn end_driving(&mut self, process: Id<Process>) {
        for index in 0..self.devices.len() {
            if self.devices.get(index).is_some_and(|driven| driven.driver == Some(process)) {
                self.end_session(index as DeviceNumber);
            }
        }
    }

    /// The device is reset and has no driver any more; what it was given and nobody holds is free.
    fn end_session(&mut self, number: DeviceNumber) {
        let Some(driven) = self.devices.get_mut(usize::from(number)) else { return };
        driven.driver = None;
        driven.holders = 0;
        driven.has_come = false;
        let bound = driven.bound.take();
        let waiter = driven.waiters.first();
        if !driven.device.disable() {
            log_line!("device {number} does not answer a reset: what it was given stays lost");
        }
        if let Some((notification, _)) = bound {
            self.release_notification(notification);
        }
        if let Some(wait) = waiter.and_then(|index| self.operations.id_at(index)) {
            self.complete_operation(wait, Err(Transport::Disconnected.into()));
        }
        self.free_unheld(number);
    }

    /// `Device.reset`: the session goes on.
    ///
    /// # Errors
    /// Exception "failed" if the device does not answer.
    pub(crate) fn reset_device(&mut self, number: DeviceNumber) -> Result<(), CallError> {
        let driven = self.devices.get_mut(usize::from(number)).ok_or(Transport::Disconnected)?;
        driven.has_come = false;
        if !driven.device.enable() {
            return Err(Exception::Failed.into());
        }
        self.free_unheld(number);
        Ok(())
    }

    /// One more capability or area names the registers.
    pub(crate) fn retain_registers(&mut self, session: Session) {
        if let Ok(driven) = self.driven(session) {
            driven.holders += 1;
        }
    }

    /// One less; the session ends with the last.
    pub(crate) fn release_registers(&mut self, session: Session) {
        let Ok(driven) = self.driven(session) else { return };
        driven.holders = driven.holders.saturating_sub(1);
        if driven.holders == 0 {
            self.end_session(session.device);
        }
    }

    /// True for the process that drives the device in this session.
    pub(crate) fn is_driver(&mut self, session: Session, process: Id<Process>) -> bool {
        self.driven(session).is_ok_and(|driven| driven.driver == Some(process))
    }

    /// The interrupt of a device has come; its line is masked.
    pub(crate) fn serve_interrupt(&mut self, line: u8) {
        let found = self.devices.iter_mut().find(|driven| driven.device.line() == line);
        let Some(driven) = found.filter(|driven| driven.driver.is_some()) else { return };
        if let Some((notification, bits)) = driven.bound {
            self.signal(notification, bits);
            return;
        }
        let waiter = driven.waiters.first();
        driven.has_come = waiter.is_none();
        if let Some(wait) = waiter.and_then(|index| self.operations.id_at(index)) {
            self.complete_operation(wait, Ok((0, 0)));
        }
    }

    /// Takes an interrupt that nobody was told of; false if there is none.
    pub(crate) fn take_interrupt(&mut self, session: Session) -> Result<bool, Transport> {
        let driven = self.driven(session)?;
        Ok(core::mem::take(&mut driven.has_come))
    }

    /// True if somebody waits for the interrupt.
    pub(crate) fn has_interrupt_wait(&mut self, session: Session) -> bool {
        self.driven(session).is_ok_and(|driven| !driven.waiters.is_empty())
    }

    /// Forgets an interrupt that nobody was told of, and lets the next one through.
    pub(crate) fn acknowledge_interrupt(&mut self, session: Session) -> Result<(), Transport> {
        let driven = self.driven(session)?;
        driven.has_come = false;
        driven.device.unmask();
        Ok(())
    }

    /// Interrupts set bits of a notification from now on. One that nobody was told of does so now.
    pub(crate) fn bind_interrupt(
        &mut self,
        session: Session,
        notification: Id<Notification>,
        bits: u64,
    ) -> Result<(), Transport> {
        let driven = self.driven(session)?;
        let before = driven.bound.replace((notification, bits));
        let has_come = core::mem::take(&mut driven.has_come);
        self.retain_notification(notification);
        if let Some((before, _)) = before {
            self.release_notification(before);
        }
        if has_come {
            self.signal(notification, bits);
        }
        Ok(())
    }

    /// Makes memory for a device without holders, charged to `account`.
    ///
    /// # Errors
    /// Exception "invalid argument" for no bytes or too many, errors "limit reached" and "out of memory".
    pub(crate) fn create_dma(
        &mut self,
        number: DeviceNumber,
        account: Id<Process>,
        bytes: u64,
    ) -> Result<Id<DmaMemory>, CallError> {
        let count = bytes.div_ceil(PAGE);
        if count == 0 || count > u64::from(DMA_FRAMES_MAX) {
            return Err(Exception::InvalidArgument.into());
        }
        let charge = count * PAGE + Pool::<DmaMemory>::entry_bytes();
        self.charge(account, charge)?;
        if self.back(account, count).is_err() {
            self.refund(account, charge);
            return Err(Transport::OutOfMemory.into());
        }
        let driven = self.devices.get(usize::from(number));
        let frames = driven.and_then(|driven| driven.device.allocate(count as u32).ok());
        let made = frames.ok_or(Transport::OutOfMemory).and_then(|frames| {
            let dma = DmaMemory { frames: None, device: number, holders: 0, account: Some(account), charge };
            let id = insert(&mut self.dma, dma);
            match id.and_then(|id| self.dma.get_mut(id)) {
                Some(dma) => dma.frames = Some(frames),
                // The device was never told of them.
                None => {
                    _ = self.devices.get(usize::from(number)).map(|driven| driven.device.take_back(frames))
                }
            }
            id.ok_or(Transport::OutOfMemory)
        });
        if made.is_err() {
            self.refund(account, charge);
            self.unback(account, count);
        } else if let Some(process) = self.processes.get_mut(account) {
            process.has_lent = true;
        }
        Ok(made?)
    }

    /// One more capability or area names the memory.
    pub(crate) fn retain_dma(&mut self, id: Id<DmaMemory>) {
        if let Some(dma) = self.dma.get_mut(id) {
            dma.holders += 1;
        }
    }

    /// One less; behind the last one it is free, or waits for a reset of its device.
    pub(crate) fn release_dma(&mut self, id: Id<DmaMemory>) {
        let Some(dma) = self.dma.get_mut(id) else { return };
        dma.holders = dma.holders.saturating_sub(1);
        if dma.holders == 0 {
            self.free_dma(id);
        }
    }

    fn free_unheld(&mut self, number: DeviceNumber) {
        for index in 0..self.dma.capacity() {
            let Some(id) = self.dma.id_at(index) else { continue };
            if self.dma.get(id).is_some_and(|dma| dma.device == number && dma.holders == 0) {
                self.free_dma(id);
            }
        }
    }

    /// Frees memory that nobody holds, if its device cannot reach it any more.
    fn free_dma(&mut self, id: Id<DmaMemory>) {
        let Some(dma) = self.dma.get_mut(id) else { return };
        let Some(driven) = self.devices.get(usize::from(dma.device)) else { return };
        let Some(frames) = dma.frames.take() else { return };
        if let Err(frames) = driven.device.free(frames) {
            dma.frames = Some(frames);
            return;
        }
        let (account, charge, backed) = (dma.account, dma.charge, dma.backed());
        self.dma.discard(id);
        if let Some(account) = account {
            self.refund(account, charge);
            self.unback(account, backed);
        }
    }
}
