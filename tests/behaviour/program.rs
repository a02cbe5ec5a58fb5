//! The program itself: its settings, its signals, its exit code.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
    time::timeout,
};
use tricast_tests::program::{start, start_both, tricast, with_files};

async fn run(command: &mut Command) -> (bool, String) {
    let output =
        timeout(Duration::from_secs(10), command.output()).await.expect("ends").expect("runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("UTF-8"))
}

#[tokio::test]
async fn check_accepts_good_settings_and_refuses_bad_ones() {
    let good = run(tricast().args([
        "check",
        "--config",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway.toml"),
    ]))
    .await;
    assert_eq!(good, (true, "the settings are valid\n".to_owned()));
    let folder = std::env::temp_dir().join(format!("tricast-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("bad.toml");
    for (text, word) in [
        ("[stream]\nheartbeet = \"1s\"", "heartbeet"),
        ("[history]\nage = \"long\"", "history.age"),
        ("no toml at all", "bad.toml"),
        ("[logging]\nlevel = \"a=b=c\"", "logging.level"),
        // The files that settings name are read too.
        (
            "[tls]\nbind = \"127.0.0.1:0\"\ncertificate = \"/nowhere/chain.pem\"\n\
             key = \"/nowhere/key.pem\"",
            "/nowhere/chain.pem",
        ),
        ("bind = [\"127.0.0.1:8080\", \"127.0.0.1:8080\"]", "there twice"),
        ("bind = \"127.0.0.1:9464\"", "there twice"),
        ("[proxy]\ntrusted = [\"0.0.0.0/0\"]", "everybody"),
        ("[proxy]\nprotocol = true", "proxy.trusted"),
    ] {
        std::fs::write(&file, text).expect("writes");
        let mut command = tricast();
        command.env_remove("TRICAST__BIND").env_remove("TRICAST__ADMIN__BIND");
        let (fine, said) = run(command.arg("check").arg("--config").arg(&file)).await;
        assert!(!fine && said.contains(word), "{text}: {said}");
    }
    let (fine, said) = run(tricast().args(["--config", "/nowhere/gateway.toml"])).await;
    assert!(!fine && said.contains("/nowhere/gateway.toml"), "{said}");
    std::fs::remove_dir_all(folder).expect("removes");
}

#[tokio::test]
async fn the_environment_overrides_and_a_bad_value_in_it_is_named() {
    let (fine, said) = run(tricast().arg("check").env("TRICAST__STREAM__HEARTBEAT", "soon")).await;
    assert!(!fine && said.contains("heartbeat"), "{said}");
    let (fine, said) = run(tricast().arg("check").env("TRICAST__STREAM__HARTBEAT", "1s")).await;
    assert!(!fine && said.contains("hartbeat"), "{said}");
    let mut command = tricast();
    command
        .env("TRICAST__LIMITS__MESSAGE_BYTES", "3B")
        .env("TRICAST__CORS__ORIGINS", "https://a.example,https://b.example");
    let (_child, address) = start(&mut command).await;
    let head =
        "POST /publish/a HTTP/1.1\r\nHost: t\r\nOrigin: https://b.example\r\nContent-Length: 4";
    let answer = tricast_tests::Connection::open(address).await.request(head, b"four").await;
    assert_eq!(answer.problem(), "too-large");
    assert_eq!(answer.fields["access-control-allow-origin"], "https://b.example");
}

#[tokio::test]
async fn a_public_address_needs_consent() {
    let (fine, said) = run(tricast().env("TRICAST__BIND", "0.0.0.0:0")).await;
    assert!(!fine && said.contains("insecure = true"), "{said}");
    let mut command = tricast();
    command.env("TRICAST__BIND", "0.0.0.0:0").env("TRICAST__INSECURE", "true");
    let (mut child, address) = start(&mut command).await;
    let local = (std::net::Ipv4Addr::LOCALHOST, address.port()).into();
    let answer = tricast_tests::Connection::open(local)
        .await
        .request("GET / HTTP/1.1\r\nHost: t", b"")
        .await;
    assert_eq!(answer.status, 404, "the page is off on public addresses");
    child.kill().await.expect("ends");
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).await.expect("reads");
    assert!(said.contains("insecure"), "it says so: {said}");
}

#[tokio::test]
async fn an_address_in_use_is_a_clear_error() {
    let (_child, address) = start(&mut tricast()).await;
    let (fine, said) = run(tricast().env("TRICAST__BIND", address.to_string())).await;
    assert!(!fine && said.contains(&address.to_string()) && said.contains("bind"), "{said}");
}

async fn sigterm_drains_and_ends_with_success() {
    let mut command = tricast();
    command.env("TRICAST__SHUTDOWN__GRACE", "3s");
    let (mut child, address) = start(&mut command).await;
    let mut listener = tricast_tests::Connection::open(address).await;
    listener.send("GET /sse/a HTTP/1.1\r\nHost: t\r\n\r\n").await;
    listener.head().await;
    signal(&child, Signal::TERM);
    let mut text = String::new();
    while let Some(chunk) = listener.chunk().await {
        text.push_str(&String::from_utf8(chunk).expect("UTF-8"));
    }
    assert!(text.contains("event: tricast.goodbye\nretry: "), "{text}");
    let status =
        timeout(Duration::from_secs(10), child.wait()).await.expect("ends").expect("waits");
    assert!(status.success(), "{status}");
}

/// A drain that has to cut connections is a drain too.
async fn a_forced_drain_ends_with_success_too() {
    let mut command = tricast();
    command.env("TRICAST__SHUTDOWN__GRACE", "200ms");
    let (mut child, address) = start(&mut command).await;
    let mut stubborn = tricast_tests::Connection::open(address).await;
    stubborn.send("POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nab").await;
    signal(&child, Signal::INT);
    let status =
        timeout(Duration::from_secs(10), child.wait()).await.expect("ends").expect("waits");
    assert!(status.success(), "{status}");
}

/// Health has to answer when clients have taken every other descriptor.
async fn a_gateway_full_of_connections_still_answers_its_operator() {
    let mut command = with_files(300);
    let (_child, address, admin) = start_both(&mut command).await;
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut connection = tricast_tests::Connection::open(address).await;
        // Those who say nothing would have to make room for others.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut connection.socket, b"GET /").await;
        open.push(connection);
    }
    let last = open.last_mut().expect("one");
    assert_eq!(last.head().await.status, 503, "told, not left hanging");
    let health = tricast_tests::Connection::open(admin).await;
    assert_eq!(
        health.request("GET /healthz HTTP/1.1\r\nHost: localhost", b"").await.text(),
        "ok\n"
    );
}

fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| Pid::from_raw(id as i32)).expect("runs");
    kill_process(id, signal).expect("is ours");
}

/// To programs that ask the doctor, 2 means that something does not work.
#[tokio::test]
async fn bad_arguments_exit_like_any_other_failure() {
    for (args, code) in [
        (&["doctor", "--idle"][..], 1),
        (&["doctor", "nowhere"], 1),
        (&["serf"], 1),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        let output = tricast().args(args).output().await.expect("runs");
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}

tricast_tests::each_delivery!(
    sigterm_drains_and_ends_with_success,
    a_forced_drain_ends_with_success_too,
    a_gateway_full_of_connections_still_answers_its_operator
);
