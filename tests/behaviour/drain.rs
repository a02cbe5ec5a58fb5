//! Draining: every client is notified, requests in progress are finished, nothing hangs.

use std::{
    io::{Read as _, Write as _},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tricast_tests::{Event, Reader, Server, Wire, reader_with_backlog, stream_head};

async fn streams_say_goodbye_and_end_cleanly(wire: Wire) {
    let server = Server::with("[shutdown]\ngrace = \"2s\"").await;
    let mut readers = Vec::new();
    for _ in 0..10 {
        let mut reader = Reader::open(&server, wire, "a").await;
        reader.control("hello").await;
        readers.push(reader);
    }
    server.publish("a", "last words").await;
    let down = tokio::spawn(server.gateway.shutdown());
    let mut pauses = std::collections::BTreeSet::new();
    for reader in &mut readers {
        assert_eq!(reader.data().await, "last words");
        let goodbye = reader.control("goodbye").await;
        assert_eq!(
            (goodbye["reason"].as_str(), goodbye["reconnect"].as_str()),
            (Some("draining"), Some("later"))
        );
        pauses.insert(goodbye["retry"].as_u64().expect("milliseconds"));
        if wire == Wire::Sse {
            assert_eq!(reader.retry, goodbye["retry"].as_u64());
        }
        let code = (wire == Wire::Ws).then(|| (1012, "draining".to_owned()));
        assert_eq!(reader.end().await, Event::End(code));
    }
    assert!(pauses.len() > 1, "they do not all come back at once: {pauses:?}");
    drop(readers);
    assert!(down.await.expect("goes down"), "nothing was left");
}

async fn new_clients_are_refused_during_the_drain(wire: Wire) {
    let server = Server::with("[shutdown]\ngrace = \"20s\"").await;
    // One that has still much to read keeps the drain going.
    let stays = reader_with_backlog(&server, Wire::Chunked, "a").await;
    let address = server.gateway.address().expect("one in clear");
    let down = tokio::spawn(server.gateway.shutdown());
    let publish = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 0";
    tricast_tests::eventually("it drains", async || {
        let connection = tricast_tests::Connection::open(address).await;
        (connection.request(publish, b"").await.status == 503).then_some(())
    })
    .await;
    let connection = tricast_tests::Connection::open(address).await;
    let answer = connection.request(&stream_head(wire, "a"), b"").await;
    if wire == Wire::Sse {
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("\"reason\":\"draining\""));
    } else {
        assert_eq!((answer.status, answer.problem().as_str()), (503, "draining"));
    }
    let answer = tricast_tests::Connection::open(address).await.request(publish, b"").await;
    assert_eq!((answer.status, answer.problem().as_str()), (503, "draining"));
    assert_eq!(answer.fields["connection"], "close");
    drop(stays);
    assert!(down.await.expect("goes down"));
}

/// Its readers are getting their goodbye: a publisher must learn that its message was refused.
async fn a_request_under_way_is_answered() {
    let server = Server::with("[shutdown]\ngrace = \"20s\"").await;
    let mut publisher = server.connect().await;
    publisher.send("POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nha").await;
    let mut reader = Reader::open(&server, Wire::Sse, "a").await;
    reader.control("hello").await;
    let down = tokio::spawn(server.gateway.shutdown());
    assert_eq!(reader.control("goodbye").await["reason"], "draining");
    publisher.send("lf").await;
    assert_eq!(publisher.head().await.status, 503);
    drop((publisher, reader));
    assert!(down.await.expect("goes down"));
}

