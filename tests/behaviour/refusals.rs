//! Bad input: a clear error before anything starts, and nothing published.

use tricast_tests::{Connection, Head, Reader, Server, Wire, eventually, stream_head};

async fn bad_requests_are_refused_by_name() {
    let server = Server::start().await;
    server.publish("held", "x").await;
    let queries = [
        ("client=short", "bad-client"),
        ("client=0123456789abcde%20", "bad-client"),
        ("user=", "bad-user"),
        ("user=a%2Fb", "bad-user"),
        ("since=yesterday", "bad-resume"),
        ("since=-1", "bad-resume"),
        ("last_event_id=nonsense", "bad-resume"),
        ("lastEventId=k7-01", "bad-resume"),
        ("format=xml", "bad-parameter"),
        ("online=yes", "bad-parameter"),
        ("heartbeat=20s", "bad-parameter"),
        ("online=true&online=true", "bad-parameter"),
        ("token=abc", "token-unsupported"),
        ("Format=raw", "unknown-parameter"),
        ("event=x", "unknown-parameter"),
        ("user=%ff", "bad-utf8"),
        ("user=%2", "bad-parameter"),
    ];
    for wire in ["sse", "chunked", "stream", "ws"] {
        let get = async |target: &str| {
            let head = match wire {
                "ws" => stream_head(Wire::Ws, target),
                _ => format!("GET /{wire}/{target} HTTP/1.1\r\nHost: t"),
            };
            server.request(&head, b"").await
        };
        for (query, problem) in queries {
            let answer = get(&format!("a?{query}")).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (400, problem),
                "{wire} {query}"
            );
        }
        for channels in ["a..b", "a,", ",", "a,a", "a%20b", "%C3%A9", "@", &"x".repeat(129)] {
            let answer = get(channels).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (400, "bad-channel"),
                "{channels}"
            );
        }
        assert_eq!(get("%ff").await.problem(), "bad-utf8");
        let many: Vec<String> = (0..101).map(|n| format!("c{n}")).collect();
        assert_eq!(get(&many.join(",")).await.problem(), "bad-channel");
    }
    // On raw streams an event would be taken for data.
    for wire in ["chunked", "ws"] {
        let head = match wire {
            "ws" => stream_head(Wire::Ws, "a?format=raw&heartbeat=event"),
            _ => format!("GET /{wire}/a?format=raw&heartbeat=event HTTP/1.1\r\nHost: t"),
        };
        let answer = server.request(&head, b"").await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-parameter"), "{wire}");
        assert_eq!(answer.json()["parameter"], "heartbeat");
    }
    assert_eq!(server.gateway.connections(), 0);
    assert_eq!(server.metric("tricast_log_channels").await, 1.0, "no refusal leaves a channel");
    assert_eq!(server.metric("tricast_refusals_total{reason=\"bad-resume\"}").await, 16.0);
}

