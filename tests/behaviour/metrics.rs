//! `/metrics`, `/healthz`, `/readyz`: what an operator sees.

use tricast_tests::{Reader, Server, each_wire, eventually};

each_wire! {
    async fn counters_agree_with_what_happened(wire) {
        let server = Server::with("[history]\nmessages = 1").await;
        let of = |name: &str| format!("tricast_{name}{{wire=\"{}\"}}", wire.name());
        let mut reader = Reader::open(&server, wire, "a").await;
        let hello = reader.control("hello").await;
        for text in ["1", "2", "3"] {
            server.publish("a", text).await;
            reader.data().await;
        }
        assert_eq!(server.metric(&of("connections")).await, 1.0);
        assert_eq!(server.metric(&of("delivered_messages_total")).await, 3.0);
        assert_eq!(server.metric("tricast_published_messages_total").await, 3.0);
        assert_eq!(server.metric("tricast_published_bytes_total").await, 3.0);
        assert_eq!(server.metric("tricast_log_evicted_messages_total").await, 2.0);
        assert_eq!(server.metric("tricast_log_messages").await, 1.0);
        assert!(server.metric(&of("sent_bytes_total")).await > 300.0);
        assert!(server.metric(&of("delivery_latency_seconds_count")).await >= 1.0);
        let last = reader.last_id.clone();
        drop(reader);
        for id in [last.as_deref(), hello["id"].as_str()] {
            Reader::open_after(&server, wire, "a", id).await.control("hello").await;
        }
        let resumes = |result: &str| format!("tricast_resumes_total{{wire=\"{}\",result=\"{result}\"}}", wire.name());
        assert_eq!(server.metric(&resumes("complete")).await, 1.0);
        assert_eq!(server.metric(&resumes("gap")).await, 1.0);
        assert_eq!(server.metric(&of("gaps_total")).await, 1.0);
        eventually("connected = opened − closed", async || {
            let opened = server.metric(&of("connections_opened_total")).await;
            let closed = server.metric(&of("connections_closed_total")).await;
            let connected = server.metric(&of("connections")).await;
            (opened == 3.0 && closed == 3.0 && connected == 0.0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn health_and_readiness_answer_on_their_own_listener() {
    let server = Server::start().await;
    assert_eq!(server.admin("/healthz").await.text(), "ok\n");
    assert_eq!(server.admin("/readyz").await.text(), "ready\n");
    assert_eq!(server.get("/metrics").await.status, 404, "not for the public");
    let metrics = server.admin("/metrics").await;
    assert!(metrics.fields["content-type"].starts_with("text/plain; version=0.0.4"));
    let text = metrics.text();
    let names = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    for name in names.map(|line| line.split(['{', ' ']).next().unwrap_or_default()) {
        assert!(name.starts_with("tricast_"), "{name}");
        let base =
            name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count");
        assert!(text.contains(&format!("# HELP {base} ")), "{name} says what it is");
    }
}
