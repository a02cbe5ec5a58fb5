//! The rules of browsers: cookies, origins, preflights, and content that must never be run as a
//! page.

use tricast_tests::{SECRET, Server, Wire, stream_head, token};

async fn server() -> Server {
    Server::with(&format!(
        "[tokens]\nsecret = \"{SECRET}\"\ncookie = \"session\"\n[cors]\n\
         origins = [\"https://app.example\"]"
    ))
    .await
}

async fn a_cookie_counts_for_pages_that_may_use_it_and_for_no_other(wire: Wire) {
    let server = server().await;
    let cookie = format!("Cookie: session={}", token("alice", &["a"], &["a"]));
    let fine = if wire == Wire::Ws { 101 } else { 200 };
    for (fields, status) in [
        ("", fine),
        ("\r\nOrigin: http://t", fine),
        ("\r\nOrigin: https://app.example", fine),
        ("\r\nSec-Fetch-Site: same-origin", fine),
        ("\r\nSec-Fetch-Site: none", fine),
        ("\r\nOrigin: https://evil.example", 403),
        ("\r\nOrigin: null", 403),
        ("\r\nSec-Fetch-Site: cross-site", 403),
        // Joined by a proxy, or a value that is not known yet.
        ("\r\nSec-Fetch-Site: same-origin, cross-site", 403),
        ("\r\nSec-Fetch-Site: elsewhere", 403),
        // Another host of the same site is another page.
        ("\r\nSec-Fetch-Site: same-site", 403),
        ("\r\nOrigin: https://app.example.evil", 403),
        ("\r\nOrigin: http://app.example", 403),
    ] {
        let mut connection = server.connect().await;
        connection.send(format!("{}\r\n{cookie}{fields}\r\n\r\n", stream_head(wire, "a"))).await;
        assert_eq!(connection.head().await.status, status, "{fields}");
    }
}

async fn a_cookie_of_a_foreign_page_publishes_and_reads_nothing() {
    let server = server().await;
    let cookie = format!("Host: t\r\nCookie: session={}", token("alice", &["a"], &["a"]));
    for (head, site) in [
        ("POST /publish/a HTTP/1.1\r\nContent-Length: 1", "Origin: https://evil.example"),
        ("POST /sse/a HTTP/1.1\r\nContent-Length: 1", "Origin: https://evil.example"),
        ("POST /publish/a HTTP/1.1\r\nContent-Length: 1", "Sec-Fetch-Site: cross-site"),
        ("GET /history/a HTTP/1.1", "Sec-Fetch-Site: cross-site"),
        ("GET /online/a HTTP/1.1", "Origin: https://evil.example"),
        ("GET /channels HTTP/1.1", "Origin: https://evil.example"),
    ] {
        let body = if head.starts_with("POST") { "x" } else { "" };
        let answer =
            server.request(&format!("{head}\r\n{cookie}\r\n{site}"), body.as_bytes()).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (403, "forbidden-origin"),
            "{head} {site}"
        );
    }
    // Another cookie says nothing, and a bearer needs no permission of the browser's.
    let head =
        "GET /history/a HTTP/1.1\r\nHost: t\r\nCookie: other=1\r\nSec-Fetch-Site: cross-site";
    assert_eq!(server.request(head, b"").await.problem(), "token-missing");
    let bearer = format!("Authorization: Bearer {}", token("alice", &["a"], &[]));
    let head =
        format!("GET /history/a HTTP/1.1\r\nHost: t\r\n{bearer}\r\nSec-Fetch-Site: cross-site");
    assert_eq!(server.request(&head, b"").await.status, 200);
}

/// A browser sends the cookie with the longest path first, and may still have an old one of another
/// path.
async fn of_two_cookies_the_first_counts() {
    let server = server().await;
    let (own, other) = (token("alice", &["a"], &[]), token("alice", &["b"], &[]));
    let answer = async |cookies: &str| {
        let head = format!("GET /history/a HTTP/1.1\r\nHost: t\r\nCookie: {cookies}");
        let answer = server.request(&head, b"").await;
        (answer.status, answer.fields.get("tricast-problem").cloned().unwrap_or_default())
    };
    let refused = |status: u16, problem: &str| (status, problem.to_owned());
    for between in ["; ", "\r\nCookie: ", "; x=1; "] {
        for second in [&own, &other, "stale", "\u{e9}"] {
            let two = format!("session={own}{between}session={second}");
            assert_eq!(answer(&two).await.0, 200, "{two}");
        }
        let two = format!("session={other}{between}session={own}");
        assert_eq!(answer(&two).await, refused(403, "forbidden"), "{between}");
        let two = format!("session=stale{between}session={own}");
        assert_eq!(answer(&two).await, refused(401, "bad-token"), "{between}");
    }
    // Bytes in another cookie do not hide the token.
    assert_eq!(answer(&format!("name=\u{e9}; session={own}")).await.0, 200);
    assert_eq!(answer(&format!("session=; session={own}")).await.0, 200);
}

