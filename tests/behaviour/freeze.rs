//! A process that is stopped for a while and then runs on: by SIGSTOP, by `docker pause`, or with
//! its machine. Nobody is to blame for that time, and nobody pays for it.

use std::{sync::Arc, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::{
    net::TcpSocket,
    process::Child,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tricast_tests::{
    Backend, Connection, Reader, Reply, Wire, eventually,
    program::{start, start_both, tricast},
    stream_head,
};

/// Longer than the lag at which load shedding begins.
const STOPPED: Duration = Duration::from_secs(4);

fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| Pid::from_raw(id as i32)).expect("runs");
    kill_process(id, signal).expect("is ours");
}

/// Stops the process for `time`. The time has to pass: it is what the test is about.
async fn stop_for(child: &Child, time: Duration) {
    signal(child, Signal::STOP);
    sleep(time).await;
    signal(child, Signal::CONT);
}

const PUBLISH: &str = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1";

async fn a_stop_is_no_overload(wire: Wire) {
    let mut command = tricast();
    command.env("TRICAST__LIMITS__OVERLOAD", "2s");
    let (child, address, admin) = start_both(&mut command).await;
    let mut reader = Reader::open(&address, wire, "a").await;
    reader.control("hello").await;
    let mut published = 0;
    for somebody_waits in [true, false] {
        let mut waiting = Vec::new();
        signal(&child, Signal::STOP);
        if somebody_waits {
            for _ in 0..4 {
                let mut publisher = Connection::open(address).await;
                publisher.send(format!("{PUBLISH}\r\n\r\nx")).await;
                let mut stream = Connection::open(address).await;
                stream.send(format!("{}\r\n\r\n", stream_head(wire, "a"))).await;
                waiting.push((publisher, stream));
            }
        }
        sleep(STOPPED).await;
        signal(&child, Signal::CONT);
        for (publisher, stream) in &mut waiting {
            assert_eq!(publisher.head().await.status, 200);
            published += 1;
            let status = stream.head().await.status;
            assert_eq!(status, if wire == Wire::Ws { 101 } else { 200 });
            // A stream that is refused for now has the same status, and a goodbye.
            while !contains(&stream.buffer, b"tricast.") {
                assert!(stream.more().await, "the stream ended");
            }
            assert!(contains(&stream.buffer, b"tricast.hello"), "refused");
        }
        for _ in 0..50 {
            let answer = Connection::open(address).await.request(PUBLISH, b"x").await;
            assert_eq!(answer.status, 200, "{answer:?}");
            published += 1;
        }
    }
    for _ in 0..published {
        reader.data().await;
    }
    let refused = "GET /metrics HTTP/1.1\r\nHost: localhost";
    let metrics = Connection::open(admin).await.request(refused, b"").await.text();
    assert!(metrics.contains("\ntricast_overloaded 0\n"), "{metrics}");
    assert!(!metrics.contains("{reason=\"overloaded\"} 1"), "{metrics}");
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// What was published before the stop: so much that no reader has room for it.
const MESSAGES: usize = 20;
const MESSAGE_BYTES: usize = 100_000;

/// So many that their sockets do not all have their turn at once.
const READERS: usize = 100;

async fn a_reader_that_reads_during_a_stop_is_not_cut() {
    let mut command = tricast();
    command.env("TRICAST__STREAM__STALL_TIMEOUT", "10s");
    let (child, address) = start(&mut command).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(64 << 10).expect("a socket");
        let mut reader = Connection::over(socket.connect(address).await.expect("connects"));
        let head = stream_head(Wire::Chunked, "a?format=raw");
        reader.send(format!("{head}\r\n\r\n")).await;
        reader.head().await;
        readers.push(reader);
    }
    let message = vec![b'x'; MESSAGE_BYTES];
    for _ in 0..MESSAGES {
        let head =
            format!("POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: {MESSAGE_BYTES}");
        let answer = Connection::open(address).await.request(&head, &message).await;
        assert_eq!(answer.status, 200);
    }
    signal(&child, Signal::STOP);
    let reading = readers.into_iter().map(|mut reader| {
        tokio::spawn(async move {
            let mut read = 0;
            while read < MESSAGES * MESSAGE_BYTES {
                // It ends in time, and takes longer than one read of `Connection` may.
                let more =
                    tokio::io::AsyncReadExt::read_buf(&mut reader.socket, &mut reader.buffer);
                let more = timeout(Duration::from_secs(90), more).await.expect("in time");
                if more.unwrap_or(0) == 0 {
                    return read;
                }
                read += reader.buffer.iter().filter(|byte| **byte == b'x').count();
                reader.buffer.clear();
            }
            read
        })
    });
    let reading: Vec<_> = reading.collect();
    sleep(Duration::from_secs(13)).await;
    signal(&child, Signal::CONT);
    for reader in reading {
        assert_eq!(reader.await.expect("reads"), MESSAGES * MESSAGE_BYTES, "it was cut");
    }
}