/// A publisher whose next line is pending is answered at once, and does not delay the drain.
async fn a_silent_publisher_and_half_a_head_do_not_delay_the_drain() {
    let server = Server::with("[shutdown]\ngrace = \"20s\"").await;
    let mut publisher = server.connect().await;
    publisher
        .send(
            "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\n\
        Transfer-Encoding: chunked\r\n\r\n2\r\n1\n\r\n",
        )
        .await;
    let mut half = server.connect().await;
    half.send("GET /sse").await;
    tricast_tests::eventually("the line is published", async || {
        let held = server.get("/history/a").await.json();
        (held["messages"].as_array().map(Vec::len) == Some(1)).then_some(())
    })
    .await;
    let down = tokio::spawn(server.gateway.shutdown());
    assert_eq!(publisher.head().await.status, 503);
    while !publisher.buffer.ends_with(b"}\n") {
        assert!(publisher.more().await);
    }
    let text = String::from_utf8(publisher.buffer.clone()).expect("UTF-8");
    assert!(text.contains("\"published\":1"), "{text}");
    drop(publisher);
    let down = tokio::time::timeout(Duration::from_secs(10), down).await;
    assert!(down.expect("in time").expect("goes down"));
}

/// A proxy answers with 502 if a connection is cut after a request. So every accepted request is
/// answered, to the very last.
async fn a_request_that_was_accepted_is_answered_during_the_drain() {
    for _ in 0..10 {
        let server = Server::with("").await;
        let address = server.gateway.address().expect("one in clear");
        let answered: Arc<[AtomicUsize; 4]> = Arc::default();
        let hammer = |number| {
            let answered = answered.clone();
            std::thread::spawn(move || hammer(address, &answered[number]))
        };
        let hammers: Vec<_> = (0..answered.len()).map(hammer).collect();
        tricast_tests::eventually("each is at work", async || {
            answered.iter().all(|one| one.load(Ordering::Relaxed) > 0).then_some(())
        })
        .await;
        assert!(server.gateway.shutdown().await);
        let cut: usize = hammers.into_iter().map(|hammer| hammer.join().expect("hammers")).sum();
        assert_eq!(cut, 0, "{answered:?} are answered");
    }
}

/// Sends requests, each on a connection of its own, until no connection can be opened. Counts the
/// answered ones in `answered`; returns the number of the others.
fn hammer(address: std::net::SocketAddr, answered: &AtomicUsize) -> usize {
    let mut cut = 0;
    let patience = Duration::from_millis(500);
    while let Ok(mut socket) = std::net::TcpStream::connect_timeout(&address, patience) {
        let asked =
            socket.write_all(b"GET /online/a HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
        let mut answer = Vec::new();
        let read = asked.and_then(|()| socket.read_to_end(&mut answer));
        if read.is_ok() && answer.starts_with(b"HTTP/1.1 ") {
            answered.fetch_add(1, Ordering::Relaxed);
        } else {
            cut += 1;
        }
    }
    cut
}

/// A load balancer has to see the change before any client is refused.
async fn readiness_goes_first() {
    let server = Server::with("[shutdown]\ndelay = \"300ms\"").await;
    let (address, admin) =
        (server.gateway.address().expect("one in clear"), server.gateway.admin_address);
    let down = tokio::spawn(server.gateway.shutdown());
    tricast_tests::eventually("readyz says so", async || {
        let ready = tricast_tests::Connection::open(admin).await;
        let answer = ready.request("GET /readyz HTTP/1.1\r\nHost: localhost", b"").await;
        (answer.status == 503).then(|| assert_eq!(answer.fields["tricast-problem"], "draining"))
    })
    .await;
    let publish = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 0";
    let answer = tricast_tests::Connection::open(address).await.request(publish, b"").await;
    assert_eq!(answer.status, 200, "still at work");
    assert!(down.await.expect("goes down"));
}

async fn the_grace_time_closes_connections_that_do_not_end() {
    let server = Server::with("[shutdown]\ngrace = \"300ms\"").await;
    let _mute = server.connect().await;
    let mut half = server.connect().await;
    half.send("POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab").await;
    tokio::time::timeout(Duration::from_secs(5), server.gateway.shutdown()).await.expect("ends");
}

tricast_tests::each_wire_and_transport!(
    streams_say_goodbye_and_end_cleanly,
    new_clients_are_refused_during_the_drain
);

tricast_tests::each_delivery_and_transport!(
    a_request_under_way_is_answered,
    a_silent_publisher_and_half_a_head_do_not_delay_the_drain,
    a_request_that_was_accepted_is_answered_during_the_drain,
    readiness_goes_first,
    the_grace_time_closes_connections_that_do_not_end
);
