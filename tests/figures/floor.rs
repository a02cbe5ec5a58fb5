//! The floor: one thread, epoll, bytes encoded before, one send for each subscriber and message.
//! What a server pays that does nothing else.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
};

use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

/// Serves until it is killed. Whoever asks for `/publish` has its body sent to everybody else.
pub(crate) fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    println!("http://{}", listener.local_addr().expect("is bound"));
    listener.set_nonblocking(true).expect("a socket");
    let mut listener = mio::net::TcpListener::from_std(listener);
    let mut poll = Poll::new().expect("epoll");
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE).expect("registers");
    let mut events = Events::with_capacity(1024);
    let mut sockets: Vec<mio::net::TcpStream> = Vec::new();
    let mut subscribers: Vec<usize> = Vec::new();
    let mut buffer = vec![0; 4096];
    loop {
        poll.poll(&mut events, None).expect("polls");
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut socket, _)) = listener.accept() {
                    let _ = socket.set_nodelay(true);
                    let token = Token(sockets.len());
                    poll.registry()
                        .register(&mut socket, token, Interest::READABLE)
                        .expect("registers");
                    sockets.push(socket);
                }
                continue;
            }
            let Token(index) = event.token();
            let Ok(read) = sockets[index].read(&mut buffer) else { continue };
            let request = &buffer[..read];
            if request.starts_with(b"GET") {
                subscribers.push(index);
                let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\n\n\r\n";
                let _ = sockets[index].write(head.as_bytes());
            } else if let Some(at) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let body = &request[at + 4..];
                let framed = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n"].concat();
                // First the answer, as Tricast does: the readers read while it sends.
                let _ = sockets[index].write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                for subscriber in &subscribers {
                    let _ = sockets[*subscriber].write(&framed);
                }
            }
        }
    }
}
