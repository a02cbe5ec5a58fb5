//! Backends with an API key: their ids, the users that they name, and users that others claim.

use super::*;

/// Otherwise anybody could use the ids of a backend before the backend does.
async fn an_idempotency_id_of_a_backend_is_its_own() {
    let server = server().await;
    let publish = async |fields: &str| {
        let head = format!(
            "POST /publish/open.x?id=once HTTP/1.1\r\nHost: t\r\nContent-Length: 1{fields}"
        );
        server.request(&head, b"x").await.json()
    };
    assert_eq!(publish("").await.get("duplicate"), None);
    let key = format!("\r\nAuthorization: Bearer {KEY}");
    assert_eq!(publish(&key).await.get("duplicate"), None);
    assert_eq!(publish(&key).await["duplicate"], true);
}

/// A key without a list of channels to subscribe to does not open users' own channels; a key that
/// names one does.
async fn a_backend_subscribes_as_a_user_only_if_its_list_names_the_channel() {
    let server = server().await;
    let ask = async |key: &str, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {key}");
        outcome(&server, &head, "").await
    };
    assert_eq!(ask(KEY, "/history/@alice?user=alice").await, "+");
    assert_eq!(ask(NARROW, "/history/@alice?user=alice").await, "forbidden");
    assert_eq!(ask(NARROW, "/sse/@alice?user=alice").await, "forbidden");
    // Nor does it come along unasked.
    for (key, first) in [(NARROW, "open.x"), (KEY, "@alice")] {
        let bearer = format!("Bearer {key}");
        let fields = [("Authorization", bearer.as_str())];
        let mut reader =
            Reader::open_with(&server, Wire::Chunked, "open.x?user=alice", &fields).await;
        reader.control("hello").await;
        for channel in ["@alice", "open.x"] {
            let head = format!(
                "POST /publish/{channel} HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\
                 Authorization: Bearer {KEY}"
            );
            assert_eq!(outcome(&server, &head, "x").await, "+");
        }
        assert_eq!(reader.document().await["channel"], first);
    }
}

/// With API keys the gateway no longer trusts a user that a client only claims to be.
async fn with_api_keys_alone_no_client_can_claim_a_user() {
    let hash = KeyHash::of(KEY);
    let server = Server::with(&format!(
        "[[key]]\nname = \"k\"\nhash = \"{hash}\"\npublish = [\"**\", \"@*\"]"
    ))
    .await;
    for path in ["/history/@alice?user=alice", "/sse/@alice?user=alice", "/sse/news?user=alice"] {
        assert_eq!(server.get(path).await.problem(), "bad-parameter", "{path}");
    }
    assert_eq!(server.get("/history/@alice").await.problem(), "forbidden");
    // Where users are only claimed, the namespace of their channels still holds.
    let closed = Server::with("[[namespace]]\npattern = \"@*\"\nsubscribe = \"nobody\"").await;
    assert_eq!(closed.get("/history/@alice?user=alice").await.problem(), "forbidden");
    let mut reader = Reader::open(&closed, Wire::Sse, "news?user=alice").await;
    reader.control("hello").await;
    closed.publish("@alice", "secret").await;
    closed.publish("news", "x").await;
    assert_eq!(reader.document().await["channel"], "news");
}

tricast_tests::each_delivery!(
    an_idempotency_id_of_a_backend_is_its_own,
    a_backend_subscribes_as_a_user_only_if_its_list_names_the_channel,
    with_api_keys_alone_no_client_can_claim_a_user
);
