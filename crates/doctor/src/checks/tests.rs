//! Single checks, against fake gateways.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Version;
use tokio::io::AsyncWriteExt as _;

use super::*;
use crate::fake::{self, examine};

pub(super) async fn start(url: &str) -> Examination<'static> {
    let client = Client::new(fake::options(url)).expect("a client");
    Examination::start(client, &|_| {}).await.expect("answers")
}

/// The only finding so far.
pub(super) fn only<'a>(examination: &'a Examination<'_>) -> &'a Finding {
    let [finding] = &examination.findings[..] else { panic!("{:?}", examination.findings) };
    finding
}

#[tokio::test]
async fn a_refused_check_blames_no_proxy() {
    let url = fake::server(|request| match request {
        request if request.starts_with("POST") => fake::published(),
        request if request.starts_with("GET /sse") => fake::silent_stream(),
        _ => fake::problem("403 Forbidden", "forbidden"),
    })
    .await;
    let mut examination = start(&url).await;
    examination.check_json_lines().await.expect("is done");
    let lines = only(&examination);
    assert_eq!((lines.check, lines.verdict), ("lines", Verdict::Unknown), "{lines:?}");
    assert!(lines.said.contains("/history was answered with 403"), "{lines:?}");
    examination.findings.clear();
    examination.check_leave(Wire::Sse).await.expect("is done");
    let leaves = only(&examination);
    assert_eq!((leaves.check, leaves.verdict), ("leaves", Verdict::Unknown), "{leaves:?}");
    assert!(leaves.said.contains("it says why"), "{leaves:?}");
}

#[tokio::test]
async fn a_line_counts_as_published_though_those_before_it_are_evicted() {
    let held = r#"{"messages":[{"data":{"doctor":"line 3"}}],"gap":{}}"#;
    let url = fake::server(|request| match request.starts_with("GET /history") {
        true => fake::answer("200 OK", "", held),
        false => fake::published(),
    })
    .await;
    let examination = start(&url).await;
    let was_published =
        async |line| examination.was_published("log-1", line).await.expect("is answered");
    assert!(matches!(was_published("line 3").await, lines::LineResult::Published));
    assert!(matches!(was_published("line 2").await, lines::LineResult::Unobservable(_)));
}

#[tokio::test]
async fn a_refused_body_without_a_length_is_fair_over_http_2() {
    let examination = start(&fake::server(|_| fake::published()).await).await;
    let refused = async |version| {
        let answer = http::Response::builder().status(411).version(version).body("");
        examination.report_refused(answer.expect("an answer").into()).await
    };
    let fair = refused(Version::HTTP_2).await;
    assert_eq!(fair.verdict, Verdict::Fair);
    assert_eq!(fair.said, "something in between takes no body without a length over HTTP/2");
    assert_eq!(fair.advice.as_deref(), Some("publish JSON lines over HTTP/1.1"));
    assert_eq!(refused(Version::HTTP_11).await.verdict, Verdict::Bad);
}

#[tokio::test]
async fn an_examination_that_breaks_off_keeps_its_findings() {
    let published = Arc::new(AtomicUsize::new(0));
    let url = fake::server(move |request| match request {
        request if request.starts_with("POST") => match published.fetch_add(1, Ordering::Relaxed) {
            ..5 => fake::published(),
            _ => fake::problem("429 Too Many Requests", "too-fast"),
        },
        request if request.starts_with("GET /sse") => fake::silent_stream(),
        _ => fake::problem("404 Not Found", "not-found"),
    })
    .await;
    let diagnosis = examine(fake::options(&url)).await.expect("is a diagnosis");
    let found: Vec<_> = diagnosis.findings.iter().map(|one| (one.check, one.verdict)).collect();
    let expected = [
        ("version", Verdict::Fair),
        ("arrives", Verdict::Unknown),
        ("cache", Verdict::Unknown),
        ("opens", Verdict::Good),
        ("breaks-off", Verdict::Bad),
    ];
    assert_eq!(found, expected, "{diagnosis}");
    let last = diagnosis.findings.last().expect("one");
    let ended = "the examination ended while checking how messages arrive";
    assert!(last.said.starts_with(ended), "{last:?}");
    assert!(last.said.contains("429") && last.wire == Some("sse"), "{last:?}");
    assert!(last.advice.as_ref().is_some_and(|text| text.contains("rate")), "{last:?}");
}

