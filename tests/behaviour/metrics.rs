//! `/metrics`, `/healthz`, `/readyz`: what an operator sees.

use std::collections::{BTreeMap, BTreeSet};

use tricast_core::StreamEnd;
use tricast_tests::{Connection, Reader, Samples, Server, Wire, eventually};

async fn counters_agree_with_what_happened(wire: Wire) {
    let server = Server::in_memory("[history]\nmessages = 1").await;
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
    let resumes = |result: &str| {
        format!("tricast_resumes_total{{wire=\"{}\",result=\"{result}\"}}", wire.name())
    };
    assert_eq!(server.metric(&resumes("complete")).await, 1.0);
    assert_eq!(server.metric(&resumes("gap")).await, 1.0);
    assert_eq!(server.metric(&of("gaps_total")).await, 1.0);
    eventually("connected = opened − closed", async || {
        let metrics = server.metrics().await;
        let opened = metrics.value(&of("connections_opened_total"));
        let wire = format!("wire=\"{}\"", wire.name());
        let closed = metrics.sum("tricast_connections_closed_total", &[&wire]);
        let connected = metrics.value(&of("connections"));
        (opened == 3.0 && closed == 3.0 && connected == 0.0).then_some(())
    })
    .await;
}

/// The invariants of ops/METRICS.md. `one`: all readers read one channel.
fn assert_consistent(metrics: &Samples, one: bool) {
    let mut connections = 0.0;
    for wire in Wire::ALL.map(|wire| format!("wire=\"{}\"", wire.name())) {
        let of = |name: &str| metrics.sum(&format!("tricast_{name}"), &[&wire]);
        let open = of("connections");
        connections += open;
        assert_eq!(open, of("connections_opened_total") - of("connections_closed_total"));
        assert!(of("resumes_total") <= of("connections_opened_total"));
        assert!(of("subscriptions") >= open);
        assert!(!one || of("subscriptions") == open);
        assert!(of("delivery_latency_seconds_count") <= of("delivered_messages_total"));
    }
    let of = |name: &str| metrics.sum(&format!("tricast_{name}"), &[]);
    let left = of("published_messages_total") - of("log_evicted_messages_total");
    assert_eq!(of("log_messages"), left);
    assert!(of("sockets") >= connections);
}

/// Readers connect, resume, lag and leave; no counter contradicts another.
async fn counters_are_consistent(wire: Wire) {
    let settings = "[history]\nmessages = 2\n[[namespace]]\npattern = \"orders.*\"\n\
        history = { messages = 5 }";
    let server = Server::with(settings).await;
    let label = format!("wire=\"{}\"", wire.name());
    let seats = async |namespace: &str| {
        let namespace = format!("namespace=\"{namespace}\"");
        server.metrics().await.sum("tricast_subscriptions", &[&label, &namespace])
    };
    let mut readers = Vec::new();
    for channel in ["orders.1", "orders.2", "room"] {
        let mut reader = Reader::open(&server, wire, channel).await;
        reader.control("hello").await;
        for text in ["1", "2", "3"] {
            server.publish(channel, text).await;
            reader.data().await;
        }
        readers.push(reader);
    }
    assert_consistent(&server.metrics().await, true);
    assert_eq!((seats("orders.*").await, seats("(none)").await), (2.0, 1.0));

    let both = Reader::open(&server, wire, "orders.1,room").await;
    assert_consistent(&server.metrics().await, false);
    assert_eq!((seats("orders.*").await, seats("(none)").await), (3.0, 2.0));
    drop(both);
    let last = readers.swap_remove(0).last_id.clone();
    for text in ["4", "5", "6"] {
        server.publish("room", text).await;
    }
    let mut resumed = Reader::open_after(&server, wire, "orders.1", last.as_deref()).await;
    resumed.control("hello").await;
    eventually("two have gone", async || (seats("(none)").await == 1.0).then_some(())).await;
    assert_consistent(&server.metrics().await, true);

    drop((readers, resumed));
    eventually("all have gone", async || (server.gateway.connections() == 0).then_some(())).await;
    assert_consistent(&server.metrics().await, true);
    assert_eq!((seats("orders.*").await, seats("(none)").await), (0.0, 0.0));
    let text = server.admin("/metrics").await.text();
    // The descriptions are English, and may have the words that are channels here.
    let mut series = text.lines().filter(|line| !line.starts_with('#'));
    let names_a_channel = |line: &str| line.contains("room") || line.contains("orders.1");
    assert_eq!(series.find(|line| names_a_channel(line)), None, "no label names a channel");
}