/// Each stop is longer than two heartbeats.
async fn a_client_that_answers_is_never_unresponsive() {
    let mut command = tricast();
    command.env("TRICAST__STREAM__HEARTBEAT", "1s");
    let (child, address) = start(&mut command).await;
    let mut reader = Reader::open(&address, Wire::Ws, "a").await;
    reader.control("hello").await;
    for _ in 0..3 {
        stop_for(&child, Duration::from_secs(3)).await;
        let answer = Connection::open(address).await.request(PUBLISH, b"x").await;
        assert_eq!(answer.status, 200);
        assert_eq!(reader.data().await, "x");
    }
}

/// They have connected before, and are silent no longer when the process runs on.
async fn a_client_that_speaks_during_a_stop_is_not_silent() {
    let mut command = tricast();
    command.env("TRICAST__LIMITS__HEAD_TIMEOUT", "3s");
    let (child, address) = start(&mut command).await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        clients.push(Connection::open(address).await);
    }
    // Those in the queue before it have been accepted.
    assert_eq!(Connection::open(address).await.request(PUBLISH, b"x").await.status, 200);
    signal(&child, Signal::STOP);
    for client in &mut clients {
        client.send("GET /channels HTTP/1.1\r\nHost: t\r\n\r\n").await;
    }
    sleep(STOPPED).await;
    signal(&child, Signal::CONT);
    for client in &mut clients {
        assert_eq!(client.head().await.status, 200);
    }
}

/// The answer lies in the socket when the process runs on, and so does the deadline.
async fn a_hook_that_has_answered_during_a_stop_is_not_late() {
    let may_answer = Arc::new(Semaphore::new(0));
    let yes = Box::new(Reply::Json(json!({"allow": true})));
    let reply = Reply::Once(may_answer.clone(), yes);
    let backend = Backend::start(move |_| reply.clone()).await;
    let mut command = tricast();
    command
        .env("TRICAST__HOOK__URL", backend.url())
        .env("TRICAST__HOOK__ON", "publish")
        .env("TRICAST__HOOK__RETRIES", "0")
        .env("TRICAST__HOOK__OPEN_AFTER", "1")
        .env("TRICAST__HOOK__TIMEOUT", "3s");
    let (child, address) = start(&mut command).await;
    let mut publisher = Connection::open(address).await;
    publisher.send(format!("{PUBLISH}\r\n\r\nx")).await;
    eventually("it is asked", async || (backend.calls().len() == 1).then_some(())).await;
    signal(&child, Signal::STOP);
    may_answer.add_permits(100);
    sleep(STOPPED).await;
    signal(&child, Signal::CONT);
    assert_eq!(publisher.head().await.status, 200);
    // Nor does the circuit breaker hold it against the service.
    assert_eq!(Connection::open(address).await.request(PUBLISH, b"x").await.status, 200);
}

tricast_tests::each_wire!(a_stop_is_no_overload);
tricast_tests::each_delivery!(
    a_reader_that_reads_during_a_stop_is_not_cut,
    a_client_that_answers_is_never_unresponsive,
    a_client_that_speaks_during_a_stop_is_not_silent,
    a_hook_that_has_answered_during_a_stop_is_not_late,
);
