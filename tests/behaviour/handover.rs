//! A handover to a new gateway while clients connect, subscribe and publish: no client is refused,
//! and every message is received, or reported as a gap.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::sleep};
use tricast_tests::{Connection, Event, FixedPort, Reader, Wire, eventually, program};

use crate::service::{next_notification, signal};

/// The observations of one reader.
#[derive(Default)]
struct Seen {
    /// The number of times that each message was received.
    messages: BTreeMap<u64, usize>,
    /// Whether it got a gap for messages of another epoch that it has not received.
    told: bool,
    /// The number of goodbyes and refusals.
    away: usize,
}

#[derive(Debug, Default)]
struct Totals {
    expected: usize,
    received: usize,
    told_missing: usize,
    doubled: usize,
    lost: usize,
}

/// Publishes `numbers` until `stop` is set, on connections that are kept alive, or each on a
/// connection of its own. Returns the accepted ones with their ids, and counts them meanwhile. None
/// may be refused.
fn publish(
    address: SocketAddr,
    numbers: impl Iterator<Item = u64> + Send + 'static,
    keeps: bool,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> JoinHandle<Vec<(u64, String)>> {
    tokio::spawn(async move {
        let mut accepted = Vec::new();
        let mut kept = None;
        for number in numbers {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let request = format!(
                "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{number}",
                number.to_string().len()
            );
            let mut connection = match kept.take() {
                Some(connection) => connection,
                None => Connection::open(address).await,
            };
            // A kept connection may have been closed meanwhile: then this number was not accepted.
            if !connection.try_send(request).await || !connection.more().await {
                assert!(keeps, "a new connection was closed");
                continue;
            }
            let head = connection.head().await;
            let body = connection.take(head.content_length().expect("a length")).await;
            let answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            assert_eq!(head.status, 200, "{answer}");
            accepted.push((number, answer["id"].as_str().expect("an id").to_owned()));
            count.fetch_add(1, Ordering::Relaxed);
            let closes = head.fields.get("connection").is_some_and(|it| it == "close");
            kept = (keeps && !closes).then_some(connection);
            sleep(Duration::from_millis(2)).await;
        }
        accepted
    })
}

/// Reads, and comes back whenever it is sent away, until it has had the last message.
fn read(address: SocketAddr, wire: Wire, ready: Arc<tokio::sync::Semaphore>) -> JoinHandle<Seen> {
    tokio::spawn(async move {
        let mut seen = Seen::default();
        let mut last_id: Option<String> = None;
        loop {
            let opened = Reader::try_open_after(&address, wire, "a", last_id.as_deref()).await;
            let Some(mut reader) = opened else {
                seen.away += 1;
                sleep(Duration::from_millis(50)).await;
                continue;
            };
            loop {
                let document = match reader.next().await {
                    Event::Document(document) => document,
                    Event::Heartbeat(_) | Event::Alive(_) => continue,
                    Event::End(_) | Event::Broken => break,
                };
                match document["event"].as_str() {
                    Some("tricast.hello") => ready.add_permits(1),
                    Some("tricast.gap") => seen.told |= document["first"].is_null(),
                    Some("message") if document["data"] == "last" => return seen,
                    Some("message") => {
                        let number = document["data"].as_u64().expect("a number");
                        *seen.messages.entry(number).or_default() += 1;
                    }
                    _ => {}
                }
            }
            last_id = reader.last_id.clone();
            seen.away += 1;
        }
    })
}

async fn status(admin: SocketAddr, path: &str) -> (u16, String) {
    let head = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1");
    let answer = Connection::open(admin).await.request(&head, b"").await;
    (answer.status, answer.text())
}

/// Waits until more than so many are published.
async fn more_than(count: &AtomicUsize, many: usize) {
    eventually("more is published", async || (count.load(Ordering::Relaxed) > many).then_some(()))
        .await;
}

/// Hands over under load, with so many readers on each wire; returns what became of the messages.
async fn hand_over(readers: usize) -> Totals {
    let mut command = program::tricast();
    command.env("TRICAST__SHUTDOWN__GRACE", "3s").env("TRICAST__STREAM__RETRY", "100ms");
    // The new one answers for health: nothing is to be waited for.
    command.env("TRICAST__SHUTDOWN__DELAY", "2s");
    command.env("TRICAST__DELIVERY", tricast_tests::delivery().name());
    let (mut old, address, admin) = program::start_both(&mut command).await;
    let ready = Arc::new(tokio::sync::Semaphore::new(0));
    let all = Wire::ALL.into_iter().flat_map(|wire| std::iter::repeat_n(wire, readers));
    let all: Vec<_> = all.map(|wire| read(address, wire, ready.clone())).collect();
    let there = u32::try_from(all.len()).expect("few");
    ready.acquire_many(there).await.expect("is open").forget();
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let publishing = [
        publish(address, (0..).step_by(2), false, stop.clone(), count.clone()),
        publish(address, (1..).step_by(2), true, stop.clone(), count.clone()),
    ];
    more_than(&count, 100).await;
    let (_, metrics) = status(admin, "/metrics").await;
    assert!(metrics.contains("tricast_build_info"), "{metrics}");
    let before = old.id().expect("runs");
    signal(before, rustix::process::Signal::USR2);
    let ended = tokio::time::timeout(Duration::from_secs(30), old.wait()).await;
    assert!(ended.expect("ends in time").expect("is waited for").success());
    // All are back, and messages come after that.
    ready.acquire_many(there).await.expect("is open").forget();
    more_than(&count, count.load(Ordering::Relaxed) + 50).await;
    stop.store(true, Ordering::Relaxed);
    let mut accepted = Vec::new();
    for publishing in publishing {
        accepted.extend(publishing.await.expect("nobody is refused"));
    }
    let head = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 4";
    let last = Connection::open(address).await.request(head, b"last").await;
    let last_id = last.json()["id"].as_str().expect("an id").to_owned();
    let epoch = last_id.split('-').next().expect("an epoch").to_owned();
    assert!(accepted.iter().any(|(_, id)| !id.starts_with(&epoch)), "some before");
    assert!(accepted.iter().any(|(_, id)| id.starts_with(&epoch)), "some behind");
    let mut totals = Totals::default();
    for reader in all {
        let seen = reader.await.expect("reads");
        assert!(seen.away >= 1, "everybody was sent over");
        for (number, id) in &accepted {
            totals.expected += 1;
            match seen.messages.get(number) {
                Some(1) => totals.received += 1,
                Some(_) => totals.doubled += 1,
                None if seen.told && !id.starts_with(&epoch) => totals.told_missing += 1,
                None => totals.lost += 1,
            }
        }
    }
    end_successor(admin).await;
    totals
}

/// The successor is not a child of this process: it is found by its listening socket.
pub(crate) async fn end_successor(admin: SocketAddr) {
    let process = program::process_listening_at(admin).await;
    signal(process, rustix::process::Signal::TERM);
    eventually("the new one has ended", async || {
        tokio::net::TcpStream::connect(admin).await.err().map(drop)
    })
    .await;
}

async fn a_handover_refuses_no_client_and_loses_nothing_silently() {
    let readers =
        std::env::var("RESTART_READERS").map_or(20, |text| text.parse().expect("a number"));
    let totals = hand_over(readers).await;
    println!("handed over with {readers} readers on each wire: {totals:?}");
    assert_eq!((totals.doubled, totals.lost), (0, 0), "{totals:?}");
    assert!(totals.received > 0);
}

/// systemd kills a service whose watchdog is silent, and accepts notifications only from the
/// process that it knows as the main one.
async fn the_successor_feeds_the_watchdog() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).expect("binds");
    let program = program::tricast();
    // As systemd does it: with the number of the process that it starts.
    let mut command = program::in_shell("WATCHDOG_PID=$$ exec \"$0\"", &program);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    let (mut old, _, admin) = program::start_both(&mut command).await;
    signal(old.id().expect("runs"), rustix::process::Signal::USR2);
    let next = async || next_notification(&socket).await;
    assert!(old.wait().await.expect("ends").success());
    let new = program::process_listening_at(admin).await;
    while next().await != format!("READY=1\nMAINPID={new}\n") {}
    for _ in 0..20 {
        assert_eq!(next().await, "WATCHDOG=1\n");
    }
    end_successor(admin).await;
}