async fn bad_publishes_are_refused_by_name() {
    let server = Server::with("[limits]\nmessage_bytes = 1000").await;
    let long = vec![b'x'; 1001];
    let cases: [(&str, &str, &[u8], u16, &str); 19] = [
        ("a..b", "", b"x", 400, "bad-channel"),
        ("a,b", "", b"x", 400, "bad-channel"),
        ("a?event=", "", b"x", 400, "bad-event"),
        ("a?event=x%0Ay", "", b"x", 400, "bad-event"),
        ("a?event=tricast.gap", "", b"x", 400, "reserved-event"),
        ("a?event=error", "", b"x", 400, "reserved-event"),
        ("a?event=open", "application/x-ndjson", b"1\n", 400, "reserved-event"),
        ("a?user=a+b", "", b"x", 400, "bad-user"),
        ("a?id=with%20space", "", b"x", 400, "bad-id"),
        ("a?skip_self=true", "", b"x", 400, "no-identity"),
        ("a?skip_self=1", "", b"x", 400, "bad-parameter"),
        ("a?end=no", "", b"x", 400, "bad-parameter"),
        ("a?client=me", "", b"x", 400, "bad-client"),
        ("a?since=earliest", "", b"x", 400, "unknown-parameter"),
        ("a?token=x", "", b"x", 400, "token-unsupported"),
        ("a", "application/json", b"{\"a\":}", 400, "bad-json"),
        ("a", "application/json", b"\"\xff\"", 400, "bad-utf8"),
        ("a?id=x", "application/x-ndjson", b"1\n", 400, "bad-id"),
        ("a", "text/plain", &long, 413, "too-large"),
    ];
    for (target, content_type, body, status, problem) in cases {
        let answer = server.post(&format!("/publish/{target}"), content_type, body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{target}");
    }
    // A body of unknown length is counted as it comes.
    let head = "POST /publish/a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked";
    let body = [b"3e9\r\n", &long[..], b"\r\n0\r\n\r\n"].concat();
    assert_eq!(server.request(head, &body).await.problem(), "too-large");
    assert_eq!(server.get("/history/a").await.json()["messages"].as_array().map(Vec::len), Some(0));
    assert_eq!(
        server.post("/publish/a", "text/plain", &long[1..]).await.status,
        200,
        "1,000 is allowed"
    );
}

async fn a_post_that_listens_is_refused_before_the_stream() {
    let server = Server::start().await;
    for (target, content_type, status, problem) in [
        ("sse/a,b", "", 400, "bad-channel"),
        ("sse/a?event=tricast.x", "", 400, "reserved-event"),
        ("sse/a?event=error", "", 400, "reserved-event"),
        ("chunked/a?event=open", "", 400, "reserved-event"),
        ("chunked/a", "application/x-ndjson", 415, "bad-media-type"),
        ("sse/a", "application/jsonl", 415, "bad-media-type"),
        ("sse/a", "application/json, text/plain", 400, "bad-parameter"),
        ("chunked/a", "application/json", 400, "bad-json"),
    ] {
        let answer = server.post(&format!("/{target}"), content_type, b"nope").await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{target}");
    }
    assert_eq!(server.gateway.connections(), 0);
}

async fn unknown_paths_and_methods_name_those_that_exist() {
    let server = Server::start().await;
    assert_eq!(server.get("/nothing/here").await.problem(), "not-found");
    for (head, allowed) in [
        ("GET /publish/a", "POST"),
        ("DELETE /sse/a", "GET,HEAD,POST"),
        ("POST /ws/a", "GET,HEAD"),
        ("PUT /history/a", "GET,HEAD"),
    ] {
        let answer =
            server.request(&format!("{head} HTTP/1.1\r\nHost: t\r\nContent-Length: 0"), b"").await;
        assert_eq!(answer.status, 405, "{head}");
        assert_eq!(answer.problem(), "method-not-allowed", "{head}");
        for method in allowed.split(',') {
            assert!(answer.fields["allow"].contains(method), "{head}: {answer:?}");
        }
    }
}

/// Any page can make a browser send these; only a page at home or a listed one may.
async fn pages_of_other_origins_may_not_publish() {
    let server = Server::with("[cors]\norigins = [\"https://app.example\"]").await;
    let post = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1";
    let ws = stream_head(Wire::Ws, "a");
    for (head, fine) in [(post, 200), (ws.as_str(), 101)] {
        for (origin, status) in [
            ("https://evil.example", 403),
            ("null", 403),
            ("https://app.example", fine),
            ("http://t", fine),
        ] {
            let mut connection = server.connect().await;
            connection.send(format!("{head}\r\nOrigin: {origin}\r\n\r\nx")).await;
            assert_eq!(connection.head().await.status, status, "{origin}: {head}");
        }
    }
    let answer = server.request(&format!("{post}\r\nOrigin: https://evil.example"), b"x").await;
    assert_eq!(answer.problem(), "forbidden-origin");
}

/// Proxies lose the body of a refused handshake, and HEAD has none.
async fn a_refusal_names_its_problem_in_a_header(wire: Wire) {
    let server = Server::with("[limits]\nconnections = 1").await;
    let named = |head: &Head| head.fields.get("tricast-problem").cloned().unwrap_or_default();
    let ask = async |request: String| {
        let mut connection = server.connect().await;
        connection.send(format!("{request}\r\n\r\n")).await;
        connection.head().await
    };
    let head = ask(stream_head(wire, "a..b")).await;
    assert_eq!((head.status, named(&head).as_str()), (400, "bad-channel"));
    let foreign = format!("{}\r\nOrigin: https://evil.example", stream_head(wire, "a"));
    let head = ask(foreign).await;
    match wire {
        Wire::Ws => assert_eq!((head.status, named(&head).as_str()), (403, "forbidden-origin")),
        Wire::Sse | Wire::Chunked => assert_eq!((head.status, named(&head).as_str()), (200, "")),
    }
    let path = format!("/{}/a..b", wire.name());
    let head = ask(format!("HEAD {path} HTTP/1.1\r\nHost: t")).await;
    let expected = if wire == Wire::Ws { "upgrade-required" } else { "bad-channel" };
    assert_eq!(named(&head), expected, "HEAD");
    eventually("the streams have left", async || (server.gateway.connections() == 0).then_some(()))
        .await;
    // Temporary: an EventSource gets 200 and a goodbye instead of a document.
    let _held = Reader::open(&server, wire, "a").await;
    let head = ask(stream_head(wire, "a")).await;
    let status = if wire == Wire::Sse { 200 } else { 503 };
    assert_eq!((head.status, named(&head).as_str()), (status, "too-many-connections"));
}

async fn every_listener_names_the_problem_in_a_header() {
    let server = Server::with("[cors]\norigins = [\"https://app.example\"]").await;
    assert_eq!(server.admin("/nothing").await.problem(), "not-found");
    let admin = Connection::open(server.gateway.admin_address).await;
    let answer = admin.request("POST /metrics HTTP/1.1\r\nHost: localhost", b"").await;
    assert_eq!((answer.status, answer.problem().as_str()), (405, "method-not-allowed"));
    let page = "GET /nothing HTTP/1.1\r\nHost: t\r\nOrigin: https://app.example";
    let answer = server.request(page, b"").await;
    assert_eq!(answer.problem(), "not-found");
    assert!(answer.fields["access-control-expose-headers"].contains("tricast-problem"));
    assert_eq!(server.get("/channels").await.fields.get("tricast-problem"), None);
}

async fn a_request_without_a_host_is_refused() {
    let server = Server::start().await;
    let answer = server.request("GET /history/a HTTP/1.1", b"").await;
    assert_eq!((answer.status, answer.problem().as_str()), (400, "no-host"));
    assert_eq!(server.request("GET /history/a HTTP/1.0", b"").await.status, 200);
}

/// A client that is still sending has to see the answer, not a reset.
async fn a_body_that_is_too_large_is_answered_while_it_still_comes() {
    let server = Server::start().await;
    let body = vec![b'x'; 6_000_000];
    let mut connection = server.connect().await;
    let head = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 6000000\r\n\r\n";
    connection.send(head).await;
    // Fails when the gateway closes on it.
    connection.send(&body).await;
    assert_eq!(connection.head().await.status, 413);
}

async fn a_bad_line_is_answered_while_the_rest_still_comes() {
    let server = Server::start().await;
    let body = [&b"{bad\n"[..], &vec![b'1'; 6_000_000]].concat();
    let mut connection = server.connect().await;
    let head = format!(
        "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Type: application/x-ndjson\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    connection.send(head).await;
    connection.send(&body).await;
    assert_eq!(connection.head().await.status, 400);
}

/// A client that asks before it sends a large body is refused at once, and need not send it.
async fn a_body_that_is_too_large_is_not_asked_for() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    connection
        .send(
            "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 6000000\r\n\
        Expect: 100-continue\r\n\r\n",
        )
        .await;
    assert_eq!(connection.head().await.status, 413, "no 100");
}

async fn cache_busters_pass() {
    let server = Server::start().await;
    assert_eq!(server.get("/history/a?_=123&_t=%C3%A9").await.status, 200);
}

async fn cors_names_the_origins_that_are_allowed_and_no_other() {
    let preflight = "OPTIONS /sse/a HTTP/1.1\r\nHost: t\r\nAccess-Control-Request-Method: GET\r\n\
        Access-Control-Request-Headers: last-event-id\r\nOrigin: ";
    let server = Server::with("[cors]\norigins = [\"https://app.example\"]").await;
    let answer = server.request(&format!("{preflight}https://app.example"), b"").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.fields["access-control-allow-origin"], "https://app.example");
    assert!(answer.fields["access-control-allow-headers"].contains("last-event-id"));
    assert!(answer.fields["access-control-max-age"].parse::<u32>().is_ok_and(|age| age > 600));
    let answer = server.request(&format!("{preflight}https://evil.example"), b"").await;
    assert_eq!(answer.fields.get("access-control-allow-origin"), None);
    let answer = server
        .request("GET /history/a HTTP/1.1\r\nHost: t\r\nOrigin: https://app.example", b"")
        .await;
    assert_eq!(answer.fields["access-control-allow-origin"], "https://app.example");
    assert!(answer.fields["vary"].contains("origin"));
    assert!(answer.fields["access-control-expose-headers"].contains("tricast-id"));
    let closed = Server::start().await;
    let answer = closed.request(&format!("{preflight}https://app.example"), b"").await;
    assert_eq!(answer.fields.get("access-control-allow-origin"), None);
}

