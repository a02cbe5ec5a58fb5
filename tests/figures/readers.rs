//! Thousands of subscribers in one thread: they count messages and keep nothing.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token};

use crate::server::{Kind, Server};

pub(crate) struct Readers {
    poll: Poll,
    sockets: Vec<mio::net::TcpStream>,
    buffer: Vec<u8>,
}

impl Readers {
    pub(crate) fn new() -> Self {
        Self { poll: Poll::new().expect("epoll"), sockets: Vec::new(), buffer: vec![0; 1 << 16] }
    }

    /// Connects so many more, each after the one before it has its head.
    pub(crate) fn connect(&mut self, server: &Server, count: usize) {
        for _ in 0..count {
            let mut socket = TcpStream::connect(server.address).expect("connects");
            socket.write_all(server.request().as_bytes()).expect("sends");
            let mut head = [0; 12];
            socket.read_exact(&mut head).expect("answers");
            assert!(&head == b"HTTP/1.1 200" || &head == b"HTTP/1.1 101");
            socket.set_nonblocking(true).expect("a socket");
            let mut socket = mio::net::TcpStream::from_std(socket);
            let token = Token(self.sockets.len());
            self.poll
                .registry()
                .register(&mut socket, token, Interest::READABLE)
                .expect("registers");
            self.sockets.push(socket);
        }
        // hello has to leave before memory is read.
        self.forget_what_came();
    }

    /// Reads until nothing has come for a while.
    pub(crate) fn forget_what_came(&mut self) {
        let mut events = Events::with_capacity(1024);
        loop {
            self.poll.poll(&mut events, Some(Duration::from_millis(300))).expect("polls");
            if events.is_empty() {
                return;
            }
            for event in &events {
                self.read(event.token());
            }
        }
    }

    /// Reads until every subscriber has the message published at `published`; gives how many have.
    pub(crate) fn until_all_have_one(
        &mut self,
        kind: Kind,
        published: Instant,
        deadline: Instant,
        latencies: &mut Vec<f64>,
    ) -> usize {
        // Each wire's message ends in its own way; a document holds no such bytes.
        let end: &[u8] = match kind {
            Kind::Floor | Kind::Sse => b"\n\n\r\n",
            Kind::Chunked => b"}\n\r\n",
            Kind::Ws => b"}",
        };
        let mut events = Events::with_capacity(1024);
        let mut have = 0;
        while have < self.sockets.len() && Instant::now() < deadline {
            self.poll.poll(&mut events, Some(Duration::from_millis(100))).expect("polls");
            for event in &events {
                let count = self.read(event.token());
                if self.buffer[..count].ends_with(end) {
                    have += 1;
                    latencies.push(published.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
        have
    }

    fn read(&mut self, Token(index): Token) -> usize {
        self.sockets[index].read(&mut self.buffer).unwrap_or(0)
    }
}
