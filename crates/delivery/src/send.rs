//! One send for each of many sockets: how a fan-out reaches the kernel.

use std::{io, os::fd::BorrowedFd};

use rustix::net::{SendFlags, send};

/// Bytes for one socket, which does not block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parcel<'a> {
    pub(crate) socket: BorrowedFd<'a>,
    pub(crate) bytes: &'a [u8],
}

/// Sends parcels.
pub(crate) trait Sender: Send {
    /// Sends each parcel once; `sent` gets in their order how many bytes were taken.
    fn send(&mut self, parcels: &[Parcel<'_>], sent: &mut Vec<io::Result<usize>>);
}

/// One system call for each.
#[derive(Debug)]
pub(crate) struct OneByOne;

impl Sender for OneByOne {
    fn send(&mut self, parcels: &[Parcel<'_>], sent: &mut Vec<io::Result<usize>>) {
        let one = |parcel: &Parcel<'_>| {
            send(parcel.socket, parcel.bytes, SendFlags::NOSIGNAL).map_err(io::Error::from)
        };
        sent.extend(parcels.iter().map(one));
    }
}
