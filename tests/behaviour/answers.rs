//! Answers that are built whole, such as pages of history: their size, and the memory limit for all
//! of them together.

use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tricast_tests::{Connection, Reader, Server, Wire, eventually};

const HISTORY: &str = "GET /history/a HTTP/1.1\r\nHost: t";

/// With little room of its own, so that what is not read stays with the gateway.
async fn connect(server: &Server) -> Connection {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a socket");
    let address = server.gateway.address().expect("one");
    Connection::over(socket.connect(address).await.expect("connects"))
}

/// `count` messages in `a`, each of which takes `bytes` bytes, and six times as many in JSON.
async fn fill(server: &Server, count: usize, bytes: usize) {
    for _ in 0..count {
        server.publish("a", &"\u{1}".repeat(bytes)).await;
    }
}

async fn unread_answers_have_a_memory_limit() {
    let server = Server::with("[limits]\nanswer_memory = \"2MiB\"").await;
    fill(&server, 2, 220_000).await;
    let mut unread = connect(&server).await;
    unread.send(format!("{HISTORY}\r\n\r\n")).await;
    let head = unread.head().await;
    assert_eq!(head.status, 200);
    let length = head.content_length().expect("one");
    assert!(server.metric("tricast_answer_bytes").await >= length as f64);
    assert_eq!(server.metric("tricast_answer_limit_bytes").await, f64::from(2 << 20));
    // Until the answer is read, there is no room for another one on any wire.
    let refused = server.request(HISTORY, b"").await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "overloaded"));
    assert!(refused.fields.contains_key("retry-after"));
    assert!(refused.text().contains("limits.answer_memory"), "{refused:?}");
    let mut reader = Reader::open(&server, Wire::Ws, "b").await;
    reader.control("hello").await;
    let history = json!({"type": "history", "channel": "a", "ref": 7}).to_string();
    reader.send(&history).await;
    let error = reader.control("error").await;
    assert_eq!((&error["type"], &error["ref"]), (&json!("urn:tricast:overloaded"), &json!(7)));
    reader.send(&json!({"type": "ping", "ref": 8}).to_string()).await;
    assert_eq!(reader.control("ack").await["ref"], 8, "it lives");
    // Small answers still have room.
    for path in ["/channels", "/history/none", "/online/a"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(unread.take(length).await.len(), length);
    eventually("it is given back", async || {
        (server.metric("tricast_answer_bytes").await == 0.0).then_some(())
    })
    .await;
    reader.send(&history).await;
    assert_eq!(
        reader.control("ack").await["history"]["messages"].as_array().map(Vec::len),
        Some(1)
    );
    assert_eq!(server.request(HISTORY, b"").await.status, 200);
}

async fn one_address_cannot_use_the_whole_memory_for_answers() {
    let server =
        Server::with("[limits]\nanswer_memory = \"16MiB\"\n[proxy]\ntrusted = [\"127.0.0.0/8\"]")
            .await;
    fill(&server, 2, 220_000).await;
    let from = |address: &str| format!("{HISTORY}\r\nX-Forwarded-For: {address}");
    let mut unread = connect(&server).await;
    unread.send(format!("{}\r\n\r\n", from("2001:db8::1"))).await;
    assert_eq!(unread.head().await.status, 200);
    // Another client of the same network, on any wire.
    let refused = server.request(&from("2001:db8::2"), b"").await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "overloaded"));
    let here = [("X-Forwarded-For", "2001:db8::3")];
    let mut reader = Reader::open_with(&server, Wire::Ws, "a", &here).await;
    reader.control("hello").await;
    reader.send(&json!({"type": "history"}).to_string()).await;
    assert_eq!(reader.control("error").await["type"], "urn:tricast:overloaded");
    assert_eq!(server.request(&from("192.0.2.1"), b"").await.status, 200);
    assert_eq!(server.request(HISTORY, b"").await.status, 200);
}

/// The encoded size counts, not the published one: one byte may take six.
async fn a_page_has_about_the_same_size_for_any_content() {
    const MESSAGES: usize = 7;
    let server = Server::start().await;
    // Two fit in a page.
    fill(&server, MESSAGES, 80_000).await;
    let mut reader = Reader::open(&server, Wire::Ws, "b").await;
    reader.control("hello").await;
    let (mut ids, mut after) = (Vec::new(), None::<String>);
    loop {
        let since = after.as_ref().map(|id| format!("?last_event_id={id}")).unwrap_or_default();
        let answer = server.get(&format!("/history/a{since}")).await;
        assert!(answer.body.len() < (1 << 20) + 1024, "{}", answer.body.len());
        let page = answer.json();
        let mut command = json!({"type": "history", "channel": "a"});
        after.iter().for_each(|id| command["last_event_id"] = json!(id));
        reader.send(&command.to_string()).await;
        assert_eq!(reader.control("ack").await["history"], page, "the same on a WebSocket");
        let messages = page["messages"].as_array().expect("a list");
        assert!((1..=2).contains(&messages.len()), "{}", messages.len());
        ids.extend(messages.iter().map(|message| message["id"].clone()));
        after = page["id"].as_str().map(str::to_owned);
        if page["more"] == false {
            break;
        }
        assert_eq!(page["id"], messages[messages.len() - 1]["id"], "goes on after the last");
    }
    let numbers = |id: &Value| id.as_str().and_then(|id| id.rsplit('-').next()?.parse().ok());
    let seqs: Vec<u64> = ids.iter().filter_map(numbers).collect();
    assert_eq!(seqs.len(), MESSAGES);
    assert!(seqs.windows(2).all(|two| two[1] == two[0] + 1), "each once, in order: {seqs:?}");
}

tricast_tests::each_delivery!(
    unread_answers_have_a_memory_limit,
    one_address_cannot_use_the_whole_memory_for_answers,
    a_page_has_about_the_same_size_for_any_content
);
