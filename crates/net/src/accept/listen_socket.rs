//! Listening sockets of TCP and of unix.

use std::{
    fs, io,
    net::SocketAddr,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{
            fs::{FileTypeExt as _, PermissionsExt as _},
            net::UnixListener,
        },
    },
    path::Path,
};

use mio::{
    Interest, Registry, Token,
    event::Source,
    net::{TcpListener, TcpStream},
};
use socket2::{Domain, SockAddr, SockFilter, SockRef, Socket, Type};
use tokio::net::TcpSocket;

use crate::{address::Address, peer::Peer};

/// Length of the accept queue: a storm of reconnects must not be refused.
const BACKLOG: u32 = 4096;

/// Mode of a unix socket: its owner and its group may connect.
const MODE: u32 = 0o660;

/// A socket filter (`SO_ATTACH_FILTER`, classic BPF) that drops the first segment of a connection
/// and passes all others. It sees segments from their TCP header on (RFC 9293 §3.1).
const DROP_SYN_FILTER: [SockFilter; 4] = [
    // BPF_LD | BPF_B | BPF_ABS: load the flags;
    SockFilter::new(0x30, 0, 0, 13),
    // BPF_JMP | BPF_JSET | BPF_K: if SYN is set, skip the next instruction;
    SockFilter::new(0x45, 1, 0, 0x02),
    // BPF_RET | BPF_K: pass the segment;
    SockFilter::new(0x06, 0, 0, u32::MAX),
    // BPF_RET | BPF_K: drop it.
    SockFilter::new(0x06, 0, 0, 0),
];

/// A listening socket.
#[derive(Debug)]
pub enum ListenSocket {
    /// A socket of TCP.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(mio::net::UnixListener),
}

impl ListenSocket {
    /// Binds `address` and listens on it.
    ///
    /// # Errors
    /// When the address is in use, or the system refuses it.
    pub fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(address) => bind_tcp(*address).map(ListenSocket::Tcp),
            Address::Unix(path) => bind_unix(path).map(ListenSocket::Unix),
        }
    }

    /// Returns the address that the socket is bound to.
    ///
    /// # Errors
    /// When the system does not report one.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            ListenSocket::Tcp(socket) => socket.local_addr().map(Address::Tcp),
            ListenSocket::Unix(socket) => {
                let address = socket.local_addr()?;
                // Only an inherited socket can be without a name, and nothing can connect to it by
                // path.
                Ok(Address::Unix(address.as_pathname().unwrap_or(Path::new("/")).to_owned()))
            }
        }
    }

    /// Whether the socket listens. An inherited one may be bound alone.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn is_listening(&self) -> io::Result<bool> {
        match self {
            ListenSocket::Tcp(socket) => SockRef::from(socket).is_listener(),
            ListenSocket::Unix(socket) => SockRef::from(socket).is_listener(),
        }
    }

    /// Accepts a connection.
    pub(crate) fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        match self {
            ListenSocket::Tcp(socket) => {
                let (stream, peer) = socket.accept()?;
                Ok((stream, Peer::Ip(peer)))
            }
            ListenSocket::Unix(socket) => {
                let (stream, _) = socket.accept()?;
                // Reading, writing and polling use the descriptor alone, which works for both
                // families. Options of TCP are not set for `Peer::Unix`.
                let stream = std::net::TcpStream::from(OwnedFd::from(stream));
                Ok((TcpStream::from_std(stream), Peer::Unix))
            }
        }
    }

    /// Drops the first segment of new connections; those in the accept queue can still be accepted.
    /// A dropped client is not refused: its TCP retries within about a second, and finds the next
    /// gateway or a closed port. Unix sockets have nothing of the kind.
    pub(crate) fn drop_new_connections(&self) -> io::Result<()> {
        match self {
            ListenSocket::Tcp(socket) => SockRef::from(socket).attach_filter(&DROP_SYN_FILTER),
            ListenSocket::Unix(_) => Ok(()),
        }
    }

    /// Duplicates the descriptor, for another owner.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn try_clone(&self) -> io::Result<OwnedFd> {
        match self {
            ListenSocket::Tcp(socket) => socket.as_fd().try_clone_to_owned(),
            ListenSocket::Unix(socket) => socket.as_fd().try_clone_to_owned(),
        }
    }

    fn source(&mut self) -> &mut dyn Source {
        match self {
            ListenSocket::Tcp(socket) => socket,
            ListenSocket::Unix(socket) => socket,
        }
    }
}

/// The socket has to be non-blocking.
impl From<std::net::TcpListener> for ListenSocket {
    fn from(socket: std::net::TcpListener) -> Self {
        ListenSocket::Tcp(TcpListener::from_std(socket))
    }
}

/// The socket has to be non-blocking.
impl From<UnixListener> for ListenSocket {
    fn from(socket: UnixListener) -> Self {
        ListenSocket::Unix(mio::net::UnixListener::from_std(socket))
    }
}

impl Source for ListenSocket {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.source().register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.source().reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.source().deregister(registry)
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(TcpListener::from_std(socket.listen(BACKLOG)?.into_std()?))
}

/// Binds a unix socket. A stale socket file, on which nothing listens, is replaced.
fn bind_unix(path: &Path) -> io::Result<mio::net::UnixListener> {
    let is_stale_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_stale_socket {
        let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        // A listener with a full accept queue must not block this.
        probe.set_nonblocking(true)?;
        match probe.connect(&SockAddr::unix(path)?) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?
            }
            _ => return Err(io::ErrorKind::AddrInUse.into()),
        }
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    // Before listening, so that nothing can connect before the mode is set.
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    socket.listen(BACKLOG.cast_signed())?;
    socket.set_nonblocking(true)?;
    Ok(mio::net::UnixListener::from_std(UnixListener::from(OwnedFd::from(socket))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stale_unix_socket_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("http.sock");
        let address = Address::Unix(path.clone());
        let first = ListenSocket::bind(&address).expect("binds");
        assert_eq!(first.address().expect("has one"), address);
        assert_eq!(fs::metadata(&path).expect("is there").permissions().mode() & 0o777, MODE);
        let second = ListenSocket::bind(&address).expect_err("is in use");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists(), "is stale");
        // A listener whose accept queue is full.
        let busy_path = folder.path().join("busy.sock");
        let busy = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        busy.bind(&SockAddr::unix(&busy_path).expect("a path")).expect("binds");
        busy.listen(0).expect("listens");
        let _queued = std::os::unix::net::UnixStream::connect(&busy_path).expect("is queued");
        let refused = ListenSocket::bind(&Address::Unix(busy_path)).expect_err("is in use");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        ListenSocket::bind(&address).expect("replaces it");
        fs::remove_file(&path).expect("is there");
        fs::write(&path, "another file").expect("writes");
        assert!(ListenSocket::bind(&address).is_err());
        assert_eq!(fs::read_to_string(&path).expect("untouched"), "another file");
    }
}
