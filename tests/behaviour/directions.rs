//! Requests with a wrong path, method, name or channel: the answer says what is right.

use tricast_admission::KeyHash;
use tricast_tests::{Answer, Connection, Reader, SECRET, Server, Wire};

fn detail(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap_or_default().to_owned()
}

async fn ask_admin(server: &Server, method: &str, path: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0");
    Connection::open(server.gateway.admin_address).await.request(&head, b"").await
}

async fn ask(server: &Server, method: &str, path: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 0");
    server.request(&head, b"").await
}

async fn a_path_of_the_other_listener_says_where_it_is() {
    let server = Server::start().await;
    let admin = format!("http://{}", server.gateway.admin_address);
    for path in ["/metrics", "/healthz", "/readyz", "/connections", "/connections/7", "/health"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{path}");
        let detail = detail(&answer);
        assert!(detail.contains(&admin) && detail.contains("admin.bind"), "{path}: {detail}");
    }
    let public = format!("http://{}", server.gateway.address().expect("one in clear"));
    for (method, path) in [
        ("GET", "/sse/demo"),
        ("GET", "/chunked/demo"),
        ("GET", "/ws/demo"),
        ("GET", "/stream/demo"),
        ("POST", "/publish/demo"),
        ("GET", "/history/demo"),
        ("GET", "/online/demo"),
        ("GET", "/presence/demo"),
        ("GET", "/channels"),
        ("GET", "/"),
    ] {
        let answer = ask_admin(&server, method, path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{path}");
        assert!(detail(&answer).contains(&public), "{path}: {}", detail(&answer));
    }
    assert!(detail(&ask_admin(&server, "GET", "/metric").await).contains("/metrics"));
}

/// An address in a private network is nothing for the clients of a public listener.
async fn an_admin_listener_that_is_not_on_loopback_is_not_disclosed() {
    let server = Server::with("[admin]\nbind = \"0.0.0.0:0\"").await;
    let detail = detail(&server.get("/metrics").await);
    let port = server.gateway.admin_address.port().to_string();
    assert!(detail.contains("admin.bind") && !detail.contains(&port), "{detail}");
}

async fn a_path_that_is_nearly_right_says_what_is_missing() {
    let server = Server::with("base_path = \"/realtime\"").await;
    for (path, part) in [
        ("/realtime/sse", "/realtime/sse/demo"),
        ("/realtime/publish/", "/realtime/publish/demo"),
        ("/realtime/sse/orders/42", "orders.42"),
        ("/sse/demo", "/realtime/sse/demo"),
        ("/channels", "/realtime/channels"),
        ("/realtime/nothing", "/realtime/sse/{channels}, /realtime/chunked/{channels}"),
        ("/nothing", "/realtime/sse"),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not-found"), "{path}");
        assert!(detail(&answer).contains(part), "{path}: {}", detail(&answer));
    }
}

/// curl does not show `Allow`.
async fn a_wrong_method_is_answered_with_the_right_ones() {
    let server = Server::start().await;
    for (method, path) in [
        ("GET", "/publish/a"),
        ("PUT", "/publish/a"),
        ("DELETE", "/sse/a"),
        ("PUT", "/chunked/a"),
        ("POST", "/ws/a"),
        ("POST", "/stream/a"),
        ("POST", "/history/a"),
        ("POST", "/online/a"),
        ("POST", "/presence/a"),
        ("POST", "/channels"),
        ("POST", "/"),
        ("GET", "/dashboard/cut"),
        ("POST", "/dashboard/seen"),
        ("POST", "/dashboard/bytes/a"),
    ] {
        let answer = ask(&server, method, path).await;
        says_what_is_allowed(&answer, method, path);
    }
    for (method, path) in [
        ("POST", "/metrics"),
        ("POST", "/healthz"),
        ("PUT", "/readyz"),
        ("POST", "/connections"),
        ("GET", "/connections/7"),
    ] {
        says_what_is_allowed(&ask_admin(&server, method, path).await, method, path);
    }
}

fn says_what_is_allowed(answer: &Answer, method: &str, path: &str) {
    let expected = (405, "method-not-allowed");
    assert_eq!((answer.status, answer.problem().as_str()), expected, "{method} {path}");
    let (detail, allow) = (detail(answer), &answer.fields["allow"]);
    // HEAD goes with GET, and CONNECT is the GET of a WebSocket over HTTP/2.
    let allowed = allow.split(',').filter(|allowed| !["HEAD", "CONNECT"].contains(allowed));
    for allowed in allowed {
        assert!(detail.contains(allowed), "{method} {path}: {detail} ({allow})");
    }
    assert!(!detail.contains(method), "{method} {path}: {detail}");
}

async fn a_query_name_of_elsewhere_says_what_it_is_called_here() {
    let server = Server::start().await;
    for (target, part) in [
        ("/history/a?limit=5", "since=5"),
        ("/history/a?count=5", "since=5"),
        ("/sse/a?limit=5", "since=5"),
        ("/sse/a?Format=raw", "do you mean format?"),
        ("/sse/a?last-event-id=x", "do you mean last_event_id?"),
        ("/channels?pre=x", "do you mean prefix?"),
        ("/sse/a?whatever=x", "this request takes client, user"),
    ] {
        let answer = server.get(target).await;
        assert_eq!(answer.problem(), "unknown-parameter", "{target}");
        assert!(detail(&answer).contains(part), "{target}: {}", detail(&answer));
    }
}

async fn a_field_of_elsewhere_says_what_it_is_called_here() {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, Wire::Ws, "a").await;
    reader.control("hello").await;
    for (command, part) in [
        (r#"{"type":"history","channel":"a","limit":5}"#, "\"since\":5"),
        (r#"{"type":"online","channel":"a","limit":5}"#, "this command takes"),
    ] {
        reader.send(command).await;
        let error = reader.control("error").await;
        assert_eq!(error["type"], "urn:tricast:unknown-field");
        assert!(error["detail"].as_str().unwrap_or_default().contains(part), "{error}");
        assert_eq!(error.to_string().contains("since"), command.contains("history"), "{error}");
    }
}

/// `hello` in a WebSocket client is what a newcomer types first.
async fn a_command_that_is_not_json_says_what_one_looks_like() {
    let server = Server::start().await;
    let mut reader = Reader::open(&server, Wire::Ws, "a").await;
    reader.control("hello").await;
    for text in ["hello", "{", "\"hello\""] {
        reader.send(text).await;
        let error = reader.control("error").await;
        let detail = error["detail"].as_str().unwrap_or_default();
        assert!(detail.ends_with(r#"as in {"data":"hello"}"#), "{text}: {error}");
    }
    reader.send(r#"{"data":"hello"}"#).await;
    // The message and its acknowledgement come in any order.
    let both = [reader.document().await, reader.document().await];
    assert!(both.iter().any(|document| document["event"] == "tricast.ack"), "{both:?}");
    assert!(both.iter().any(|document| document["data"] == "hello"), "{both:?}");
}

/// A credential in the wrong place is ignored, because it may be meant for a proxy.
async fn a_credential_in_the_wrong_place_says_where_it_belongs() {
    let settings = format!(
        "[access]\npublish = \"backend\"\nsubscribe = \"token\"\n\
         [tokens]\nsecret = \"{SECRET}\"\n\
         [[key]]\nname = \"shop\"\nhash = \"{}\"",
        KeyHash::of("tricast_key_shop")
    );
    let server = Server::with(&settings).await;
    let bearer = "write Authorization: Bearer, a space, and the token or key";
    for (field, part) in [
        ("Authorization: abc.def.ghi", bearer),
        ("Authorization: Token abc", bearer),
        ("Authorization: Basic dDp0", bearer),
        ("X-API-Key: tricast_key_abc", "the gateway does not read X-API-Key"),
    ] {
        for (line, body) in [
            ("POST /publish/a", "x"),
            ("GET /sse/a", ""),
            ("GET /history/a", ""),
            ("GET /channels", ""),
        ] {
            let length = body.len();
            let head = format!("{line} HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n{field}");
            let answer = server.request(&head, body.as_bytes()).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (401, "token-missing"),
                "{head}"
            );
            let detail = detail(&answer);
            assert!(detail.starts_with("you need ") && detail.contains(part), "{head}: {detail}");
            assert!(!detail.contains("abc"), "{detail}");
        }
    }
    let detail = detail(&server.get("/history/a").await);
    assert_eq!(detail, "you need a token to read a");
}

async fn a_wrong_channel_says_what_is_wrong_with_it() {
    let server = Server::start().await;
    for (path, parts) in [
        ("/sse/a%20b", &["' '", "orders.42"][..]),
        ("/history/a%2Fb", &["'/'", "orders.42"]),
        ("/sse/a..b", &["single dots", "orders.42"]),
        ("/sse/%C3%A9t%C3%A9", &["'é'"]),
        ("/sse/a&since=earliest", &["'&'", "a query begins with ?"]),
        ("/online/a&user=b", &["'&'", "a query begins with ?"]),
        ("/history/a,b", &["','", "one channel"]),
    ] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad-channel"), "{path}");
        for part in parts {
            assert!(detail(&answer).contains(part), "{path}: {}", detail(&answer));
        }
    }
}

tricast_tests::each_delivery!(
    a_path_of_the_other_listener_says_where_it_is,
    an_admin_listener_that_is_not_on_loopback_is_not_disclosed,
    a_path_that_is_nearly_right_says_what_is_missing,
    a_wrong_method_is_answered_with_the_right_ones,
    a_query_name_of_elsewhere_says_what_it_is_called_here,
    a_field_of_elsewhere_says_what_it_is_called_here,
    a_command_that_is_not_json_says_what_one_looks_like,
    a_credential_in_the_wrong_place_says_where_it_belongs,
    a_wrong_channel_says_what_is_wrong_with_it
);
