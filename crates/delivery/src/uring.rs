//! io_uring: one system call for hundreds of sends. The only module of the workspace with `unsafe`.
//!
//! It is sound because the kernel reads the bytes of a send between its submission and its
//! completion, and [`Uring::send`] does not return before every entry that the kernel has taken is
//! complete. Sends that must not block complete while they are submitted, so this costs no time. If
//! the ring fails, the entries that the kernel has not taken are dropped with the ring, and sent by
//! plain system calls.
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

/// The most sends in one system call.
const ENTRIES: u32 = 512;

/// For fewer sends, one system call each costs no more.
const MIN_BATCH: usize = 4;

/// Sends through a ring that only the thread that made it may use.
pub(crate) struct Uring {
    /// `None` once it has failed.
    ring: Option<IoUring>,
    fallback: SyscallSender,
}

impl Uring {
    /// Sets up a ring and tries it with one send.
    ///
    /// # Errors
    /// If the kernel has no io_uring, does not allow it, or is older than Linux 6.1.
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

    /// Returns whether the ring is in use: it has not failed.
    pub(crate) fn is_working(&self) -> bool {
        self.ring.is_some()
    }

    /// Sends at most [`ENTRIES`] at once; `sent` has one element for each.
    fn send_chunk(&mut self, ops: &[SendOp<'_>], sent: &mut [io::Result<usize>]) {
        let mut unsent: Vec<bool> = vec![true; ops.len()];
        if let Some(ring) = &mut self.ring
            && let Err(error) = submit(ring, ops, |index, result| {
                sent[index] = result;
                unsent[index] = false;
            })
        {
            tracing::warn!(%error, "io_uring failed; using plain sends from now on");
            self.ring = None;
        }
        for (index, _) in unsent.iter().enumerate().filter(|(_, unsent)| **unsent) {
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

/// Submits every send, and reports each as it completes. After an error the ring holds entries
/// whose bytes may be freed before it is used again, so the caller must drop it.
fn submit(
    ring: &mut IoUring,
    ops: &[SendOp<'_>],
    mut report: impl FnMut(usize, io::Result<usize>),
) -> io::Result<()> {
    let flags = (SendFlags::NOSIGNAL | SendFlags::DONTWAIT).bits() as i32;
    for (index, SendOp { socket, bytes }) in ops.iter().enumerate() {
        // The kernel counts in 32 bits. The bytes above that are reported as not taken.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let fd = types::Fd(socket.as_raw_fd());
        let entry = opcode::Send::new(fd, bytes.as_ptr(), length).flags(flags).build();
        // SAFETY: the caller borrows the socket and the bytes for the whole call, and the loop
        // below waits for every entry that the kernel takes.
        let pushed = unsafe { ring.submission().push(&entry.user_data(index as u64)) };
        pushed.map_err(|_| io::Error::other("the submission queue is full"))?;
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
            // Some entries are not complete, and the kernel still reads their bytes.
            _ => {}
        }
    }
}
