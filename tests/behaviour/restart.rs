//! A handover to a new gateway while clients connect, subscribe and publish: no client is refused,
//! and every message is received, or reported as a gap.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{process::Child, task::JoinHandle, time::sleep};
use tricast_tests::{Connection, Event, FixedPort, Reader, Wire, eventually, program};

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

fn signal(process: u32, name: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(process.cast_signed()).expect("a process");
    rustix::process::kill_process(process, name).expect("is there");
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
async fn end_successor(admin: SocketAddr) {
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

/// The next notification to systemd.
async fn next_notification(socket: &tokio::net::UnixDatagram) -> String {
    let mut said = vec![0; 1000];
    let length = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut said)).await;
    said.truncate(length.expect("in time").expect("is heard"));
    String::from_utf8(said).expect("text")
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

async fn an_inherited_socket_is_used() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = listener.local_addr().expect("has one");
    // A client that connects before the gateway starts has to wait.
    let early = tokio::spawn(async move {
        let head = "GET /online/a HTTP/1.1\r\nHost: t";
        Connection::open(address).await.request(head, b"").await.status
    });
    let mut command = program::tricast();
    program::hand_in(&mut command, &[("http", listener.into())]);
    let (_child, told) = program::start(&mut command).await;
    assert_eq!(told, address);
    assert_eq!(early.await.expect("asks"), 200);
}

/// The socket belongs to systemd: a connection that one process does not accept is accepted by the
/// next.
async fn clients_wait_while_a_service_restarts() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let service = || {
        let mut command = program::tricast();
        command.env("TRICAST__SHUTDOWN__GRACE", "4s");
        let copy = listener.try_clone().expect("a socket");
        program::hand_in(&mut command, &[("http", copy.into())]);
        command
    };
    let (mut old, address) = program::start(&mut service()).await;
    let mut readers = Vec::new();
    for wire in Wire::ALL.into_iter().cycle().take(60) {
        let mut reader = Reader::open(&address, wire, "a").await;
        reader.control("hello").await;
        readers.push(reader);
    }
    signal(old.id().expect("runs"), rustix::process::Signal::TERM);
    let mut come = Vec::new();
    // They are sent away one after the other, and with each of them others come.
    for (reader, wire) in readers.iter_mut().zip(Wire::ALL.into_iter().cycle()) {
        reader.control("goodbye").await;
        come.push(tokio::spawn(async move {
            Reader::open(&address, wire, "a").await.control("hello").await;
        }));
    }
    assert!(old.wait().await.expect("ends").success());
    let (_new, _) = program::start(&mut service()).await;
    for one in come {
        one.await.expect("is let in");
    }
}

async fn an_inherited_socket_needs_a_name() {
    let socket = || std::net::TcpListener::bind("127.0.0.1:0").expect("binds").into();
    let refused = async |sockets: &[(&str, OwnedFd)]| {
        let mut command = program::tricast();
        program::hand_in(&mut command, sockets);
        let refused = command.output().await.expect("runs");
        assert!(!refused.status.success());
        String::from_utf8(refused.stderr).expect("text")
    };
    let said = refused(&[("http", socket()), ("tricast-admin.socket", socket())]).await;
    assert!(
        said.contains("\"tricast-admin.socket\"") && said.contains("FileDescriptorName="),
        "{said}"
    );
    let said = refused(&[("admin", socket()), ("admin", socket())]).await;
    assert!(said.contains("several inherited sockets are named admin"), "{said}");
    let said = refused(&[("https", socket())]).await;
    assert!(said.contains("set [tls]"), "{said}");
}

async fn a_public_inherited_socket_needs_keys_too() {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").expect("binds");
    let mut command = program::tricast();
    program::hand_in(&mut command, &[("http", listener.try_clone().expect("a socket").into())]);
    let refused = command.output().await.expect("runs");
    let said = String::from_utf8(refused.stderr).expect("text");
    assert!(!refused.status.success() && said.contains("is not a loopback address"), "{said}");
    let mut command = program::tricast();
    command.env("TRICAST__INSECURE", "true");
    program::hand_in(&mut command, &[("http", listener.into())]);
    let (_child, address) = program::start(&mut command).await;
    let here = SocketAddr::from(([127, 0, 0, 1], address.port()));
    let page = Connection::open(here).await.request("GET / HTTP/1.1\r\nHost: t", b"").await;
    assert_eq!(page.status, 404, "it is for loopback alone");
}

async fn systemd_is_notified_of_ready_alive_and_stopping() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).expect("binds");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a file");
    let mut command = program::tricast();
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    let (mut child, _) = program::start(&mut command).await;
    let process = child.id().expect("runs");
    let next = async || next_notification(&socket).await;
    assert_eq!(next().await, format!("READY=1\nMAINPID={process}\n"));
    for _ in 0..3 {
        assert_eq!(next().await, "WATCHDOG=1\n");
    }
    signal(process, rustix::process::Signal::HUP);
    let mut said = next().await;
    while said == "WATCHDOG=1\n" {
        said = next().await;
    }
    assert!(said.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{said}");
    signal(process, rustix::process::Signal::TERM);
    while next().await != "STOPPING=1\n" {}
    assert!(child.wait().await.expect("ends").success());
}

async fn a_sighup_reloads_the_settings_and_reports_what_needs_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("gateway.toml");
    std::fs::write(&config, "[logging]\nlevel = \"warn\"").expect("writes");
    let mut command = program::tricast();
    command.arg("--config").arg(&config);
    let (mut child, _): (Child, _) = program::start(&mut command).await;
    let mut errors = program::errors(&mut child);
    let process = child.id().expect("runs");
    std::fs::write(&config, "shards = 3\n[logging]\nlevel = \"info\"").expect("writes");
    signal(process, rustix::process::Signal::HUP);
    let line = errors.until("settings reloaded").await;
    assert!(line.contains("logging.level"), "{line}");
    let line = errors.until("after a restart").await;
    assert!(line.contains("shards"), "{line}");
    std::fs::write(&config, "shards = \"many\"").expect("writes");
    signal(process, rustix::process::Signal::HUP);
    let line = errors.until("reload failed").await;
    assert!(line.contains("shards"), "{line}");
    let tls = "[tls]\nbind = \"127.0.0.1:0\"\ncertificate = \"/nowhere/chain.pem\"\n\
        key = \"/nowhere/key.pem\"";
    std::fs::write(&config, tls).expect("writes");
    signal(process, rustix::process::Signal::HUP);
    let line = errors.until("a restart would fail").await;
    assert!(line.contains("/nowhere/chain.pem"), "{line}");
    std::fs::write(&config, b"[tokens]\nsecret = \"\xff\"").expect("writes");
    signal(process, rustix::process::Signal::HUP);
    let line = errors.until("reload failed").await;
    assert!(line.contains("line 2, column 11"), "{line}");
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
    an_inherited_socket_is_used,
    clients_wait_while_a_service_restarts,
    an_inherited_socket_needs_a_name,
    a_public_inherited_socket_needs_keys_too,
    systemd_is_notified_of_ready_alive_and_stopping,
    a_sighup_reloads_the_settings_and_reports_what_needs_a_restart,
    a_successor_listens_where_its_own_settings_say,
    a_sigterm_during_a_handover_ends_both_gateways
);
