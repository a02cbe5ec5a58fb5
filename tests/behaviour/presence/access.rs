//! Who may read presence, and where it is off. Nobody may publish it.

use super::*;

async fn no_client_can_publish_presence_changes(wire: Wire) {
    let server = guarded().await;
    let all = token("alice", &["**"], &["**"]);
    let refused = match wire {
        Wire::Ws => {
            let mut reader = open(&server, wire, &format!("~room?token={all}")).await;
            reader.send(r#"{"data":{"joined":[],"left":["bob"],"users":0,"anonymous":0}}"#).await;
            let error = loop {
                let document = reader.document().await;
                if document["event"] != "tricast.presence" {
                    break document;
                }
            };
            assert_eq!(error["type"], "urn:tricast:forbidden", "{error}");
            let mut raw =
                Reader::open(&server, wire, &format!("~room?format=raw&token={all}")).await;
            raw.send("{}").await;
            assert_eq!(raw.end().await, Event::End(Some((4201, "forbidden".to_owned()))));
            server.post(&format!("/publish/~room?token={all}"), "application/json", b"{}").await
        }
        wire => server.post(&format!("/{}/~room?token={all}", wire.name()), "", b"{}").await,
    };
    assert_eq!((refused.status, refused.problem().as_str()), (403, "forbidden"));
}

async fn where_presence_is_off_it_is_refused(wire: Wire) {
    let server = Server::with("[[namespace]]\npattern = \"open.*\"\npresence = true").await;
    for target in [
        "room?presence=true",
        "~room",
        "open.a,room?presence=true",
        "@alice?presence=true&user=alice",
    ] {
        let answer = server.request(&stream_head(wire, target), b"").await;
        assert_eq!((answer.status, answer.problem().as_str()), (403, "presence-off"), "{target}");
    }
    open(&server, wire, "open.a?presence=true").await;
    let both = open(&server, wire, "open.a,~open.a?presence=true").await;
    drop(both);
    let many: Vec<String> = (0..51).map(|n| format!("open.{n}")).collect();
    let answer =
        server.request(&stream_head(wire, &format!("{}?presence=true", many.join(","))), b"").await;
    assert_eq!(answer.problem(), "bad-channel", "each counts twice");
}

async fn presence_has_the_access_rules_of_its_channel(wire: Wire) {
    let server = guarded().await;
    let mine = token("alice", &["room"], &[]);
    for (target, status) in [
        ("~room".to_owned(), 401),
        ("room?presence=true".to_owned(), 401),
        (format!("~other?token={mine}"), 403),
        (format!("room,~other?token={mine}"), 403),
    ] {
        let answer = server.request(&stream_head(wire, &target), b"").await;
        assert_eq!(answer.status, status, "{target}");
    }
    assert_eq!(server.get("/presence/room").await.status, 401);
    assert_eq!(server.get(&format!("/presence/other?token={mine}")).await.problem(), "forbidden");
    assert_eq!(server.get(&format!("/presence/room?token={mine}")).await.status, 200);
    open(&server, wire, &format!("~room?token={mine}")).await;
}

async fn a_new_token_that_does_not_name_the_channel_leaves_its_presence_too() {
    let server = guarded().await;
    let both = token("alice", &["room", "other"], &[]);
    let mut me = open(&server, Wire::Ws, &format!("other,~room?token={both}")).await;
    let next = token("alice", &["other"], &[]);
    me.send(&json!({"type": "renew", "token": next}).to_string()).await;
    assert_eq!(me.control("ack").await["left"], json!(["~room"]));
}

tricast_tests::each_wire!(
    no_client_can_publish_presence_changes,
    where_presence_is_off_it_is_refused,
    presence_has_the_access_rules_of_its_channel
);

tricast_tests::each_delivery!(a_new_token_that_does_not_name_the_channel_leaves_its_presence_too);
