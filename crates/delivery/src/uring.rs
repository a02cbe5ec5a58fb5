//! io_uring: one system call for hundreds of sends. The only module of the workspace with `unsafe`.
//!
//! Why it is sound: the kernel reads a parcel's bytes between submission and completion, and [`Uring::send`]
//! does not return before every entry that the kernel has taken is complete. Sends that must not wait
//! complete while they are submitted, so that this costs no time. When the ring fails, what the
//! kernel has not taken is thrown away with the ring, and sent one by one.
#![allow(unsafe_code)]

use std::{
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, AsRawFd as _},
        unix::net::UnixStream,
    },
};

use io_uring::{IoUring, opcode, types};
use rustix::net::SendFlags;

use crate::send::{SendOp, Sender, SyscallSender};

/// Sends in one system call.
const ENTRIES: u32 = 512;

/// Below this many a system call for each costs no more.
const MIN_BATCH: usize = 4;

/// Sends through a ring that belongs to the thread that made it.
pub(crate) struct Uring {
    /// `None` once it has failed.
    ring: Option<IoUring>,
    fallback: SyscallSender,
}

impl Uring {
    /// A ring that has been seen to work.
    ///
    /// # Errors
    /// When the kernel has no io_uring for us, or one too old (Linux 6.1 has what we need).
    pub(crate) fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .dontfork()
            .build(ENTRIES)?;
        let mut uring = Self { ring: Some(ring), fallback: SyscallSender };
        let (mut here, there) = UnixStream::pair()?;
        let op = SendOp { socket: there.as_fd(), bytes: b"!" };
        let mut sent = vec![Err(io::ErrorKind::Other.into())];
        uring.send_chunk(&[op], &mut sent);
        sent.remove(0)?;
        here.read_exact(&mut [0])?;
        if uring.is_working() { Ok(uring) } else { Err(io::ErrorKind::Unsupported.into()) }
    }

    /// Whether the ring has not failed.
    pub(crate) fn is_working(&self) -> bool {
        self.ring.is_some()
    }

    /// Sends at most [`ENTRIES`]; `sent` has a place for each.
    fn send_chunk(&mut self, ops: &[SendOp<'_>], sent: &mut [io::Result<usize>]) {
        let mut unsent: Vec<bool> = vec![true; ops.len()];
        if let Some(ring) = &mut self.ring
            && let Err(error) = submit(ring, ops, |index, result| {
                sent[index] = result;
                unsent[index] = false;
            })
        {
            tracing::warn!(%error, "io_uring has failed; sending without it from now on");
            self.ring = None;
        }
        let late = unsent.iter().enumerate().filter(|(_, unsent)| **unsent);
        for (index, _) in late {
            sent[index] = self.fallback.send_one(&ops[index]);
        }
    }
}

impl Sender for Uring {
    fn send(&mut self, ops: &[SendOp<'_>], sent: &mut Vec<io::Result<usize>>) {
        if ops.len() < MIN_BATCH || self.ring.is_none() {
            return self.fallback.send(ops, sent);
        }
        for chunk in ops.chunks(ENTRIES as usize) {
            let from = sent.len();
            sent.extend(chunk.iter().map(|_| Ok(0)));
            self.send_chunk(chunk, &mut sent[from..]);
        }
    }
}

/// Sends every parcel and reports each as it completes. After an error the ring holds entries whose
/// bytes may be gone by the next time: drop it.
fn submit(
    ring: &mut IoUring,
    ops: &[SendOp<'_>],
    mut report: impl FnMut(usize, io::Result<usize>),
) -> io::Result<()> {
    let flags = (SendFlags::NOSIGNAL | SendFlags::DONTWAIT).bits() as i32;
    for (index, SendOp { socket, bytes }) in ops.iter().enumerate() {
        // The kernel counts in 32 bits; what is above that counts as not taken.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let fd = types::Fd(socket.as_raw_fd());
        let entry = opcode::Send::new(fd, bytes.as_ptr(), length).flags(flags).build();
        // SAFETY: socket and bytes are borrowed until this function's caller has them back, and
        // below every entry that the kernel takes is waited for.
        let pushed = unsafe { ring.submission().push(&entry.user_data(index as u64)) };
        pushed.map_err(|_| io::Error::other("the ring is fuller than it should be"))?;
    }
    let mut completed = 0;
    loop {
        let entered = ring.submit_and_wait(ops.len() - completed);
        for completion in ring.completion() {
            let result = completion.result();
            let result = usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result));
            report(completion.user_data() as usize, result);
            completed += 1;
        }
        if completed == ops.len() {
            return Ok(());
        }
        let untaken = ring.submission().len();
        match entered {
            Err(error)
                if error.kind() != io::ErrorKind::Interrupted
                    && completed + untaken == ops.len() =>
            {
                return Err(error);
            }
            // Something is under way: its bytes must stay until it is done.
            _ => {}
        }
    }
}