async fn a_cookie_beside_another_token_does_not_count(wire: Wire) {
    let server = server().await;
    let valid = token("alice", &["a"], &["a"]);
    let fine = if wire == Wire::Ws { 101 } else { 200 };
    let head = stream_head(wire, "a");
    let (path, fields) = head.split_once(" HTTP/1.1").expect("a head");
    let bearer = format!("{path} HTTP/1.1{fields}\r\nAuthorization: Bearer {valid}");
    let query = format!("{path}?token={valid} HTTP/1.1{fields}");
    let subprotocol =
        format!("{head}\r\nSec-WebSocket-Protocol: tricast.v1.json, tricast.token.{valid}");
    let heads = [Some(bearer), Some(query), (wire == Wire::Ws).then_some(subprotocol)];
    for head in heads.into_iter().flatten() {
        for cookie in [
            "Cookie: session=A; session=B",
            "Cookie: session=A",
            "Cookie: session=\u{e9}",
            "Cookie: session=A\r\nSec-Fetch-Site: cross-site",
        ] {
            let mut connection = server.connect().await;
            connection.send(format!("{head}\r\n{cookie}\r\n\r\n")).await;
            assert_eq!(connection.head().await.status, fine, "{head} {cookie}");
        }
    }
}

/// `"Bearer " + (token ?? "")`: the sender expects a credential to count, and there is none.
async fn an_empty_token_is_refused_with_what_to_leave_out() {
    let fields = format!("Cookie: session={}", token("alice", &["a"], &[]));
    for (server, status, problem) in
        [(server().await, 401, "bad-token"), (Server::start().await, 400, "token-unsupported")]
    {
        for (target, field, place) in [
            ("/history/a", "Authorization: Bearer ", "Authorization: Bearer"),
            ("/history/a", "Authorization: bearer", "Authorization: Bearer"),
            ("/history/a?token=", "X: y", "token="),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: t\r\n{fields}\r\n{field}");
            let answer = server.request(&head, b"").await;
            assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{head}");
            let detail = answer.json()["detail"].to_string();
            assert!(detail.contains("is empty; leave"), "{detail}");
            assert!(detail.contains(place), "{detail}");
        }
        let ws = stream_head(Wire::Ws, "a");
        let head = format!("{ws}\r\nSec-WebSocket-Protocol: tricast.v1.json, tricast.token.");
        let answer = server.request(&head, b"").await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem));
        assert!(answer.json()["detail"].to_string().contains("tricast.token."));
    }
}

/// A credential that cannot be read counts as an invalid one, not as none.
async fn a_credential_that_is_not_text_is_refused_where_none_is_needed() {
    let server = Server::with(&format!(
        "[tokens]\nsecret = \"{SECRET}\"\ncookie = \"session\"\n[access]\nsubscribe = \"anyone\""
    ))
    .await;
    for field in [
        "Authorization: Bearer \u{e9}",
        "Authorization: Bearer",
        "Authorization: Bearer\t\u{e9}",
        "Cookie: session=\u{e9}",
    ] {
        let head = format!("GET /history/a HTTP/1.1\r\nHost: t\r\n{field}");
        let answer = server.request(&head, b"").await;
        assert_eq!((answer.status, answer.problem().as_str()), (401, "bad-token"), "{field}");
    }
    let ws = stream_head(Wire::Ws, "a");
    let head = format!("{ws}\r\nSec-WebSocket-Protocol: tricast.v1.json, tricast.token.\u{e9}");
    assert_eq!(server.request(&head, b"").await.problem(), "bad-parameter");
    let head = "GET /history/a HTTP/1.1\r\nHost: t\r\nAuthorization: Basic dDp0";
    assert_eq!(server.request(head, b"").await.status, 200, "meant for a proxy");
}