async fn health_and_readiness_answer_on_their_own_listener() {
    let server = Server::start().await;
    assert_eq!(server.admin("/healthz").await.text(), "ok\n");
    assert_eq!(server.admin("/readyz").await.text(), "ready\n");
    assert_eq!(server.get("/metrics").await.status, 404, "not for the public");
    let metrics = server.admin("/metrics").await;
    assert!(metrics.fields["content-type"].starts_with("text/plain; version=0.0.4"));
}

/// The table of ops/METRICS.md: what it says of each metric, by its name.
fn table() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let words = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    include_str!("../../ops/METRICS.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (cells[0].trim_end_matches('`').to_owned(), (cells[1].to_owned(), words(cells[2])))
        })
        .collect()
}

async fn the_table_of_metrics_is_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display();
    let upstream = "[[llm]]\nname = \"main\"\nurl = \"http://127.0.0.1:9\"\n";
    let settings =
        format!("{upstream}[[namespace]]\npattern = \"orders.*\"\n[log]\npath = \"{path}\"");
    let server = Server::with(&settings).await;
    let metrics = server.metrics().await;
    let labels = metrics.labels();
    let there: BTreeMap<_, _> = labels
        .into_iter()
        .map(|(name, labels)| (name.clone(), (metrics.types[&name].clone(), labels)))
        .collect();
    assert_eq!(there, table());
    for name in there.keys() {
        assert!(metrics.helped.contains(name), "{name} says what it is");
    }
}

/// Each reason has its series from the start, on each wire, and its meaning in ops/METRICS.md.
async fn the_reasons_of_an_end_are_complete() {
    let server = Server::start().await;
    let metrics = server.metrics().await;
    for end in StreamEnd::ALL {
        let reason = format!("reason=\"{}\"", end.name());
        for wire in Wire::ALL.map(|wire| format!("wire=\"{}\"", wire.name())) {
            assert_eq!(metrics.sum("tricast_connections_closed_total", &[&wire, &reason]), 0.0);
        }
        let document = include_str!("../../ops/METRICS.md");
        assert!(document.contains(&format!("`{}`", end.name())), "{end:?}");
    }
}

async fn process_figures_are_of_this_process() {
    let server = Server::start().await;
    let metrics = server.metrics().await;
    assert!(metrics.value("process_resident_memory_bytes") > 1e6);
    assert!(metrics.value("process_open_fds") > 5.0);
    assert!(metrics.value("process_max_fds") >= metrics.value("process_open_fds"));
    assert!(metrics.value("process_start_time_seconds") > 1.7e9);
    let version = format!("tricast_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(metrics.value(&version), 1.0);
}

async fn with_a_token_only_health_is_for_everybody() {
    let token = "0123456789abcdef";
    let server = Server::with(&format!("[admin]\ntoken = \"{token}\"")).await;
    let ask = async |path: &str, fields: &str| {
        let connection = Connection::open(server.gateway.admin_address).await;
        connection.request(&format!("{path} HTTP/1.1\r\nHost: localhost{fields}"), b"").await
    };
    for path in ["GET /metrics", "GET /connections", "DELETE /connections?wire=ws"] {
        let without = ask(path, "").await;
        assert_eq!((without.status, without.problem().as_str()), (401, "token-missing"), "{path}");
        assert!(without.fields.contains_key("www-authenticate"), "{without:?}");
        for wrong in ["0123456789abcdeg", "", "0123456789abcdef0"] {
            let answer = ask(path, &format!("\r\nAuthorization: Bearer {wrong}")).await;
            assert_eq!(answer.status, 401, "{path} {wrong:?}");
        }
        let right = ask(path, &format!("\r\nauthorization: bearer {token}")).await;
        assert_eq!(right.status, 200, "{path}");
        assert!(!right.text().contains(token));
    }
    for path in ["GET /healthz", "GET /readyz"] {
        assert_eq!(ask(path, "").await.status, 200, "{path}");
    }
}

tricast_tests::each_wire!(counters_agree_with_what_happened, counters_are_consistent);

tricast_tests::each_delivery!(
    health_and_readiness_answer_on_their_own_listener,
    the_table_of_metrics_is_complete,
    the_reasons_of_an_end_are_complete,
    process_figures_are_of_this_process,
    with_a_token_only_health_is_for_everybody
);