async fn a_gateway_goes_on_if_the_new_one_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    std::fs::write(&config, "").expect("writes");
    let mut command = program::tricast();
    command.arg("--config").arg(&config);
    let (mut old, address) = program::start(&mut command).await;
    let mut errors = program::errors(&mut old);
    std::fs::write(&config, "nonsense = 1").expect("writes");
    signal(old.id().expect("runs"), rustix::process::Signal::USR2);
    errors.until("handover failed").await;
    let mut reader = Reader::open(&address, Wire::Sse, "a").await;
    reader.control("hello").await;
    signal(old.id().expect("runs"), rustix::process::Signal::TERM);
    assert!(old.wait().await.expect("ends").success());
}

async fn a_successor_listens_where_its_own_settings_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    let text = |ports: &str| format!("bind = {ports}\n[admin]\nbind = \"127.0.0.1:0\"");
    std::fs::write(&config, text("\"127.0.0.1:0\"")).expect("writes");
    let mut command = program::tricast();
    command.env_remove("TRICAST__BIND").env_remove("TRICAST__ADMIN__BIND");
    command.arg("--config").arg(&config);
    let (mut old, address, admin) = program::start_both(&mut command).await;
    let port = FixedPort::reserve();
    let other = port.address;
    std::fs::write(&config, text(&format!("[\"{address}\", \"{other}\"]"))).expect("writes");
    signal(old.id().expect("runs"), rustix::process::Signal::USR2);
    assert!(old.wait().await.expect("ends").success());
    for place in [address, other] {
        Reader::open(&place, Wire::Sse, "a").await.control("hello").await;
    }
    end_successor(admin).await;
}

/// Versions often stand side by side, and a link says which is meant.
async fn a_sigterm_during_a_handover_ends_both_gateways() {
    let folder = tempfile::tempdir().expect("a folder");
    let (link, slow) = (folder.path().join("tricast"), folder.path().join("slow"));
    std::fs::write(&slow, "#!/bin/sh\nexec sleep 60\n").expect("writes");
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).expect("a file");
    let program = program::tricast();
    std::os::unix::fs::symlink(program.as_std().get_program(), &link).expect("links");
    let mut command = program::at(&link, &program);
    let (mut old, address) = program::start(&mut command).await;
    std::fs::remove_file(&link).expect("is there");
    std::os::unix::fs::symlink(&slow, &link).expect("links");
    let process = old.id().expect("runs");
    signal(process, rustix::process::Signal::USR2);
    let child = eventually("another starts", async || program::child_of(process)).await;
    signal(process, rustix::process::Signal::TERM);
    assert!(old.wait().await.expect("ends").success());
    eventually("the other has ended too", async || {
        (!std::path::Path::new(&format!("/proc/{child}")).exists()).then_some(())
    })
    .await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens");
}

tricast_tests::each_delivery!(
    a_handover_refuses_no_client_and_loses_nothing_silently,
    the_successor_feeds_the_watchdog,
    a_gateway_goes_on_if_the_new_one_does_not_start,
    a_successor_listens_where_its_own_settings_say,
    a_sigterm_during_a_handover_ends_both_gateways
);
