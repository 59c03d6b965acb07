//! Bytes of messages on their way: copied once, from frame to frame.
//!
//! Called by `passage` for messages between processes, and by the objects that read and write pages. Calls the hardware layer
//! to copy, and `memory::area` for pages that wait for their first touch.
//!
//! Invariant: the kernel holds no copy of its own. An address of ring 3 is looked up when it is copied, and nowhere else.

use super::Origin;
use crate::kernel::Kernel;
use crate::memory::area::Touch;
use crate::processes::Process;
use crate::processes::layout::PAGE;
use capos_abi::error::Transport;
use capos_abi::ring::{FLAG_PARAMETERS_IN_AREA, FLAG_RESULT_IN_AREA};
use capos_kernel_core::pool::Id;
use capos_kernel_hal::copy::{Place, Side, Stopped, copy};
use capos_kernel_hal::frames::SharedFrame;

/// One end of a copy: where the bytes are, from an offset on.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    /// In the parameter message of a submission.
    Parameters(&'a Origin, usize),
    /// In its result buffer.
    Result(&'a Origin, usize),
    /// In a frame.
    Frame(&'a SharedFrame, usize),
}

impl<'a> End<'a> {
    /// The same, so many bytes further on.
    const fn behind(self, bytes: usize) -> End<'a> {
        match self {
            End::Parameters(origin, offset) => End::Parameters(origin, offset + bytes),
            End::Result(origin, offset) => End::Result(origin, offset + bytes),
            End::Frame(frame, offset) => End::Frame(frame, offset + bytes),
        }
    }
}

/// Why a copy is refused, and at which of its ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) side: Side,
    pub(crate) error: Transport,
}

impl Kernel {
    /// Copies `length` bytes. Pages that wait for their first touch come to be on the way.
    ///
    /// # Errors
    /// "bad address", "out of memory"; the bytes in front of that page are copied.
    pub(crate) fn copy(&mut self, to: End<'_>, from: End<'_>, length: usize) -> Result<(), Refused> {
        let (mut done, mut last) = (0, None);
        while done < length {
            let source = self.place(from.behind(done)).map_err(Refused::at(Side::Source))?;
            let target = self.place(to.behind(done)).map_err(Refused::at(Side::Target))?;
            let Err(stopped) = copy(target, source, length - done) else { break };
            done += stopped.done;
            let stopped = Stopped { done, ..stopped };
            let refuse = Refused::at(stopped.side);
            // A page that has come to be and does not allow it.
            if last.replace(stopped) == Some(stopped) {
                return Err(refuse(Transport::BadAddress));
            }
            let (end, touch) = match stopped.side {
                Side::Source => (from, Touch::Read),
                Side::Target => (to, Touch::Write),
            };
            self.touch_at(end.behind(done), touch).map_err(refuse)?;
        }
        Ok(())
    }

    fn place<'p>(&'p self, end: End<'p>) -> Result<Place<'p>, Transport> {
        let (origin, flag, start, offset) = match end {
            End::Parameters(origin, offset) => {
                (origin, FLAG_PARAMETERS_IN_AREA, origin.submission.address, offset)
            }
            End::Result(origin, offset) => {
                (origin, FLAG_RESULT_IN_AREA, origin.submission.result_address, offset)
            }
            End::Frame(frame, offset) => return Ok(Place::Frame(frame, offset)),
        };
        let start = start.checked_add(offset as u64).ok_or(Transport::BadAddress)?;
        if origin.submission.flags & flag != 0 {
            let thread = self.threads.get(origin.thread).ok_or(Transport::Disconnected)?;
            return Ok(thread.ring.area_place(start));
        }
        let process = self.processes.get(origin.process).ok_or(Transport::Disconnected)?;
        Ok(Place::Space(process.space.as_ref().ok_or(Transport::BadAddress)?, start))
    }

    /// Gives the page at an end its first touch.
    fn touch_at(&mut self, end: End<'_>, touch: Touch) -> Result<(), Transport> {
        let (Place::Space(_, address), Some(process)) = (self.place(end)?, end.process()) else {
            return Err(Transport::BadAddress);
        };
        Ok(self.touch(process, address / PAGE, touch)?)
    }
}

impl End<'_> {
    /// Whose memory it is.
    const fn process(&self) -> Option<Id<Process>> {
        match self {
            End::Parameters(origin, _) | End::Result(origin, _) => Some(origin.process),
            End::Frame(..) => None,
        }
    }
}

impl Refused {
    /// What makes a refusal at this end.
    fn at(side: Side) -> impl FnOnce(Transport) -> Refused + Copy {
        move |error| Refused { side, error }
    }
}
