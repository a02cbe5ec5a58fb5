//! `tricast doctor`: finds nothing without a proxy, and finds the proxy that changes streams.

use std::time::Duration;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tricast_doctor::{Diagnosis, Event, Finding, Options, Verdict};
use tricast_tests::{Certificate, Endpoint as _, Server};

fn visit(url: &str) -> Options {
    let place = url.parse().expect("a URL");
    Options { gateway: place, token: None, channel: None, ca_file: None, idle: Duration::ZERO }
}

async fn examine(visit: Options) -> Result<Diagnosis, String> {
    let examined = tricast_doctor::examine(visit, |_| {}, std::future::pending()).await;
    examined.map_err(|error| format!("{error:#}"))
}

/// The bad findings: check and wire.
fn bad(diagnosis: &Diagnosis) -> Vec<(&str, &str)> {
    let bad = diagnosis.findings.iter().filter(|finding| finding.verdict == Verdict::Bad);
    bad.map(|finding| (finding.check, finding.wire.unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_gateway_without_a_proxy_passes_every_check() {
    let server = Server::start().await;
    let mut visit = visit(&format!("http://{}", server.address()));
    visit.idle = Duration::from_millis(300);
    let diagnosis = examine(visit).await.expect("answers");
    assert!(diagnosis.is_good(), "{diagnosis}");
    assert_eq!(diagnosis.proxy, None);
    let good = |check: &str| {
        let found = diagnosis.findings.iter().filter(|finding| finding.check == check);
        found.filter(|finding| finding.verdict == Verdict::Good).count()
    };
    for (check, count) in [
        ("opens", 3),
        ("prompt", 3),
        ("resume", 3),
        ("leaves", 3),
        ("lines", 1),
        ("silence", 4),
        ("cache", 1),
    ] {
        assert_eq!(good(check), count, "{check}: {diagnosis}");
    }
}

#[tokio::test]
async fn an_encrypted_gateway_under_a_base_path_passes_too() {
    let certificate = Certificate::make();
    let [chain, key] = ["cert.pem", "key.pem"].map(|name| certificate.file(name));
    let settings = format!(
        "base_path = \"/realtime\"\n[tls]\nbind = \"127.0.0.1:0\"\ncertificate = {chain:?}\n\
         key = {key:?}"
    );
    let server = Server::with(&settings).await;
    let address = server.gateway.tls_address().expect("one");
    let url = format!("https://127.0.0.1:{}/realtime", address.port());
    let visit = Options { ca_file: Some(chain), ..visit(&url) };
    let diagnosis = examine(visit).await.expect("answers");
    assert!(diagnosis.is_good(), "{diagnosis}");
    assert!(diagnosis.to_string().contains("HTTP/2.0 to here"), "{diagnosis}");
    let unknown = examine(Options { ca_file: None, ..self::visit(&url) }).await;
    let error = format!("{:#}", unknown.expect_err("nobody vouches for it"));
    assert!(error.contains("not signed by an authority that this machine trusts"), "{error}");
    assert!(error.contains("--ca FILE"), "{error}");
    // Without its base_path it is asked for what it does not have.
    let visit = Options {
        ca_file: Some(certificate.file("cert.pem")),
        ..self::visit(url.trim_end_matches("/realtime"))
    };
    let error = format!("{:#}", examine(visit).await.expect_err("stands elsewhere"));
    assert!(error.contains("the paths of this gateway begin with base_path"), "{error}");
    assert!(error.contains("correct the URL") && !error.contains("is a base path"), "{error}");
}

#[tokio::test]
async fn a_missing_publish_right_is_reported() {
    let server = Server::with("[access]\npublish = \"nobody\"").await;
    let refused = examine(visit(&format!("http://{}", server.address()))).await;
    let error = format!("{:#}", refused.expect_err("may not"));
    assert!(error.contains("403") && error.contains("--token"), "{error}");
    let nobody = examine(visit("http://127.0.0.1:1")).await.expect_err("nobody is there");
    assert!(format!("{nobody:#}").contains("cannot be reached"), "{nobody:#}");
}

#[tokio::test]
async fn what_cannot_be_checked_is_reported_as_unknown() {
    let server = Server::with("[access]\nonline = false\n[history]\nmessages = 1").await;
    let diagnosis = examine(visit(&format!("http://{}", server.address()))).await.expect("answers");
    assert!(diagnosis.is_good(), "{diagnosis}");
    let of = |check: &str| {
        let found = diagnosis.findings.iter().filter(|finding| finding.check == check);
        found.cloned().collect::<Vec<Finding>>()
    };
    let leaves = of("leaves");
    assert_eq!(leaves.len(), 3, "{diagnosis}");
    for finding in leaves {
        assert_eq!(finding.verdict, Verdict::Unknown, "{diagnosis}");
        assert!(finding.said.contains("403"), "{diagnosis}");
    }
    // The newest message is held, and that is enough.
    assert_eq!(of("lines")[0].verdict, Verdict::Good, "{diagnosis}");
}

#[tokio::test]
async fn a_missing_subscribe_right_is_not_reported_as_a_proxy() {
    let server = Server::with("[access]\nsubscribe = \"nobody\"").await;
    let diagnosis = examine(visit(&format!("http://{}", server.address()))).await.expect("answers");
    let lines = diagnosis.findings.iter().find(|one| one.check == "lines").expect("one");
    assert_eq!(lines.verdict, Verdict::Unknown, "{diagnosis}");
    assert!(lines.said.contains("403"), "{diagnosis}");
}

/// Each finding is reported when it is known; an examination that is stopped keeps what it has.
#[tokio::test]
async fn a_stopped_examination_keeps_its_findings() {
    let server = Server::start().await;
    let found = std::cell::RefCell::new(Vec::new());
    let stop = tokio::sync::Notify::new();
    let observe = |event: Event<'_>| {
        if let Event::Found(finding) = event {
            found.borrow_mut().push((finding.check, finding.wire));
            if (finding.check, finding.wire) == ("prompt", Some("sse")) {
                stop.notify_one();
            }
        }
    };
    let stopped = async {
        stop.notified().await;
        "stopped by the test".to_owned()
    };
    let visit = visit(&format!("http://{}", server.address()));
    let diagnosis = tricast_doctor::examine(visit, observe, stopped).await.expect("answers");
    assert!(!diagnosis.complete && !diagnosis.is_good(), "{diagnosis}");
    let kept: Vec<_> = diagnosis.findings.iter().map(|one| (one.check, one.wire)).collect();
    assert_eq!(kept, *found.borrow(), "all were reported while it ran");
    assert!(kept.contains(&("opens", Some("sse"))), "{diagnosis}");
    let last = diagnosis.findings.last().expect("one");
    assert_eq!((last.check, last.verdict), ("breaks-off", Verdict::Unknown), "{diagnosis}");
    assert!(last.said.contains("stopped by the test"), "{diagnosis}");
    assert!(diagnosis.to_string().contains("Not everything was checked"), "{diagnosis}");
}

/// As `changeOrigin` of http-proxy does.
fn replace_host(said: &str) -> String {
    let lines = said.split("\r\n").map(|line| match line.to_lowercase().starts_with("host: ") {
        true => "Host: upstream.example",
        false => line,
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

/// A proxy that changes requests, and holds back answers for a while.
async fn start_proxy(server: &Server, change: fn(String) -> String, held: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let (own, there) = (listener.local_addr().expect("has one"), server.address());
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.expect("accepts");
            tokio::spawn(async move {
                let server = TcpStream::connect(there).await.expect("connects");
                let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                    (client.into_split(), server.into_split());
                let asks = async move {
                    let mut bytes = vec![0; 65_536];
                    while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
                        let said = String::from_utf8_lossy(&bytes[..count]).into_owned();
                        to_server.write_all(change(said).as_bytes()).await.ok()?;
                    }
                    to_server.shutdown().await.ok()
                };
                let answers = async move {
                    let mut bytes = vec![0; 65_536];
                    while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
                        let event =
                            bytes[..count].windows(9).any(|window| window == b"\"message\"");
                        if event {
                            tokio::time::sleep(held).await;
                        }
                        to_client.write_all(&bytes[..count]).await.ok()?;
                    }
                    Some(())
                };
                tokio::select! {
                    _ = asks => {}
                    _ = answers => {}
                }
            });
        }
    });
    format!("http://{own}")
}