async fn everything_stands_under_the_base_path() {
    let server = Server::with("base_path = \"/realtime\"").await;
    assert_eq!(server.get("/history/a").await.problem(), "not-found");
    assert_eq!(server.get("/realtime/history/a").await.status, 200);
    assert_eq!(server.get("/realtime/").await.status, 200);
    assert_eq!(server.get("/realtime").await.fields["location"], "/realtime/");
    assert_eq!(server.get("/realtime/nothing").await.problem(), "not-found");
}

tricast_tests::each_delivery!(
    bad_requests_are_refused_by_name,
    bad_publishes_are_refused_by_name,
    a_post_that_listens_is_refused_before_the_stream,
    unknown_paths_and_methods_name_those_that_exist,
    pages_of_other_origins_may_not_publish,
    every_listener_names_the_problem_in_a_header,
    a_request_without_a_host_is_refused,
    a_body_that_is_too_large_is_answered_while_it_still_comes,
    a_bad_line_is_answered_while_the_rest_still_comes,
    a_body_that_is_too_large_is_not_asked_for,
    cache_busters_pass,
    cors_names_the_origins_that_are_allowed_and_no_other,
    everything_stands_under_the_base_path
);

tricast_tests::each_wire_and_transport!(a_refusal_names_its_problem_in_a_header);
