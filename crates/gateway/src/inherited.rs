//! Listening sockets that are there already: systemd's (socket activation), or those of a gateway that this one takes over from. Either
//! way connections that come meanwhile wait, and none is refused.

use std::{
    io,
    os::unix::net::{UnixDatagram, UnixListener},
};

use anyhow::Context as _;
use listenfd::ListenFd;

use crate::{net::Listening, settings::Address};

/// By which names sockets are told apart (`FileDescriptorName=` of a socket unit): those in place of `bind`, `tls.bind` and `admin.bind`.
pub(crate) const HTTP: &str = "http";
pub(crate) const HTTPS: &str = "https";
pub(crate) const ADMIN: &str = "admin";

/// What stands behind the name of a socket that the old gateway has bound itself, as its settings said: the new one looks whether
/// its own still do.
pub(crate) const BOUND: &str = "-bound";

const HTTP_BOUND: &str = "http-bound";

/// The name of the socket that the old gateway waits at.
pub(crate) const HANDOVER: &str = "handover";

/// A socket to listen at.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) socket: Listening,
    /// It is where the settings want it, and not where somebody else has put it.
    pub(crate) bound: bool,
}

impl Handed {
    /// By which name whoever takes over gets it.
    pub(crate) fn name(&self, name: &str) -> String {
        if self.bound { format!("{name}{BOUND}") } else { name.to_owned() }
    }
}

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
                    let known =
                        [HTTPS, ADMIN].iter().any(|known| name.trim_end_matches(BOUND) == *known);
                    let other = if name.ends_with(BOUND) { HTTP_BOUND } else { HTTP };
                    let name = if known { name } else { other };
                    inherited.sockets.push((name.to_owned(), socket));
                }
            }
        }
        Ok(inherited)
    }

    /// The sockets of this name: what was handed in for it; or those of `wanted` that are there already, and the others anew.
    ///
    /// # Errors
    /// When one cannot be bound.
    pub(crate) fn sockets_for(
        &mut self,
        name: &str,
        (key, wanted): (&str, &[Address]),
    ) -> anyhow::Result<Vec<Handed>> {
        let handed_in = self.take_named(name);
        if !handed_in.is_empty() {
            let handed = |socket| Handed { socket, bound: false };
            return Ok(handed_in.into_iter().map(handed).collect());
        }
        let mut there = self.take_named(&format!("{name}{BOUND}"));
        let socket_for = |address: &Address| {
            let fits = |socket: &Listening| socket.address().is_ok_and(|own| address.fits(&own));
            let socket = match there.iter().position(fits) {
                Some(place) => there.swap_remove(place),
                None => Listening::bind(address).with_context(|| {
                    format!("cannot listen on {address}; free it, or set {key} to another address")
                })?,
            };
            Ok(Handed { socket, bound: true })
        };
        wanted.iter().map(socket_for).collect()
    }

    /// # Errors
    /// When somebody has handed in a socket that nobody has asked for. What the old gateway had, and the settings want no more, is
    /// closed.
    pub(crate) fn nothing_left(&self) -> anyhow::Result<()> {
        let left = self.sockets.iter().map(|(name, _)| name).find(|name| !name.ends_with(BOUND));
        match left {
            None => Ok(()),
            Some(name) => anyhow::bail!(
                "a socket named {name} was handed in, but there is no certificate; set [tls]"
            ),
        }
    }

    fn take_named(&mut self, name: &str) -> Vec<Listening> {
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
