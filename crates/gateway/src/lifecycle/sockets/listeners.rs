//! The listening sockets of a gateway: those that it inherited and those that it binds itself.

use std::{fmt, net::SocketAddr, os::fd::OwnedFd, sync::Arc};

use tricast_net::{Certificate, TlsAcceptor};

use crate::{
    lifecycle::sockets::inherited::{BoundListener, Inherited, Purpose},
    settings::{Address, Settings},
};

/// An address where clients connect, as in `http://127.0.0.1:8080`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundAddress {
    /// Connections use TLS.
    pub encrypted: bool,
    /// The address, with the port that the system chose if the settings say port 0.
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

/// The listening sockets of a gateway, by purpose.
pub(crate) struct Listeners {
    pub(crate) admin: BoundListener,
    pub(crate) plain: Vec<BoundListener>,
    pub(crate) encrypted: Vec<(BoundListener, TlsAcceptor)>,
}

impl Listeners {
    /// Takes inherited sockets, and binds the other addresses that the settings name.
    ///
    /// # Errors
    /// When an address cannot be bound, or the inherited sockets do not fit the settings.
    pub(crate) fn bind(
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
            anyhow::bail!("several inherited sockets are named admin; pass one");
        };
        inherited.check_all_used()?;
        Ok(Self { admin, plain, encrypted })
    }

    /// Returns the addresses where clients connect.
    ///
    /// # Errors
    /// When the system cannot name one.
    pub(crate) fn addresses(&self) -> std::io::Result<Vec<BoundAddress>> {
        let bound = |listener: &BoundListener, encrypted| {
            Ok(BoundAddress { encrypted, address: listener.socket.address()? })
        };
        let plain = self.plain.iter().map(|listener| bound(listener, false));
        plain.chain(self.encrypted.iter().map(|(listener, _)| bound(listener, true))).collect()
    }

    /// Returns the address of the admin listener.
    ///
    /// # Errors
    /// When it is not a TCP address.
    pub(crate) fn admin_address(&self) -> anyhow::Result<SocketAddr> {
        match self.admin.socket.address()? {
            Address::Tcp(address) => Ok(address),
            Address::Unix(_) => {
                anyhow::bail!("the inherited socket named admin is not a TCP socket")
            }
        }
    }

    /// Returns a duplicate of each socket with its name, for a successor.
    ///
    /// # Errors
    /// When the process has no free descriptor.
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