#[tokio::test]
async fn no_proxy_is_blamed_for_a_gateway_that_has_gone() {
    // After the first request for a stream there are no responses.
    let gone = Arc::new(AtomicUsize::new(0));
    let url = fake::connections(move |mut client| {
        let gone = gone.clone();
        async move {
            let Some(request) = fake::request(&mut client).await else { return };
            let streams = request.starts_with("GET /sse");
            if gone.fetch_add(usize::from(streams), Ordering::Relaxed) == 0 && !streams {
                fake::send(&mut client, &fake::published()).await;
            }
        }
    })
    .await;
    let diagnosis = examine(fake::options(&url)).await.expect("is a diagnosis");
    let bad: Vec<_> = diagnosis.findings.iter().filter(|one| one.verdict == Verdict::Bad).collect();
    let [only] = bad[..] else { panic!("{diagnosis}") };
    assert_eq!(only.check, "breaks-off", "{diagnosis}");
    assert!(only.advice.as_ref().is_some_and(|text| text.contains("stopped")), "{diagnosis}");
}

/// A heartbeat proves nothing: the message that is published after the silence has to arrive.
#[tokio::test]
async fn a_stream_of_nothing_but_heartbeats_counts_as_cut() {
    let url = fake::connections(|mut client| async move {
        let Some(request) = fake::request(&mut client).await else { return };
        if !request.starts_with("GET /sse") {
            return fake::send(&mut client, &fake::published()).await;
        }
        fake::send(&mut client, &fake::silent_stream()).await;
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            let alive = "event: tricast.alive\ndata: {\"event\":\"tricast.alive\"}\nid: log-1\n\n";
            if client.write_all(alive.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await;
    let mut examination = start(&url).await;
    examination.client.options.idle = Duration::from_millis(300);
    examination.open_wires = vec![Wire::Sse];
    examination.check_idle().await.expect("is done");
    let silence = only(&examination);
    assert_eq!((silence.check, silence.verdict), ("silence", Verdict::Bad), "{silence:?}");
    assert!(silence.said.contains("nothing arrives any more"), "{silence:?}");
}

#[tokio::test]
async fn a_missing_address_is_no_fault_on_the_same_machine() {
    let seen =
        r#"{"http":"HTTP/1.1","url":"","address":null,"fields":{"x-forwarded-for":"127.0.0.1"}}"#;
    let url = fake::server(|request| match request.starts_with("POST") {
        true => fake::published(),
        false => fake::answer("200 OK", "", seen),
    })
    .await;
    let mut examination = start(&url).await;
    examination.check_path().await.expect("is answered");
    let address = examination.findings.iter().find(|one| one.check == "address").expect("one");
    assert_eq!(address.verdict, Verdict::Unknown);
    assert_eq!(address.advice.as_deref(), Some("examine it from another machine"));
    // From another machine it is a fault.
    examination.server_address = Some(([192, 0, 2, 1], 80).into());
    examination.findings.clear();
    examination.check_path().await.expect("is answered");
    let address = examination.findings.iter().find(|one| one.check == "address").expect("one");
    assert_eq!(address.verdict, Verdict::Fair);
}

#[tokio::test]
async fn every_probe_of_a_stream_sends_the_same_headers_and_another_query() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let requests = seen.clone();
    let url = fake::server(move |request| {
        requests.lock().expect("a lock").push(request.to_owned());
        match request.starts_with("GET /sse") || request.starts_with("GET /chunked") {
            true => fake::silent_stream(),
            false => fake::published(),
        }
    })
    .await;
    let examination = start(&url).await;
    for wire in Wire::ALL {
        for query in ["", "?last_event_id=log-1"] {
            // A WebSocket does not open here.
            let _ = examination.client.open(wire, query, &[]).await;
        }
    }
    examination.client.get("/online/a").await.expect("is answered");
    examination.client.get("/online/a").await.expect("is answered");
    let seen = seen.lock().expect("a lock");
    let gets: Vec<_> = seen.iter().filter(|request| request.starts_with("GET")).collect();
    // Two are those of the start.
    assert_eq!(gets.len(), 10);
    let lines: std::collections::HashSet<_> = gets.iter().map(|one| one.lines().next()).collect();
    assert_eq!(lines.len(), gets.len(), "no cache can answer any of them: {lines:?}");
    let is_stream = |request: &str| {
        ["/sse", "/chunked", "/ws"].iter().any(|path| request.starts_with(&format!("GET {path}/")))
    };
    for request in gets.iter().filter(|request| is_stream(request)) {
        assert!(request.to_lowercase().contains(&format!("origin: {url}")), "{request}");
    }
}
