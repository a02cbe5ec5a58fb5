//! The floor of an answer: one thread, epoll, and a send of whatever was read. It keeps nothing,
//! and serves one device for each call.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::SocketAddr,
};

use mio::{Events, Interest, Poll, Token, net::TcpStream};

const LISTENER: Token = Token(usize::MAX);

/// Serves until the process ends.
pub(crate) fn serve(address: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let mut listener = mio::net::TcpListener::bind(address)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    // Each socket, and the index of the one that gets what it reads.
    let mut sockets: HashMap<usize, (TcpStream, usize)> = HashMap::new();
    let (mut next, mut buffer) = (0, vec![0; 64 * 1024]);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut client, _)) = listener.accept() {
                    client.set_nodelay(true)?;
                    // Connecting is over before the client has sent its request.
                    let connected = std::net::TcpStream::connect(upstream)?;
                    connected.set_nodelay(true)?;
                    connected.set_nonblocking(true)?;
                    let mut call = TcpStream::from_std(connected);
                    let registry = poll.registry();
                    registry.register(&mut client, Token(next), Interest::READABLE)?;
                    registry.register(&mut call, Token(next + 1), Interest::READABLE)?;
                    sockets.insert(next, (client, next + 1));
                    sockets.insert(next + 1, (call, next));
                    next += 2;
                }
                continue;
            }
            let Token(from) = event.token();
            let Some((socket, to)) = sockets.get_mut(&from) else { continue };
            let to = *to;
            match socket.read(&mut buffer) {
                Ok(0) => {
                    sockets.remove(&from);
                    sockets.remove(&to);
                }
                Ok(read) => {
                    if let Some((peer, _)) = sockets.get_mut(&to) {
                        peer.write_all(&buffer[..read])?;
                    }
                }
                Err(_) => {}
            }
        }
    }
}