#[tokio::test]
async fn a_proxy_that_changes_streams_is_found() {
    type Case = (fn(String) -> String, u64, &'static [(&'static str, &'static str)], &'static str);
    let cases: [Case; 4] = [
        (|said| replace_host(&said), 0, &[("opens", "ws")], "have the proxy forward the host"),
        (
            |said| said,
            120,
            &[("prompt", "sse"), ("prompt", "chunked"), ("prompt", "ws")],
            "waits for more",
        ),
        (
            |said| said.replace("last-event-id", "x-dropped"),
            0,
            &[("resume", "sse"), ("resume", "chunked")],
            "Last-Event-ID",
        ),
        (
            |said| said.replace("pgrade: websocket", "pgrade: nothing"),
            0,
            &[("opens", "ws")],
            "upgrade",
        ),
    ];
    for (change, held, expected, advice) in cases {
        let server = Server::start().await;
        let url = start_proxy(&server, change, Duration::from_millis(held)).await;
        let diagnosis = examine(visit(&url)).await.expect("answers");
        assert_eq!(bad(&diagnosis), expected, "{diagnosis}");
        let advised = diagnosis.findings.iter().filter_map(|finding| finding.advice.as_ref());
        assert!(advised.into_iter().any(|said| said.contains(advice)), "{diagnosis}");
        let json: Value = serde_json::to_value(&diagnosis).expect("JSON");
        assert_eq!(json["findings"].as_array().map(Vec::len), Some(diagnosis.findings.len()));
    }
}
