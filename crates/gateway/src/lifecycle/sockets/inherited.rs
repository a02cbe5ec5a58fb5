//! Inherited listening sockets: systemd's (socket activation), or those of a gateway that this one
//! replaces. Connections that arrive before this gateway accepts wait in the sockets' queues, and
//! none is refused.

use std::{
    env::VarError,
    io,
    os::unix::net::{UnixDatagram, UnixListener},
};

use anyhow::Context as _;
use listenfd::ListenFd;

use tricast_net::ListenSocket;

use crate::{lifecycle::handover::Predecessor, settings::Address};

/// Suffix of the name of a socket that the old gateway bound itself because its settings said so.
/// The new gateway uses such a socket only if its own settings still name the address.
const SELF_BOUND_SUFFIX: &str = "-bound";

/// Name of the socket over which the old and the new gateway coordinate a handover.
pub(crate) const HANDOVER_SOCKET: &str = "handover";

/// The role of a listening socket.
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
    /// Returns its name in `LISTEN_FDNAMES` (`FileDescriptorName=` of a socket unit).
    fn name(self) -> &'static str {
        match self {
            Purpose::Http => "http",
            Purpose::Https => "https",
            Purpose::Admin => "admin",
        }
    }

    /// Parses a name. The main socket may also have no name, or the one that systemd gives to a
    /// socket of our own unit that names none.
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "http" | "" | "unknown" | "tricast.socket" => Some(Purpose::Http),
            "https" => Some(Purpose::Https),
            "admin" => Some(Purpose::Admin),
            _ => None,
        }
    }
}

/// A listening socket that is bound.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub(crate) socket: ListenSocket,
    /// A gateway bound it, as its settings said. Otherwise systemd did, and keeps it open.
    pub(crate) self_bound: bool,
}

impl BoundListener {
    /// Returns the name under which a successor inherits it.
    pub(crate) fn handover_name(&self, purpose: Purpose) -> String {
        format!("{}{}", purpose.name(), if self.self_bound { SELF_BOUND_SUFFIX } else { "" })
    }
}

/// The sockets that this process was started with.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<(Purpose, BoundListener)>,
    predecessor: Option<Predecessor>,
}

impl Inherited {
    /// Takes the sockets that the environment names (`LISTEN_FDS`, `LISTEN_FDNAMES`). Call this
    /// once, before there are threads.
    ///
    /// # Errors
    /// When one of them is not a listening socket, or its name is unknown.
    pub fn take() -> anyhow::Result<Self> {
        let names = match std::env::var("LISTEN_FDNAMES") {
            Ok(names) => names,
            Err(VarError::NotPresent) => String::new(),
            // Without its name, the admin socket would be taken for the public one.
            Err(VarError::NotUnicode(_)) => anyhow::bail!(
                "LISTEN_FDNAMES is not UTF-8; name each socket http, https or admin \
                 (FileDescriptorName=)"
            ),
        };
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut inherited = Self::default();
        for index in 0..passed.len() {
            let name = names.next().unwrap_or_default();
            let context = || format!("the inherited socket {name:?} (LISTEN_FDS)");
            if name == HANDOVER_SOCKET {
                let socket: Option<UnixDatagram> =
                    passed.take_unix_datagram(index).with_context(context)?;
                inherited.predecessor = socket.map(Predecessor::new);
                continue;
            }
            let (known, self_bound) = match name.strip_suffix(SELF_BOUND_SUFFIX) {
                Some(known) => (known, true),
                None => (name, false),
            };
            let purpose = Purpose::from_name(known).with_context(|| {
                format!("{}: name it http, https or admin (FileDescriptorName=)", context())
            })?;
            let socket = take_listen_socket(&mut passed, index).with_context(context)?;
            anyhow::ensure!(
                socket.is_listening()?,
                "{}: it does not listen, so nobody can connect to it; pass a socket on which \
                 listen() was called (systemd: ListenStream= and Accept=no)",
                context()
            );
            inherited.sockets.push((purpose, BoundListener { socket, self_bound }));
        }
        Ok(inherited)
    }

    /// Returns the sockets for `purpose`: those of systemd if there are any. Otherwise those of the
    /// addresses in `wanted`: a gateway's inherited socket if there is one, else a new socket.
    ///
    /// # Errors
    /// When one cannot be bound.
    pub(crate) fn sockets_for(
        &mut self,
        purpose: Purpose,
        (key, wanted): (&str, &[Address]),
    ) -> anyhow::Result<Vec<BoundListener>> {
        let passed = self.take_for(purpose, false);
        if !passed.is_empty() {
            return Ok(passed);
        }
        let mut self_bound = self.take_for(purpose, true);
        let socket_for = |address: &Address| {
            let fits =
                |own: &BoundListener| own.socket.address().is_ok_and(|own| address.matches(&own));
            if let Some(index) = self_bound.iter().position(fits) {
                return Ok(self_bound.swap_remove(index));
            }
            let socket = ListenSocket::bind(address).with_context(|| {
                format!("cannot listen on {address}; free it, or set {key} to another address")
            })?;
            Ok(BoundListener { socket, self_bound: true })
        };
        wanted.iter().map(socket_for).collect()
    }

    /// Checks that every socket of systemd is in use. Sockets of an old gateway that the settings
    /// no longer name are closed.
    ///
    /// # Errors
    /// When one is not in use.
    pub(crate) fn check_all_used(&self) -> anyhow::Result<()> {
        match self.sockets.iter().find(|(_, listener)| !listener.self_bound) {
            None => Ok(()),
            Some((purpose, _)) => anyhow::bail!(
                "a socket named {} was inherited, but there is no certificate; set [tls]",
                purpose.name()
            ),
        }
    }

    fn take_for(&mut self, purpose: Purpose, self_bound: bool) -> Vec<BoundListener> {
        let wanted = |(own, listener): &mut (Purpose, BoundListener)| {
            *own == purpose && listener.self_bound == self_bound
        };
        self.sockets.extract_if(.., wanted).map(|(_, listener)| listener).collect()
    }

    /// Takes the gateway that waits for this one to take over, if there is one.
    pub(crate) fn predecessor(&mut self) -> Option<Predecessor> {
        self.predecessor.take()
    }
}

fn take_listen_socket(passed: &mut ListenFd, index: usize) -> io::Result<ListenSocket> {
    // A failed attempt does not take the socket.
    if let Ok(Some(socket)) = passed.take_tcp_listener(index) {
        socket.set_nonblocking(true)?;
        return Ok(socket.into());
    }
    let socket: Option<UnixListener> = passed.take_unix_listener(index)?;
    let socket = socket.ok_or(io::ErrorKind::NotFound)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
