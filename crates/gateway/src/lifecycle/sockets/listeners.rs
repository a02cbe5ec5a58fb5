//! Where a gateway listens: at sockets of its own, or at those that were handed in.

use std::{fmt, net::SocketAddr, os::fd::OwnedFd, sync::Arc};

use tricast_net::{Certificate, TlsAcceptor};

use crate::{
    lifecycle::sockets::inherited::{BoundListener, Inherited, Purpose},
    settings::{Address, Settings},
};

/// Where clients connect, as in `http://127.0.0.1:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundAddress {
    /// Whether they have to speak TLS.
    pub encrypted: bool,
    /// With the port that was free, if none was asked for.
    pub address: Address,
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.address, self.encrypted) {
            (Address::Tcp(address), false) => write!(f, "http://{address}"),
            (Address::Tcp(address), true) => write!(f, "https://{address}"),
            (unix, _) => unix.fmt(f),
        }
    }
}

/// The sockets of a gateway, by what they are for.
pub(crate) struct Listeners {
    pub(crate) admin: BoundListener,
    pub(crate) plain: Vec<BoundListener>,
    pub(crate) encrypted: Vec<(BoundListener, TlsAcceptor)>,
}

impl Listeners {
    /// # Errors
    /// When one cannot be bound, or what was handed in does not fit.
    pub(crate) fn of(
        settings: &Settings,
        mut inherited: Inherited,
        certificate: Option<&Arc<Certificate>>,
    ) -> anyhow::Result<Self> {
        let plain = inherited.sockets_for(Purpose::Http, ("bind", &settings.bind))?;
        let mut encrypted = Vec::new();
        if let Some(certificate) = certificate {
            let wanted = ("tls.bind", &*settings.tls.bind);
            for listener in inherited.sockets_for(Purpose::Https, wanted)? {
                encrypted.push((listener, certificate.tls_acceptor()?));
            }
        }
        let admin = [Address::Tcp(settings.admin.bind)];
        let admin = inherited.sockets_for(Purpose::Admin, ("admin.bind", &admin))?;
        let Ok([admin]) = <[BoundListener; 1]>::try_from(admin) else {
            anyhow::bail!("several sockets named admin were handed in; one is enough");
        };
        inherited.check_all_used()?;
        Ok(Self { admin, plain, encrypted })
    }

    /// Where clients connect.
    ///
    /// # Errors
    /// When the system does not tell.
    pub(crate) fn addresses(&self) -> std::io::Result<Vec<BoundAddress>> {
        let bound = |listener: &BoundListener, encrypted| {
            Ok(BoundAddress { encrypted, address: listener.socket.address()? })
        };
        let plain = self.plain.iter().map(|listener| bound(listener, false));
        plain.chain(self.encrypted.iter().map(|(listener, _)| bound(listener, true))).collect()
    }

    /// # Errors
    /// When it is none of TCP.
    pub(crate) fn admin_address(&self) -> anyhow::Result<SocketAddr> {
        match self.admin.socket.address()? {
            Address::Tcp(address) => Ok(address),
            Address::Unix(_) => {
                anyhow::bail!("the socket named admin that was handed in is none of TCP")
            }
        }
    }

    /// All of them once more, by name, for whoever takes over.
    ///
    /// # Errors
    /// When there is no descriptor left.
    pub(crate) fn handover_sockets(&self) -> std::io::Result<Vec<(String, OwnedFd)>> {
        let plain = self.plain.iter().map(|listener| (Purpose::Http, listener));
        let encrypted = self.encrypted.iter().map(|(listener, _)| (Purpose::Https, listener));
        let all = [(Purpose::Admin, &self.admin)].into_iter().chain(plain).chain(encrypted);
        all.map(|(purpose, listener)| {
            Ok((listener.handover_name(purpose), listener.socket.try_clone()?))
        })
        .collect()
    }
}
