//! A disk that is full: while a gateway runs, while it hands over, and when it starts.

use std::net::SocketAddr;

use rustix::process::Signal;
use tokio::process::Command;
use tricast_tests::{
    Answer, Connection, FixedPort, Reader, SmallDisk, Wire, each_delivery, each_wire, eventually,
    program,
};

use crate::{handover::end_successor, service::signal};

fn gateway(disk: &SmallDisk, port: &FixedPort) -> Command {
    let mut command = program::tricast_on(disk);
    command.env("TRICAST__BIND", port.address.to_string());
    command.env("TRICAST__HISTORY__MESSAGES", "2").env("TRICAST__SHUTDOWN__GRACE", "2s");
    command
}

async fn publish(address: SocketAddr, text: &str) -> Answer {
    let head = format!("POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: {}", text.len());
    Connection::open(address).await.request(&head, text.as_bytes()).await
}

/// Publishes what the tail of a segment cannot take, and returns the refusal.
async fn publish_until_full(address: SocketAddr) -> (Vec<String>, Answer) {
    let mut published = Vec::new();
    loop {
        let text = format!("{}:{}", published.len(), "x".repeat(100_000));
        let answer = publish(address, &text).await;
        if answer.status != 200 {
            return (published, answer);
        }
        published.push(text);
        assert!(published.len() < 1000, "the disk is full");
    }
}

async fn publish_once_there_is_room(address: SocketAddr, text: &str) {
    eventually("there is room", async || {
        (publish(address, text).await.status == 200).then_some(())
    })
    .await;
}

async fn is_ready(admin: SocketAddr) -> bool {
    let connection = Connection::open(admin).await;
    connection.request("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1", b"").await.status == 200
}

fn assert_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.problem().as_str()), (503, "log-full"), "{answer:?}");
}

async fn assert_reads(reader: &mut Reader, texts: &[String]) {
    for text in texts {
        assert_eq!(reader.data().await, text.as_str());
    }
}

async fn streams_go_on_while_the_disk_is_full_and_so_does_a_gateway_that_starts(wire: Wire) {
    let (disk, port) = (SmallDisk::mount(16).await, FixedPort::reserve());
    let (mut old, address, admin) = program::start_both(&mut gateway(&disk, &port)).await;
    let mut reader = Reader::open(&address, wire, "a").await;
    let first = reader.control("hello").await["id"].as_str().expect("an id").to_owned();
    disk.fill();
    let (mut texts, refused) = publish_until_full(address).await;
    assert_refused(&refused);
    assert!(!is_ready(admin).await);
    assert_reads(&mut reader, &texts).await;
    disk.make_room();
    publish_once_there_is_room(address, "room").await;
    texts.push("room".to_owned());
    assert_eq!(reader.data().await, "room");
    eventually("it is ready", async || is_ready(admin).await.then_some(())).await;
    disk.fill();
    signal(old.id().expect("runs"), Signal::KILL);
    old.wait().await.expect("has ended");

    let (_new, address, admin) = program::start_both(&mut gateway(&disk, &port)).await;
    let mut reader = Reader::open_after(&address, wire, "a", Some(&first)).await;
    assert_eq!(reader.control("hello").await["recovered"], true);
    assert_reads(&mut reader, &texts).await;
    let (more, refused) = publish_until_full(address).await;
    assert_refused(&refused);
    assert_reads(&mut reader, &more).await;
    disk.make_room();
    publish_once_there_is_room(address, "again").await;
    assert_eq!(reader.data().await, "again");
    eventually("it is ready", async || is_ready(admin).await.then_some(())).await;
}

async fn a_disk_that_fills_up_during_a_handover_loses_nothing() {
    let (disk, port) = (SmallDisk::mount(16).await, FixedPort::reserve());
    let mut command = gateway(&disk, &port);
    command.env("TRICAST__BIND", "127.0.0.1:0");
    let (mut old, address, admin) = program::start_both(&mut command).await;
    let mut said = program::errors(&mut old);
    let mut readers = Vec::new();
    for wire in Wire::ALL {
        let mut reader = Reader::open(&address, wire, "a").await;
        reader.control("hello").await;
        readers.push((wire, reader));
    }
    let texts: Vec<String> = (0..5).map(|n| n.to_string()).collect();
    for text in &texts {
        assert_eq!(publish(address, text).await.status, 200);
    }
    let pid = old.id().expect("runs");
    signal(pid, Signal::USR2);
    let ready = said.until("the new gateway is ready").await;
    // The old one closes its log only once the disk is full.
    signal(pid, Signal::STOP);
    let new = ready.rsplit_once("process=").and_then(|(_, id)| id.trim().parse().ok());
    let new: u32 = new.expect("the id of the new one");
    disk.fill();
    signal(pid, Signal::CONT);
    assert!(old.wait().await.expect("ends").success());
    eventually("the new one serves", async || {
        let found = program::process_listening_at(admin).await;
        (found == new).then_some(())
    })
    .await;
    let (more, refused) = publish_until_full(address).await;
    assert_refused(&refused);
    disk.make_room();
    publish_once_there_is_room(address, "room").await;
    for (wire, mut reader) in readers {
        assert_reads(&mut reader, &texts).await;
        reader.control("goodbye").await;
        let last = reader.last_id.clone();
        let mut reader = Reader::open_after(&address, wire, "a", last.as_deref()).await;
        let hello = reader.control("hello").await;
        assert_eq!(hello["recovered"], true, "{hello}");
        assert_reads(&mut reader, &more).await;
        assert_eq!(reader.data().await, "room");
    }
    end_successor(admin).await;
}

each_wire!(streams_go_on_while_the_disk_is_full_and_so_does_a_gateway_that_starts);
each_delivery!(a_disk_that_fills_up_during_a_handover_loses_nothing);
