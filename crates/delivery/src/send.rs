//! One send to each of many sockets: how a broadcast reaches the kernel.

use std::{io, os::fd::BorrowedFd};

use rustix::net::{SendFlags, send};

use crate::uring::Uring;

/// A send: bytes for one socket.
#[derive(Clone, Copy, Debug)]
pub struct SendOp<'a> {
    /// The socket to send to.
    pub socket: BorrowedFd<'a>,
    /// The bytes to send; the socket may take only a part.
    pub bytes: &'a [u8],
}

/// Sends to many sockets without waiting for any of them.
pub trait Sender {
    /// Tries each send once, and appends to `sent`, in order, how many bytes each socket took.
    fn send(&mut self, ops: &[SendOp<'_>], sent: &mut Vec<io::Result<usize>>);
}

/// The system calls by which shards send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendMode {
    /// One `send` for each socket.
    Epoll,
    /// One call for hundreds of sockets, through io_uring.
    IoUring,
}

impl SendMode {
    /// Checks that the kernel supports and allows this mode.
    ///
    /// # Errors
    /// The reason for which the kernel refuses.
    pub fn probe(self) -> io::Result<()> {
        match self {
            SendMode::Epoll => Ok(()),
            SendMode::IoUring => Uring::new().map(|_| ()),
        }
    }

    /// Makes a sender for the current thread. Without io_uring it falls back to plain sends.
    pub fn sender(self) -> Box<dyn Sender> {
        if self == SendMode::IoUring {
            match Uring::new() {
                Ok(uring) => return Box::new(uring),
                Err(error) => tracing::warn!(%error, "cannot use io_uring; using plain sends"),
            }
        }
        Box::new(SyscallSender)
    }
}

/// Sends with one system call for each socket.
#[derive(Debug)]
pub(crate) struct SyscallSender;

impl SyscallSender {
    pub(crate) fn send_one(&self, op: &SendOp<'_>) -> io::Result<usize> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        send(op.socket, op.bytes, flags).map_err(io::Error::from)
    }
}

impl Sender for SyscallSender {
    fn send(&mut self, ops: &[SendOp<'_>], sent: &mut Vec<io::Result<usize>>) {
        sent.extend(ops.iter().map(|op| self.send_one(op)));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::{fd::AsFd as _, unix::net::UnixStream},
    };

    use super::*;

    fn senders() -> [Box<dyn Sender>; 2] {
        SendMode::IoUring.probe().expect("this kernel lets us use io_uring");
        [SendMode::Epoll.sender(), SendMode::IoUring.sender()]
    }

    fn send_all(sender: &mut dyn Sender, ops: &[SendOp<'_>]) -> Vec<io::Result<usize>> {
        let mut sent = Vec::new();
        sender.send(ops, &mut sent);
        assert_eq!(sent.len(), ops.len());
        sent
    }

    /// Both ends of some sockets.
    fn pairs(count: usize) -> (Vec<UnixStream>, Vec<UnixStream>) {
        (0..count).map(|_| UnixStream::pair().expect("a pair")).unzip()
    }

    fn send_ops<'a>(here: &'a [UnixStream], bytes: &'a [Vec<u8>]) -> Vec<SendOp<'a>> {
        let both = here.iter().zip(bytes);
        both.map(|(here, bytes)| SendOp { socket: here.as_fd(), bytes }).collect()
    }

    /// Sends each of a crowd something of its own; checks that it comes, once.
    fn check_batch(sender: &mut dyn Sender, count: usize) {
        let (here, there) = pairs(count);
        let bytes: Vec<Vec<u8>> = (0..count).map(|n| format!("for {n:05}").into_bytes()).collect();
        let sent = send_all(sender, &send_ops(&here, &bytes));
        assert!(sent.iter().all(|sent| matches!(sent, Ok(9))), "{sent:?}");
        drop(here);
        for (mut there, bytes) in there.into_iter().zip(bytes) {
            let mut came = Vec::new();
            there.read_to_end(&mut came).expect("reads");
            assert_eq!(came, bytes);
        }
    }

    #[test]
    fn each_socket_gets_its_own_bytes_once_for_any_batch_size() {
        for mut sender in senders() {
            for count in [1, 3, 4, 5, 512, 513, 1500] {
                check_batch(&mut *sender, count);
            }
        }
    }

    #[test]
    fn a_full_socket_a_dead_one_and_a_short_write_are_each_reported_in_order() {
        for mut sender in senders() {
            let (here, there) = pairs(8);
            here[1].set_nonblocking(true).expect("a socket");
            while (&here[1]).write(&[0; 1 << 16]).is_ok() {}
            here[1].set_nonblocking(false).expect("a socket");
            there[3].shutdown(std::net::Shutdown::Both).expect("a socket");
            let mut bytes = vec![b"small".to_vec(); 8];
            bytes[5] = vec![7; 16 << 20];
            let sent = send_all(&mut *sender, &send_ops(&here, &bytes));
            for (n, sent) in sent.iter().enumerate() {
                match (n, sent) {
                    (1, Err(error)) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
                    (3, Err(error)) => assert_eq!(error.kind(), io::ErrorKind::BrokenPipe),
                    (5, Ok(taken)) => assert!((1..16 << 20).contains(taken), "{taken}"),
                    (_, sent) => assert!(matches!(sent, Ok(5)), "{n}: {sent:?}"),
                }
            }
        }
    }

    #[test]
    fn sends_that_a_broken_ring_rejects_fall_back_to_system_calls() {
        // A ring belongs to the thread that made it; the kernel refuses it to any other.
        let uring = std::thread::spawn(Uring::new).join().expect("ends");
        let mut uring = uring.expect("this kernel lets us use io_uring");
        assert!(uring.is_working());
        check_batch(&mut uring, 600);
        assert!(!uring.is_working());
        check_batch(&mut uring, 600);
    }
}
