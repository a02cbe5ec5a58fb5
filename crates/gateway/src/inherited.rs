//! Listening sockets that are there already: systemd's (socket activation), or those of a gateway that this one takes over from. Either
//! way connections that come meanwhile wait, and none is refused.

use std::{
    io,
    os::unix::net::{UnixDatagram, UnixListener},
};

use anyhow::Context as _;
use listenfd::ListenFd;

use crate::net::Listening;

/// By which names sockets are told apart (`FileDescriptorName=` of a socket unit): those in place of `bind`, `tls.bind` and `admin.bind`.
pub(crate) const HTTP: &str = "http";
pub(crate) const HTTPS: &str = "https";
pub(crate) const ADMIN: &str = "admin";

/// The name of the socket that the old gateway waits at.
pub(crate) const HANDOVER: &str = "handover";

/// What the process was started with.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(String, Listening)>,
    predecessor: Option<UnixDatagram>,
}

impl Inherited {
    /// Takes what the environment names (`LISTEN_FDS`, `LISTEN_FDNAMES`). Call it once, before there are threads.
    ///
    /// # Errors
    /// When something else than listening sockets of known names was handed in.
    pub fn take() -> anyhow::Result<Self> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut handed_in = ListenFd::from_env();
        let mut inherited = Self::default();
        for place in 0..handed_in.len() {
            let name = names.next().unwrap_or_default();
            let context = || format!("the socket {name:?} that was handed in (LISTEN_FDS)");
            match name {
                HANDOVER => {
                    inherited.predecessor =
                        handed_in.take_unix_datagram(place).with_context(context)?;
                }
                _ => {
                    let socket = listening(&mut handed_in, place).with_context(context)?;
                    let name = if [HTTPS, ADMIN].contains(&name) { name } else { HTTP };
                    inherited.sockets.push((name.to_owned(), socket));
                }
            }
        }
        Ok(inherited)
    }

    /// The sockets of this name, if any were handed in.
    pub(crate) fn named(&mut self, name: &str) -> Vec<Listening> {
        let named = self.sockets.extract_if(.., |(own, _)| own == name);
        named.map(|(_, socket)| socket).collect()
    }

    /// Whoever waits for this gateway to take over.
    pub(crate) fn predecessor(&mut self) -> Option<UnixDatagram> {
        self.predecessor.take()
    }
}

fn listening(handed_in: &mut ListenFd, place: usize) -> io::Result<Listening> {
    // An attempt that fails leaves the socket where it is.
    if let Ok(Some(socket)) = handed_in.take_tcp_listener(place) {
        socket.set_nonblocking(true)?;
        return Ok(Listening::Tcp(mio::net::TcpListener::from_std(socket)));
    }
    let socket: Option<UnixListener> = handed_in.take_unix_listener(place)?;
    let socket = socket.ok_or(io::ErrorKind::NotFound)?;
    socket.set_nonblocking(true)?;
    Ok(Listening::Unix(mio::net::UnixListener::from_std(socket)))
}
