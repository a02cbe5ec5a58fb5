//! The program with a log on disk: killed, and replaced by another process.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _};

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::process::Command;
use tricast_tests::{Connection, FixedPort, Reader, Wire, each_delivery, each_wire, program};

use crate::{handover::end_successor, service::signal};

fn gateway(folder: &TempDir, port: &FixedPort) -> Command {
    let mut command = program::tricast();
    command.env("TRICAST__BIND", port.address.to_string());
    command.env("TRICAST__LOG__PATH", folder.path());
    command.env("TRICAST__HISTORY__MESSAGES", "2");
    command.env("TRICAST__SHUTDOWN__GRACE", "2s");
    command
}

async fn publish(address: SocketAddr, text: u32) {
    let text = text.to_string();
    let head = format!("POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: {}", text.len());
    let answer = Connection::open(address).await.request(&head, text.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn read(reader: &mut Reader, texts: std::ops::RangeInclusive<u32>) {
    for text in texts {
        assert_eq!(reader.data().await, text.to_string());
    }
}

async fn a_kill_loses_nothing_that_was_acknowledged(wire: Wire) {
    let (folder, port) = (TempDir::new().expect("a folder"), FixedPort::reserve());
    let (mut old, address) = program::start(&mut gateway(&folder, &port)).await;
    let mut reader = Reader::open(&address, wire, "a").await;
    reader.control("hello").await;
    for text in 1..=4 {
        publish(address, text).await;
    }
    read(&mut reader, 1..=4).await;
    let last = reader.last_id.clone();
    drop(reader);
    for text in 5..=9 {
        publish(address, text).await;
    }
    signal(old.id().expect("runs"), Signal::KILL);
    old.wait().await.expect("has ended");

    let (_new, address) = program::start(&mut gateway(&folder, &port)).await;
    let mut reader = Reader::open_after(&address, wire, "a", last.as_deref()).await;
    let hello = reader.control("hello").await;
    assert_eq!(hello["recovered"], true, "{hello}");
    publish(address, 10).await;
    read(&mut reader, 5..=10).await;
}

async fn a_successor_goes_on_with_the_log() {
    let folder = TempDir::new().expect("a folder");
    let mut command = gateway(&folder, &FixedPort::reserve());
    command.env("TRICAST__BIND", "127.0.0.1:0");
    let (mut old, address, admin) = program::start_both(&mut command).await;
    let mut readers = Vec::new();
    for wire in Wire::ALL {
        let mut reader = Reader::open(&address, wire, "a").await;
        reader.control("hello").await;
        readers.push((wire, reader));
    }
    for text in 1..=5 {
        publish(address, text).await;
    }
    signal(old.id().expect("runs"), Signal::USR2);
    assert!(old.wait().await.expect("ends").success());
    publish(address, 6).await;
    for (wire, mut reader) in readers {
        read(&mut reader, 1..=5).await;
        reader.control("goodbye").await;
        let last = reader.last_id.clone();
        let mut reader = Reader::open_after(&address, wire, "a", last.as_deref()).await;
        let hello = reader.control("hello").await;
        assert_eq!(hello["recovered"], true, "{hello}");
        read(&mut reader, 6..=6).await;
    }
    end_successor(admin).await;
}

/// The log is let go of only for a process that can serve.
async fn a_gateway_keeps_its_log_if_the_new_one_cannot_listen() {
    let (folder, settings) = (TempDir::new().expect("a folder"), TempDir::new().expect("another"));
    let config = settings.path().join("gateway.toml");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let taken = taken.local_addr().expect("an address");
    let text = |also: &str| format!("bind = [\"127.0.0.1:0\"{also}]");
    std::fs::write(&config, text("")).expect("writes");
    let mut command = gateway(&folder, &FixedPort::reserve());
    command.env_remove("TRICAST__BIND").arg("--config").arg(&config);
    let (mut old, address) = program::start(&mut command).await;
    let mut errors = program::errors(&mut old);
    publish(address, 1).await;
    std::fs::write(&config, text(&format!(", \"{taken}\""))).expect("writes");
    signal(old.id().expect("runs"), Signal::USR2);
    errors.until("handover failed").await;
    publish(address, 2).await;
    signal(old.id().expect("runs"), Signal::TERM);
    assert!(old.wait().await.expect("ends").success());
}

/// Its service manager starts it again then; after a success it would not.
async fn a_gateway_whose_successor_dies_ends_with_an_error() {
    let (folder, programs) = (TempDir::new().expect("a folder"), TempDir::new().expect("another"));
    let (link, dies) = (programs.path().join("tricast"), programs.path().join("dies"));
    // It says that it is ready, takes over, and ends before it serves.
    std::fs::write(&dies, "#!/bin/sh\nprintf READY=1 >&3\nexec head -c 1 <&3\n").expect("writes");
    std::fs::set_permissions(&dies, std::fs::Permissions::from_mode(0o755)).expect("a file");
    let like = gateway(&folder, &FixedPort::reserve());
    std::os::unix::fs::symlink(like.as_std().get_program(), &link).expect("links");
    let mut command = program::at(&link, &like);
    let (mut old, address) = program::start(&mut command).await;
    publish(address, 1).await;
    std::fs::remove_file(&link).expect("is there");
    std::os::unix::fs::symlink(&dies, &link).expect("links");
    signal(old.id().expect("runs"), Signal::USR2);
    let mut errors = program::errors(&mut old);
    errors.until("does not accept connections").await;
    assert!(!old.wait().await.expect("ends").success());
}

each_wire!(a_kill_loses_nothing_that_was_acknowledged);
each_delivery!(
    a_successor_goes_on_with_the_log,
    a_gateway_keeps_its_log_if_the_new_one_cannot_listen,
    a_gateway_whose_successor_dies_ends_with_an_error
);
