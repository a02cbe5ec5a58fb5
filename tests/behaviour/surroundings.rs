//! What the system gives to the program: open files, environment variables, signals, sockets.

use std::{os::fd::OwnedFd, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use socket2::{Domain, Socket, Type};
use tokio::{io::AsyncReadExt as _, process::Child, time::timeout};
use tricast_tests::{
    Connection,
    program::{self, errors, start, start_both, tricast, with_files},
};

fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| Pid::from_raw(id as i32)).expect("runs");
    kill_process(id, signal).expect("is ours");
}

/// The standard error of a start that fails.
async fn refusal(mut command: tokio::process::Command) -> String {
    let output = timeout(Duration::from_secs(10), command.output()).await.expect("ends");
    let output = output.expect("runs");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!output.status.success(), "{said}");
    said
}

/// Ends the program, and returns its standard error.
async fn all_errors(mut child: Child) -> String {
    signal(&child, Signal::TERM);
    let mut said = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    stderr.read_to_string(&mut said).await.expect("reads");
    assert!(child.wait().await.expect("ends").success(), "{said}");
    said
}

async fn a_start_without_room_for_a_client_is_refused() {
    for files in [8, 14, 19] {
        let said = refusal(with_files(files)).await;
        for word in [&format!("open files is {files}"), "at least ", "ulimit -n", "LimitNOFILE="] {
            assert!(said.contains(word), "{said}");
        }
    }
}

async fn a_start_with_room_for_few_subscribers_says_how_many() {
    for (files, room) in [(60, "1 subscriber;"), (400, "100 subscribers;")] {
        let mut command = with_files(files);
        let (child, address) = start(&mut command).await;
        let answer = Connection::open(address).await;
        let answer = answer.request("GET /channels HTTP/1.1\r\nHost: t", b"").await;
        assert_eq!(answer.status, 200);
        let said = all_errors(child).await;
        let warning = said.lines().find(|line| line.contains("WARN")).expect(&said);
        let word = format!("room for {room}");
        assert!(warning.contains(&word) && warning.contains("LimitNOFILE="), "{said}");
    }
    let mut command = with_files(400);
    command.env("TRICAST__LIMITS__CONNECTIONS", "1000");
    let (child, _) = start(&mut command).await;
    let said = all_errors(child).await;
    let both = ["limits.connections = 1000", "room for 100 subscribers"];
    assert!(both.iter().all(|word| said.contains(word)), "{said}");
}

/// The loop tries again and again while no descriptor is left; the log does not repeat each try.
async fn a_lack_of_descriptors_does_not_fill_the_log() {
    let (mut child, _, admin) = start_both(&mut with_files(40)).await;
    let mut lines = errors(&mut child);
    let mut open = Vec::new();
    for _ in 0..40 {
        open.push(Connection::open(admin).await);
    }
    let first = lines.until("cannot accept connections").await;
    assert!(first.contains("suppressed=0"), "{first}");
    let next = lines.until("cannot accept connections").await;
    let suppressed = next.split("suppressed=").nth(1).expect(&next);
    assert!(suppressed.trim().parse::<u64>().is_ok_and(|count| count > 1), "{next}");
    // It goes on as soon as there are descriptors again.
    drop(open);
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost";
    assert_eq!(Connection::open(admin).await.request(health, b"").await.text(), "ok\n");
}

async fn an_inherited_socket_that_does_not_listen_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let unix = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
    let path = socket2::SockAddr::unix(folder.path().join("http.sock")).expect("a path");
    unix.bind(&path).expect("binds");
    let tcp = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let address: std::net::SocketAddr = "127.0.0.1:0".parse().expect("an address");
    tcp.bind(&address.into()).expect("binds");
    for socket in [unix, tcp] {
        let mut command = tricast();
        program::hand_in(&mut command, &[("http", OwnedFd::from(socket))]);
        let said = refusal(command).await;
        assert!(said.contains("\"http\"") && said.contains("does not listen"), "{said}");
    }
}

/// So systemd's own library takes them, and so shells and container tools set them.
async fn an_empty_variable_counts_as_unset() {
    let mut command = tricast();
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"] {
        command.env(name, "");
    }
    command.env("LISTEN_FDNAMES", "").env("SSL_CERT_FILE", "").env("SSL_CERT_DIR", "");
    let (child, address) = start(&mut command).await;
    let answer = Connection::open(address).await;
    let answer = answer.request("GET /channels HTTP/1.1\r\nHost: t", b"").await;
    assert_eq!(answer.status, 200);
    let said = all_errors(child).await;
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
}

/// Log rotators send SIGUSR1 to programs that write their log to a file.
async fn signals_without_a_meaning_end_nothing() {
    let (mut child, address) = start(&mut tricast()).await;
    let mut lines = errors(&mut child);
    for (number, name) in [(Signal::USR1, "SIGUSR1"), (Signal::ALARM, "SIGALRM")] {
        signal(&child, number);
        lines.until(name).await;
        let answer = Connection::open(address).await;
        let answer = answer.request("GET /channels HTTP/1.1\r\nHost: t", b"").await;
        assert_eq!(answer.status, 200);
    }
}

tricast_tests::each_delivery!(
    a_start_without_room_for_a_client_is_refused,
    a_start_with_room_for_few_subscribers_says_how_many,
    a_lack_of_descriptors_does_not_fill_the_log,
    an_inherited_socket_that_does_not_listen_is_refused,
    an_empty_variable_counts_as_unset,
    signals_without_a_meaning_end_nothing,
);
