//! A gateway as a service: signals, sockets that it inherits, and what systemd is told.

use std::{
    net::SocketAddr,
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _},
    time::Duration,
};

use tokio::process::Child;
use tricast_tests::{Connection, Reader, Wire, program};

/// Sends a signal to a process.
pub(crate) fn signal(process: u32, name: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(process.cast_signed()).expect("a process");
    rustix::process::kill_process(process, name).expect("is there");
}

/// The next notification to systemd.
pub(crate) async fn next_notification(socket: &tokio::net::UnixDatagram) -> String {
    let mut said = vec![0; 1000];
    let length = tokio::time::timeout(Duration::from_secs(10), socket.recv(&mut said)).await;
    said.truncate(length.expect("in time").expect("is heard"));
    String::from_utf8(said).expect("text")
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

tricast_tests::each_delivery!(
    an_inherited_socket_is_used,
    clients_wait_while_a_service_restarts,
    an_inherited_socket_needs_a_name,
    a_public_inherited_socket_needs_keys_too,
    systemd_is_notified_of_ready_alive_and_stopping,
    a_sighup_reloads_the_settings_and_reports_what_needs_a_restart
);
