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
use crate::{examine, fake};

async fn start(url: &str) -> Examination {
    let client = Client::new(fake::options(url)).expect("a client");
    Examination::start(client).await.expect("answers")
}

/// The only finding so far.
fn only(examination: &Examination) -> &Finding {
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
    assert_eq!(fair.said, "lighttpd takes no body without a length over HTTP/2");
    assert_eq!(fair.advice.as_deref(), Some("publish JSON lines over HTTP/1.1"));
    assert_eq!(refused(Version::HTTP_11).await.verdict, Verdict::Bad);
}

#[tokio::test]
async fn an_examination_that_breaks_off_keeps_its_findings() {
    let published = Arc::new(AtomicUsize::new(0));
    let url = fake::server(move |request| match request {
        request if request.starts_with("POST") => match published.fetch_add(1, Ordering::Relaxed) {
            ..3 => fake::published(),
            _ => fake::problem("429 Too Many Requests", "too-fast"),
        },
        request if request.starts_with("GET /sse") => fake::silent_stream(),
        _ => fake::problem("404 Not Found", "not-found"),
    })
    .await;
    let diagnosis = examine(fake::options(&url), |_| {}).await.expect("is a diagnosis");
    let found: Vec<_> = diagnosis.findings.iter().map(|one| (one.check, one.verdict)).collect();
    let expected = [
        ("version", Verdict::Fair),
        ("arrives", Verdict::Unknown),
        ("opens", Verdict::Good),
        ("breaks-off", Verdict::Bad),
    ];
    assert_eq!(found, expected, "{diagnosis}");
    let last = diagnosis.findings.last().expect("one");
    assert!(last.said.starts_with("at messages the examination breaks off"), "{last:?}");
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
    let diagnosis = examine(fake::options(&url), |_| {}).await.expect("is a diagnosis");
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
    examination.check_idle(&|_| {}).await.expect("is done");
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
