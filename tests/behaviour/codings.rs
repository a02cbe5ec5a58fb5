//! Codings of request bodies: one that the gateway does not decode is refused, never published.

use tricast_tests::{Connection, Server, Way};

/// A body that no reader could use as it is.
const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0";

const POSTS: [&str; 4] = ["/publish/a", "/sse/a", "/chunked/a", "/dashboard/cut?client=x"];

async fn a_content_coding_that_is_not_decoded_is_refused() {
    let server = Server::start().await;
    let length = format!("Content-Length: {}", GZIP.len());
    for target in POSTS {
        for kind in ["application/json", "application/x-ndjson", "text/plain"] {
            for coding in ["gzip", "br, gzip", "identity, gzip", "GZIP", "x"] {
                let head = format!(
                    "POST {target} HTTP/1.1\r\nHost: t\r\n{length}\r\nContent-Type: {kind}\
                     \r\nContent-Encoding: {coding}"
                );
                let refused = server.request(&head, GZIP).await;
                let found = (refused.status, refused.problem());
                assert_eq!(found, (415, "content-coding-unsupported".to_owned()), "{head}");
                assert_eq!(refused.fields["accept-encoding"], "identity", "{head}");
            }
        }
    }
    assert_eq!(server.get("/history/a").await.json()["messages"].as_array().map(Vec::len), Some(0));
    for coding in ["identity", "Identity", "", "identity, identity"] {
        let head = format!(
            "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\nContent-Encoding: {coding}"
        );
        assert_eq!(server.request(&head, b"x").await.status, 200, "{coding}");
    }
    // Without a body there is nothing that is coded.
    let head = "GET /history/a HTTP/1.1\r\nHost: t\r\nContent-Encoding: gzip";
    assert_eq!(server.request(head, b"").await.status, 200);
}

/// A client that still sends has to see the answer, not a reset.
async fn a_large_coded_body_is_answered_while_it_still_comes() {
    let server = Server::start().await;
    let mut connection = server.connect().await;
    let head = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 6000000\
                \r\nContent-Encoding: gzip\r\n\r\n";
    connection.send(head).await;
    connection.send(&vec![b'x'; 6_000_000]).await;
    assert_eq!(connection.head().await.status, 415);
}

async fn a_transfer_coding_other_than_chunked_is_refused() {
    let server = Server::start().await;
    let chunks = b"5\r\nhello\r\n0\r\n\r\n";
    for target in POSTS {
        for coding in ["gzip, chunked", "identity, chunked", "gzip\r\nTransfer-Encoding: chunked"] {
            let head = format!("POST {target} HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: {coding}");
            let refused = server.request(&head, chunks).await;
            let found = (refused.status, refused.problem());
            assert_eq!(found, (501, "transfer-coding-unsupported".to_owned()), "{head}");
        }
    }
    assert_eq!(server.get("/history/a").await.json()["messages"].as_array().map(Vec::len), Some(0));
    let head = "POST /publish/a HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: Chunked";
    assert_eq!(server.request(head, chunks).await.status, 200);
}

async fn the_admin_listener_refuses_them_as_well() {
    let server = Server::start().await;
    for (fields, body, status) in [
        ("Content-Encoding: gzip\r\nContent-Length: 8", GZIP, 415),
        ("Transfer-Encoding: gzip, chunked", b"0\r\n\r\n", 501),
    ] {
        let connection = Connection::open(server.gateway.admin_address).await;
        let head = format!("DELETE /connections?user=a HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}");
        assert_eq!(connection.request(&head, body).await.status, status, "{fields}");
    }
}

tricast_tests::each_delivery_and_transport!(a_content_coding_that_is_not_decoded_is_refused);
tricast_tests::each_delivery!(
    a_large_coded_body_is_answered_while_it_still_comes,
    a_transfer_coding_other_than_chunked_is_refused,
    the_admin_listener_refuses_them_as_well
);

mod over_tls {
    use super::Way;

    #[test]
    fn a_transfer_coding_other_than_chunked_is_refused() {
        let test = super::a_transfer_coding_other_than_chunked_is_refused();
        tricast_tests::run(Way::Tls, test);
    }
}
