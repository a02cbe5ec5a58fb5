//! A fixed port that stays free for the program under test.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// A reserved port of 127.0.0.1: the kernel gives it to no other socket, and a program that names
/// it can listen there.
///
/// The socket is bound and does not listen. Linux lets others with `SO_REUSEADDR` bind beside it,
/// and does not choose its port for others.
#[derive(Debug)]
pub struct FixedPort {
    /// The address at which a program may listen.
    pub address: SocketAddr,
    _reserved: Socket,
}

impl FixedPort {
    /// Reserves one.
    pub fn reserve() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("a socket");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&any.into()).expect("binds");
        let address = socket.local_addr().expect("has one").as_socket().expect("of TCP");
        Self { address, _reserved: socket }
    }
}

#[cfg(test)]
mod tests {
    use super::FixedPort;

    #[test]
    fn a_reserved_port_can_be_listened_at_by_name_alone() {
        let port = FixedPort::reserve();
        let others: Vec<_> = (0..2000).map(|_| FixedPort::reserve()).collect();
        assert!(others.iter().all(|other| other.address != port.address));
        let listener = std::net::TcpListener::bind(port.address).expect("is free");
        assert_eq!(listener.local_addr().expect("has one"), port.address);
    }
}
