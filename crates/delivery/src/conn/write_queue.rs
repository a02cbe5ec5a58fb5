//! Bytes that a socket has yet to take.

use std::io::{self, IoSlice};

use bytes::{Buf as _, Bytes};

/// The most frames that one call hands to the kernel.
const MAX_IOVECS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct WriteQueue(Vec<Bytes>);

/// The share of a queue that a socket has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    All,
    Some,
    Nothing,
}

impl WriteQueue {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of frames; of the first, a part may have been written.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.0.push(bytes);
        }
    }

    pub(crate) fn append(&mut self, frames: &mut Vec<Bytes>) {
        if frames.is_empty() {
            return;
        }
        if self.0.is_empty() {
            // The capacity goes back and forth, so that an idle connection keeps none.
            std::mem::swap(&mut self.0, frames);
        } else {
            self.0.append(frames);
        }
    }

    /// Gives back the capacity of an empty queue.
    pub(crate) fn release_buffer(&mut self, frames: &mut Vec<Bytes>) {
        if frames.capacity() < self.0.capacity() {
            std::mem::swap(&mut self.0, frames);
        }
        self.0 = Vec::new();
    }

    /// Writes as much as `socket` takes.
    pub(crate) fn write_to(&mut self, mut socket: impl io::Write) -> io::Result<Written> {
        let mut blocked = Written::Nothing;
        while !self.0.is_empty() {
            let slices: Vec<IoSlice<'_>> =
                self.0.iter().take(MAX_IOVECS).map(|bytes| IoSlice::new(bytes)).collect();
            match socket.write_vectored(&slices) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    blocked = Written::Some;
                    self.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(blocked),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Written::All)
    }

    fn advance(&mut self, mut count: usize) {
        let whole = self.0.iter().take_while(|bytes| {
            let fits = bytes.len() <= count;
            count -= if fits { bytes.len() } else { 0 };
            fits
        });
        let whole = whole.count();
        self.0.drain(..whole);
        if count > 0 {
            self.0[0].advance(count);
        }
    }
}
