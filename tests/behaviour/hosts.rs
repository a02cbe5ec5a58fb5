//! The host that a request addresses, and the fields that only a browser may set: each of them
//! counts once, or the request is refused.

use bytes::Bytes;
use http::{Method, Request, Response};
use tokio::net::TcpStream;
use tricast_tests::{Answer, Connection, Server, Wire, stream_head};

const BODY: &str = "\r\nContent-Length: 1";

async fn post(server: &Server, target: &str, fields: &str) -> Answer {
    server.request(&format!("POST {target} HTTP/1.1\r\n{fields}{BODY}"), b"x").await
}

async fn admin(server: &Server, target: &str, fields: &str) -> Answer {
    let connection = Connection::open(server.gateway.admin_address).await;
    connection.request(&format!("GET {target} HTTP/1.1\r\n{fields}"), b"").await
}

/// RFC 9112 §3.2.2: where the target names a host, `Host` is ignored.
async fn the_host_in_the_target_takes_precedence_over_the_field() {
    let server = Server::start().await;
    let publish = async |target: &str, host: &str, origin: &str| {
        post(&server, target, &format!("Host: {host}\r\nOrigin: {origin}")).await.status
    };
    assert_eq!(publish("http://good/publish/a", "evil", "http://evil").await, 403);
    assert_eq!(publish("http://good/publish/a", "evil", "http://good").await, 200);
    assert_eq!(publish("http://good:80/publish/a", "evil", "http://good").await, 200);
    assert_eq!(publish("/publish/a", "good", "http://good").await, 200);
    let refused = admin(&server, "http://evil.example/metrics", "Host: 127.0.0.1").await;
    assert_eq!((refused.status, refused.problem().as_str()), (403, "forbidden-origin"));
    assert_eq!(admin(&server, "http://127.0.0.1/metrics", "Host: evil.example").await.status, 200);
    for target in ["http://user@good/publish/a", "http://a@good:80/publish/a"] {
        let refused = post(&server, target, "Host: good").await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-host"), "{target}");
    }
    // The field has to be there all the same, and to be valid.
    assert_eq!(post(&server, "http://good/publish/a", "X: y").await.problem(), "no-host");
    assert_eq!(post(&server, "http://good/publish/a", "Host: a b").await.problem(), "bad-host");
}

/// RFC 9112 §3.2: anything but `uri-host [ ":" port ]` is a 400.
async fn a_host_that_is_not_valid_is_refused() {
    let server = Server::start().await;
    for host in [
        "a b/c",
        "x, y",
        "a@127.0.0.1",
        "127.0.0.1:80:80",
        "a:b",
        "[::1",
        "::1",
        "[::1]x",
        "[]",
        "[1]",
        "a/b",
        "a?b",
        "a#b",
        "a%2",
        "a\"b",
        "\u{e9}.example",
        ":80",
    ] {
        for request in ["GET /history/a", "POST /publish/a", "OPTIONS /sse/a", "GET /nothing"] {
            let head = format!(
                "{request} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\
                 \r\nAccess-Control-Request-Method: GET\r\nOrigin: http://t"
            );
            let refused = server.request(&head, b"").await;
            assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-host"), "{head}");
            assert_eq!(refused.fields["x-content-type-options"], "nosniff");
        }
        let refused = admin(&server, "/healthz", &format!("Host: {host}")).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-host"), "{host}");
    }
    for host in ["", "t", "T.example:8080", "[::1]:8080", "[v1.x]", "127.0.0.1:", "a_b", "%41~!"] {
        let answer = server.request(&format!("GET /history/a HTTP/1.1\r\nHost: {host}"), b"").await;
        assert_eq!(answer.status, 200, "{host:?}");
    }
    for fields in ["X: y", "Host: 127.0.0.1\r\nHost: 127.0.0.1"] {
        for answer in [
            admin(&server, "/metrics", fields).await,
            server.request(&format!("GET /history/a HTTP/1.1\r\n{fields}"), b"").await,
            server.request(&format!("OPTIONS /sse/a HTTP/1.1\r\n{fields}"), b"").await,
        ] {
            assert_eq!((answer.status, answer.problem().as_str()), (400, "no-host"), "{fields}");
        }
    }
    assert_eq!(server.metric("tricast_refusals_total{reason=\"bad-host\"}").await, 68.0);
}

