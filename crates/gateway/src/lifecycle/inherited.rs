//! Listening sockets that are there already: systemd's (socket activation), or those of a gateway that this one takes over from. Either
//! way connections that come meanwhile wait, and none is refused.

use std::{
    env::VarError,
    io,
    os::unix::net::{UnixDatagram, UnixListener},
};

use anyhow::Context as _;
use listenfd::ListenFd;

use crate::{lifecycle::handover::Predecessor, net::Listening, settings::Address};

/// What stands behind the name of a socket that the old gateway has bound itself, as its settings said: the new one looks whether
/// its own still do.
const BOUND: &str = "-bound";

/// The name of the socket that the old gateway waits at.
pub(crate) const HANDOVER: &str = "handover";

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// In place of `bind`.
    Http,
    /// In place of `tls.bind`.
    Https,
    /// In place of `admin.bind`.
    Admin,
}

impl Purpose {
    /// By which name it is handed in (`FileDescriptorName=` of a socket unit).
    fn name(self) -> &'static str {
        match self {
            Purpose::Http => "http",
            Purpose::Https => "https",
            Purpose::Admin => "admin",
        }
    }

    /// Names that say nothing mean the main socket: none at all, and what systemd calls that of our own unit if nobody names it.
    fn named(name: &str) -> Option<Self> {
        match name {
            "http" | "" | "unknown" | "tricast.socket" => Some(Purpose::Http),
            "https" => Some(Purpose::Https),
            "admin" => Some(Purpose::Admin),
            _ => None,
        }
    }
}

/// A socket to listen at.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) socket: Listening,
    /// It is where the settings want it, and not where somebody else has put it, who keeps it open.
    pub(crate) bound: bool,
}

impl Handed {
    /// By which name whoever takes over gets it.
    pub(crate) fn name(&self, purpose: Purpose) -> String {
        format!("{}{}", purpose.name(), if self.bound { BOUND } else { "" })
    }
}

/// What the process was started with.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(Purpose, Handed)>,
    predecessor: Option<Predecessor>,
}

impl Inherited {
    /// Takes what the environment names (`LISTEN_FDS`, `LISTEN_FDNAMES`). Call it once, before there are threads.
    ///
    /// # Errors
    /// When something else than listening sockets of known names was handed in.
    pub fn take() -> anyhow::Result<Self> {
        let names = match std::env::var("LISTEN_FDNAMES") {
            Ok(names) => names,
            Err(VarError::NotPresent) => String::new(),
            // Without its name the admin socket would be taken for the public one.
            Err(VarError::NotUnicode(_)) => anyhow::bail!(
                "LISTEN_FDNAMES is not UTF-8; name each socket http, https or admin (FileDescriptorName=)"
            ),
        };
        let mut names = names.split(':');
        let mut handed_in = ListenFd::from_env();
        let mut inherited = Self::default();
        for place in 0..handed_in.len() {
            let name = names.next().unwrap_or_default();
            let context = || format!("the socket {name:?} that was handed in (LISTEN_FDS)");
            if name == HANDOVER {
                let line: Option<UnixDatagram> =
                    handed_in.take_unix_datagram(place).with_context(context)?;
                inherited.predecessor = line.map(Predecessor::at);
                continue;
            }
            let (known, bound) = match name.strip_suffix(BOUND) {
                Some(known) => (known, true),
                None => (name, false),
            };
            let purpose = Purpose::named(known).with_context(|| {
                format!("{}: name it http, https or admin (FileDescriptorName=)", context())
            })?;
            let socket = listening(&mut handed_in, place).with_context(context)?;
            inherited.sockets.push((purpose, Handed { socket, bound }));
        }
        Ok(inherited)
    }

    /// The sockets for this: what was handed in for it; or those of `wanted` that are there already, and the others anew.
    ///
    /// # Errors
    /// When one cannot be bound.
    pub(crate) fn sockets_for(
        &mut self,
        purpose: Purpose,
        (key, wanted): (&str, &[Address]),
    ) -> anyhow::Result<Vec<Handed>> {
        let handed_in = self.take_for(purpose, false);
        if !handed_in.is_empty() {
            return Ok(handed_in);
        }
        let mut there = self.take_for(purpose, true);
        let socket_for = |address: &Address| {
            let fits = |own: &Handed| own.socket.address().is_ok_and(|own| address.fits(&own));
            if let Some(place) = there.iter().position(fits) {
                return Ok(there.swap_remove(place));
            }
            let socket = Listening::bind(address).with_context(|| {
                format!("cannot listen on {address}; free it, or set {key} to another address")
            })?;
            Ok(Handed { socket, bound: true })
        };
        wanted.iter().map(socket_for).collect()
    }

    /// # Errors
    /// When somebody has handed in a socket that nobody has asked for. What the old gateway had, and the settings want no more, is
    /// closed.
    pub(crate) fn nothing_left(&self) -> anyhow::Result<()> {
        match self.sockets.iter().find(|(_, handed)| !handed.bound) {
            None => Ok(()),
            Some((purpose, _)) => anyhow::bail!(
                "a socket named {} was handed in, but there is no certificate; set [tls]",
                purpose.name()
            ),
        }
    }

    fn take_for(&mut self, purpose: Purpose, bound: bool) -> Vec<Handed> {
        let wanted =
            |(own, handed): &mut (Purpose, Handed)| *own == purpose && handed.bound == bound;
        self.sockets.extract_if(.., wanted).map(|(_, handed)| handed).collect()
    }

    /// Whoever waits for this gateway to take over.
    pub(crate) fn predecessor(&mut self) -> Option<Predecessor> {
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
