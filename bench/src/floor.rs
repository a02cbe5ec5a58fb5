//! The floor: one thread, epoll, bytes encoded before, one send for each subscriber and message, by
//! a system call each or through io_uring. It is the cost of a server that does nothing else.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    os::fd::AsFd as _,
};

use mio::{Events, Interest, Poll, Token};
use tricast_delivery::{SendMode, SendOp};

const LISTENER: Token = Token(usize::MAX);

/// What every subscriber gets before any message.
const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\n";

/// Answers the publisher first, as the others do: the readers read while it sends.
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Serves until the process ends. `GET` subscribes; the body of a `POST` is sent to all
/// subscribers, in the document that Tricast would make of it.
pub(crate) fn serve(address: SocketAddr, mode: SendMode) -> anyhow::Result<()> {
    mode.probe()?;
    let mut sender = mode.sender();
    let mut listener = mio::net::TcpListener::bind(address)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut sockets: Vec<Option<mio::net::TcpStream>> = Vec::new();
    let mut subscribers: Vec<usize> = Vec::new();
    let mut buffer = vec![0; 4096];
    let mut sent = Vec::new();
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    socket.set_nodelay(true)?;
                    let token = Token(sockets.len());
                    poll.registry().register(&mut socket, token, Interest::READABLE)?;
                    sockets.push(Some(socket));
                }
                continue;
            }
            let Token(index) = event.token();
            let Some(socket) = &mut sockets[index] else { continue };
            let Ok(read) = socket.read(&mut buffer) else { continue };
            let request = String::from_utf8_lossy(&buffer[..read]).into_owned();
            if request.starts_with("GET") {
                subscribers.push(index);
                socket.write_all(HEAD.as_bytes())?;
            } else if let Some((_, data)) = request.split_once("\r\n\r\n") {
                socket.write_all(ANSWER.as_bytes())?;
                sockets[index] = None;
                let document = format!(
                    "data: {{\"id\":\"toumjkglclq-1234\",\"channel\":\"bench\",\
                     \"event\":\"message\",\"data\":\"{data}\",\"online\":5000,\
                     \"time\":1795230000000}}\nid: toumjkglclq-1234\n\n"
                );
                let framed = format!("{:X}\r\n{document}\r\n", document.len());
                let socket_of = |index: &usize| sockets[*index].as_ref();
                let ops: Vec<SendOp<'_>> = subscribers
                    .iter()
                    .filter_map(socket_of)
                    .map(|socket| SendOp { socket: socket.as_fd(), bytes: framed.as_bytes() })
                    .collect();
                for batch in ops.chunks(512) {
                    sent.clear();
                    sender.send(batch, &mut sent);
                }
            } else {
                // A subscriber that has left.
                sockets[index] = None;
            }
        }
    }
}