async fn credentials_are_allowed_to_listed_origins_alone() {
    let server = server().await;
    let ask = async |origin: &str| {
        let head = format!(
            "OPTIONS /publish/a HTTP/1.1\r\nHost: t\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization\r\nOrigin: {origin}"
        );
        server.request(&head, b"").await.fields
    };
    let fields = ask("https://app.example").await;
    assert_eq!(fields["access-control-allow-origin"], "https://app.example");
    assert_eq!(fields["access-control-allow-credentials"], "true");
    assert!(fields["vary"].contains("origin"), "a cache must not give it to others: {fields:?}");
    let fields = ask("https://evil.example").await;
    assert_eq!(fields.get("access-control-allow-origin"), None);
    // A refusal can be read by a page that may ask.
    let head = "GET /history/a HTTP/1.1\r\nHost: t\r\nOrigin: https://app.example";
    let answer = server.request(head, b"").await;
    assert_eq!((answer.status, answer.problem().as_str()), (401, "token-missing"));
    assert_eq!(answer.fields["access-control-allow-origin"], "https://app.example");
    // Without a cookie in the settings there are no credentials to allow.
    let plain = Server::with("[cors]\norigins = [\"*\"]").await;
    let answer =
        plain.request("GET /history/a HTTP/1.1\r\nHost: t\r\nOrigin: https://x.example", b"").await;
    assert_eq!(answer.fields["access-control-allow-origin"], "*");
    assert_eq!(answer.fields.get("access-control-allow-credentials"), None);
}

/// A browser never runs published data as a page or script of the gateway's origin.
async fn nothing_is_sniffed() {
    let server = Server::start().await;
    server.publish("a", "<script>alert(1)</script>").await;
    for target in ["/history/a", "/nothing", "/online/a", "/", "/app.js"] {
        assert_eq!(
            server.get(target).await.fields["x-content-type-options"],
            "nosniff",
            "{target}"
        );
    }
    for target in
        ["/sse/a", "/chunked/a", "/sse/a?format=raw", "/chunked/a?format=raw&since=earliest"]
    {
        let mut connection = server.connect().await;
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n")).await;
        let fields = connection.head().await.fields;
        assert_eq!(fields["x-content-type-options"], "nosniff", "{target}");
        assert!(!fields["content-type"].starts_with("text/html"), "{target}");
    }
}

/// A page of a listed origin can read why it is refused, also before anything else is looked at.
async fn a_refusal_of_the_form_can_be_read_by_listed_origins() {
    let server = server().await;
    for (target, fields, status) in [
        ("POST /publish/a", "Host: t\r\nContent-Length: 1\r\nContent-Encoding: gzip", 415),
        ("POST /publish/a", "Host: t\r\nTransfer-Encoding: gzip, chunked", 501),
        ("POST /publish/a", "Host: t\r\nHost: t\r\nContent-Length: 1", 400),
        ("GET /history/a", "Host: t t", 400),
        ("GET /history/a", "Host: t\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Mode: cors", 400),
    ] {
        let head = format!("{target} HTTP/1.1\r\n{fields}\r\nOrigin: ");
        let body: &[u8] = if fields.contains("chunked") { b"0\r\n\r\n" } else { b"x" };
        let body = if target.starts_with("POST") { body } else { b"" };
        let answer = server.request(&format!("{head}https://app.example"), body).await;
        assert_eq!(answer.status, status, "{head}");
        let field = |name: &str| answer.fields.get(name).cloned().unwrap_or_default();
        assert_eq!(field("access-control-allow-origin"), "https://app.example", "{head}");
        assert!(field("access-control-expose-headers").contains("tricast-problem"), "{head}");
        assert!(field("vary").contains("origin"), "{head}");
        assert_eq!(field("x-content-type-options"), "nosniff", "{head}");
        let answer = server.request(&format!("{head}https://evil.example"), body).await;
        assert_eq!(answer.fields.get("access-control-allow-origin"), None, "{head}");
        // A cache must not give it to a page that may read it.
        assert!(answer.fields["vary"].contains("origin"), "{head}");
    }
}

tricast_tests::each_wire!(
    a_cookie_counts_for_pages_that_may_use_it_and_for_no_other,
    a_cookie_beside_another_token_does_not_count
);

tricast_tests::each_delivery!(
    a_cookie_of_a_foreign_page_publishes_and_reads_nothing,
    of_two_cookies_the_first_counts,
    an_empty_token_is_refused_with_what_to_leave_out,
    a_refusal_of_the_form_can_be_read_by_listed_origins,
    a_credential_that_is_not_text_is_refused_where_none_is_needed,
    credentials_are_allowed_to_listed_origins_alone,
    nothing_is_sniffed
);