/// A check that reads the first of two could be passed with a second one.
async fn a_field_of_a_security_check_counts_only_once() {
    let server = Server::with("[cors]\norigins = [\"https://app.example\"]").await;
    let ws = stream_head(Wire::Ws, "a");
    for (name, first, second) in [
        ("Origin", "http://t", "http://evil.example"),
        ("Origin", "https://app.example", "http://evil.example"),
        ("Sec-Fetch-Site", "same-origin", "cross-site"),
        ("Sec-Fetch-Mode", "navigate", "cors"),
    ] {
        let twice = format!("{name}: {first}\r\n{name}: {second}");
        for head in [
            format!("POST /publish/a HTTP/1.1\r\nHost: t\r\n{twice}{BODY}"),
            format!("GET /history/a HTTP/1.1\r\nHost: t\r\n{twice}"),
            format!("{ws}\r\n{twice}"),
        ] {
            let refused = server.request(&head, b"x").await;
            assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-parameter"));
            assert_eq!(refused.json()["parameter"], name, "{head}");
        }
        let refused = admin(&server, "/metrics", &format!("Host: 127.0.0.1\r\n{twice}")).await;
        assert_eq!(refused.status, 400, "{twice}");
    }
    // Joined by a proxy, they are a value that no browser sends.
    for origin in ["http://t, http://evil.example", "https://app.example, http://evil.example"] {
        assert_eq!(
            post(&server, "/publish/a", &format!("Host: t\r\nOrigin: {origin}")).await.status,
            403
        );
    }
}

/// A request over HTTP/2 in clear.
async fn over_http2(server: &Server, request: Request<()>) -> Response<h2::RecvStream> {
    let address = server.gateway.address().expect("one in clear");
    let socket = TcpStream::connect(address).await.expect("connects");
    let (sender, driver) = h2::client::handshake(socket).await.expect("speaks HTTP/2");
    tokio::spawn(async move {
        // The connection ends with the test.
        let _ = driver.await;
    });
    let mut sender = sender.ready().await.expect("is open");
    let (answer, mut body) = sender.send_request(request, false).expect("sends");
    body.send_data(Bytes::from_static(b"x"), true).expect("sends");
    answer.await.expect("an answer")
}

/// RFC 9113 §8.3.1: `:authority` counts, and a `Host` beside it has to be the same.
async fn over_http2_the_host_is_the_authority() {
    let server = Server::start().await;
    let publish = async |authority: &str, fields: &[(&str, &str)]| {
        let mut request =
            Request::builder().method(Method::POST).uri(format!("http://{authority}/publish/a"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        over_http2(&server, request.body(()).expect("a request")).await.status().as_u16()
    };
    assert_eq!(publish("t", &[("origin", "http://t")]).await, 200);
    assert_eq!(publish("t", &[("origin", "http://evil")]).await, 403);
    assert_eq!(publish("t", &[("host", "T"), ("origin", "http://t")]).await, 200);
    assert_eq!(publish("t", &[("host", "evil")]).await, 400);
    assert_eq!(publish("t", &[("host", "t"), ("host", "t")]).await, 400);
    assert_eq!(publish("t", &[("host", "a b")]).await, 400);
    assert_eq!(publish("user@t", &[]).await, 400);
    assert_eq!(publish("t", &[("origin", "http://t"), ("origin", "http://evil")]).await, 400);
}

tricast_tests::each_delivery!(
    the_host_in_the_target_takes_precedence_over_the_field,
    a_host_that_is_not_valid_is_refused,
    a_field_of_a_security_check_counts_only_once,
    over_http2_the_host_is_the_authority
);
