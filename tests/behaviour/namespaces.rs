//! The rules of a namespace hold for its channels and for no others: history, online counts, slow
//! consumers.

use serde_json::json;
use tricast_tests::{Event, Reader, Server, Wire, stream_head};

const SETTINGS: &str = "
    [[namespace]]
    pattern = \"short.*\"
    history = { messages = 2 }
    [[namespace]]
    pattern = \"hidden.*\"
    online = false
    [[namespace]]
    pattern = \"strict.*\"
    slow_reader = \"disconnect\"
    history = { messages = 2 }
";

async fn each_channel_has_the_history_of_its_namespace(wire: Wire) {
    let server = Server::with(SETTINGS).await;
    for n in 1..=5 {
        for channel in ["short.a", "long.a"] {
            server.publish(channel, &n.to_string()).await;
        }
    }
    // One connection, two namespaces: there is a gap for the lost messages of one, and none for the
    // other.
    let mut reader = Reader::open(&server, wire, "short.a,long.a?since=earliest").await;
    reader.control("hello").await;
    let mut seen = Vec::new();
    for _ in 0..7 {
        let document = reader.document().await;
        seen.push(format!(
            "{} {}",
            document["channel"].as_str().expect("a channel"),
            document["data"].as_str().expect("text")
        ));
    }
    assert_eq!(
        seen,
        ["long.a 1", "long.a 2", "long.a 3", "short.a 4", "long.a 4", "short.a 5", "long.a 5"]
    );
}

async fn online_counts_can_be_hidden(wire: Wire) {
    let server = Server::with(SETTINGS).await;
    let mut reader = Reader::open(&server, wire, "hidden.a,b?online=true").await;
    let hello = reader.control("hello").await;
    assert_eq!(hello["online"], json!({"b": 1}), "{hello}");
    let online = reader.control("online").await;
    assert_eq!(online["channel"], "b");
    let _other = Reader::open(&server, wire, "hidden.a").await;
    server.publish("hidden.a", "x").await;
    let document = reader.document().await;
    assert_eq!((&document["data"], document.get("online")), (&json!("x"), None), "{document}");
    server.publish("b", "y").await;
    assert_eq!(reader.document().await["online"], 1);
    let answer = server.post("/publish/hidden.a", "", b"z").await.json();
    assert_eq!((answer.get("subscribers"), answer["id"].is_string()), (None, true), "{answer}");
    assert_eq!(reader.document().await["data"], "z");
    let answer = server.get("/online/hidden.a").await;
    assert_eq!((answer.status, answer.problem().as_str()), (403, "online-hidden"));
    let list = server.get("/channels?prefix=hidden").await.json();
    assert_eq!(list["channels"][0].get("users"), None, "{list}");
    let held = server.get("/history/hidden.a").await.json();
    assert_eq!(held["messages"][0].get("online"), None, "{held}");
    if wire == Wire::Ws {
        reader.send(r#"{"type":"online","channel":"hidden.a"}"#).await;
        assert_eq!(reader.control("error").await["type"], "urn:tricast:online-hidden");
        reader.send(r#"{"type":"subscribe","channel":"hidden.c"}"#).await;
        assert_eq!(reader.control("ack").await["online"], json!({}));
    }
}

/// A slow consumer of a strict channel is disconnected; one of any other channel gets a gap.
async fn a_slow_consumer_is_treated_as_its_namespace_says(wire: Wire) {
    let server = Server::in_memory(SETTINGS).await;
    for (channel, cut) in [("strict.a", true), ("short.a", false)] {
        let mut reader = Reader::open(&server, wire, channel).await;
        reader.control("hello").await;
        // More than the sockets and the history hold: the reader lags before it begins to read.
        let large = "x".repeat(500_000);
        for _ in 0..40 {
            server.publish(channel, &large).await;
        }
        let told = loop {
            let document = reader.document().await;
            match document["event"].as_str().expect("an event") {
                "message" => {}
                event => break (event.to_owned(), document["reason"].clone()),
            }
        };
        match cut {
            true => {
                assert_eq!(told, ("tricast.goodbye".to_owned(), json!("gap")));
                assert!(matches!(reader.end().await, Event::End(_)));
            }
            false => assert_eq!(told.0, "tricast.gap"),
        }
    }
}

/// `**` and the order of the list: the first that matches has the say.
async fn the_first_namespace_that_matches_applies() {
    let server = Server::with(
        "[[namespace]]\npattern = \"a.open\"\n[[namespace]]\npattern = \"a.**\"\n\
         subscribe = \"nobody\"",
    )
    .await;
    let status = async |channel: &str| {
        let mut connection = server.connect().await;
        connection.send(format!("{}\r\n\r\n", stream_head(Wire::Chunked, channel))).await;
        connection.head().await.status
    };
    for (channel, expected) in
        [("a.open", 200), ("a.b", 403), ("a.open.b", 403), ("a", 200), ("A.b", 200)]
    {
        assert_eq!(status(channel).await, expected, "{channel}");
    }
    assert_eq!(status("a.open,a.b").await, 403, "one that is refused is enough");
}

tricast_tests::each_wire!(
    each_channel_has_the_history_of_its_namespace,
    online_counts_can_be_hidden,
    a_slow_consumer_is_treated_as_its_namespace_says
);

tricast_tests::each_delivery!(the_first_namespace_that_matches_applies);
