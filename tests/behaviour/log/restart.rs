//! A restart in the same directory is no event for clients.

use serde_json::Value;
use tempfile::TempDir;
use tricast_tests::{Reader, Server, Wire, each_wire};

/// Rings of two messages: the rest is read from the disk.
async fn start(folder: &TempDir, more: &str) -> Server {
    let path = folder.path().display();
    Server::with(&format!(
        "[history]\nmessages = 2\n[log]\npath = \"{path}\"\n[shutdown]\ngrace = \"1s\"\n{more}"
    ))
    .await
}

async fn publish_all(server: &Server, channel: &str, texts: std::ops::RangeInclusive<u32>) {
    for text in texts {
        server.publish(channel, &text.to_string()).await;
    }
}

async fn assert_no_gap(reader: &mut Reader, texts: std::ops::RangeInclusive<u32>) {
    for text in texts {
        assert_eq!(reader.data().await, text.to_string());
    }
}

async fn a_reader_resumes_after_a_restart_as_if_nothing_had_happened(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = start(&folder, "").await;
    let mut reader = Reader::open(&server, wire, "a,b").await;
    let first = reader.control("hello").await;
    publish_all(&server, "a", 1..=3).await;
    assert_no_gap(&mut reader, 1..=3).await;
    let last = reader.last_id.clone();
    drop(reader);
    publish_all(&server, "b", 4..=9).await;
    server.gateway.shutdown().await;

    let server = start(&folder, "").await;
    let mut reader = Reader::open_after(&server, wire, "a,b", last.as_deref()).await;
    let hello = reader.control("hello").await;
    assert_eq!(hello["recovered"], true, "{hello}");
    publish_all(&server, "a", 10..=12).await;
    assert_no_gap(&mut reader, 4..=12).await;
    let mut reader = Reader::open_after(&server, wire, "a,b", first["id"].as_str()).await;
    assert_eq!(reader.control("hello").await["recovered"], true);
    assert_no_gap(&mut reader, 1..=12).await;
}

async fn history_and_receipts_are_there_after_a_restart(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = start(&folder, "").await;
    publish_all(&server, "a", 1..=5).await;
    let id = server.publish("a?id=order-17", "6").await;
    let before = server.get("/history/a?since=earliest").await.json();
    assert_eq!(before["messages"].as_array().map(Vec::len), Some(6), "{before}");
    server.gateway.shutdown().await;
    let server = start(&folder, "").await;
    assert_eq!(server.get("/history/a?since=earliest").await.json(), before);
    let again = server.post("/publish/a?id=order-17", "", b"6").await.json();
    assert_eq!((again["id"].as_str(), &again["duplicate"]), (Some(&*id), &Value::Bool(true)));
    let mut reader = Reader::open(&server, wire, "a?since=earliest").await;
    reader.control("hello").await;
    assert_no_gap(&mut reader, 1..=6).await;
}

async fn what_a_namespace_keeps_off_the_disk_is_gone_and_told(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let rules = "[[namespace]]\npattern = \"typing.*\"\nlog = false";
    let server = start(&folder, rules).await;
    let mut reader = Reader::open(&server, wire, "typing.a,b").await;
    let first = reader.control("hello").await;
    server.publish("typing.a", "1").await;
    server.publish("b", "2").await;
    server.gateway.shutdown().await;
    let server = start(&folder, rules).await;
    let mut reader = Reader::open_after(&server, wire, "typing.a,b", first["id"].as_str()).await;
    reader.control("hello").await;
    let gap = reader.control("gap").await;
    assert_eq!(gap["channel"], "typing.a", "{gap}");
    assert_eq!(reader.data().await, "2");
}

/// Whatever the settings of one life keep off the disk, no later life has.
async fn a_namespace_that_is_logged_for_some_lives_alone_is_told_a_gap(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let unlogged = "[[namespace]]\npattern = \"typing.*\"\nlog = false";
    let mut ids: Vec<String> = Vec::new();
    for (life, rules) in ["", unlogged, "", ""].into_iter().enumerate() {
        let server = start(&folder, rules).await;
        for (earlier, id) in ids.iter().enumerate() {
            let target = "typing.a,b";
            let mut reader = Reader::open_after(&server, wire, target, Some(id)).await;
            let hello = reader.control("hello").await;
            let is_whole = life == 3 && earlier == 2;
            assert_eq!(hello["recovered"], is_whole, "{life} after {earlier}: {hello}");
            if !is_whole {
                let gap = reader.control("gap").await;
                assert_eq!((&gap["channel"], &gap["certain"]), (&"typing.a".into(), &false.into()));
            }
            // A life publishes its number to both, first to `typing.a`.
            let mut wanted = Vec::new();
            for of in earlier..life {
                if of == 2 {
                    wanted.push(of.to_string());
                }
                wanted.push(of.to_string());
            }
            assert_eq!(reader.all_data(wanted.len()).await, wanted, "{life} after {earlier}");
        }
        let hello = Reader::open(&server, wire, "b").await.control("hello").await;
        ids.push(hello["id"].as_str().expect("an id").to_owned());
        for channel in ["typing.a", "b"] {
            server.publish(channel, &life.to_string()).await;
        }
        server.gateway.shutdown().await;
    }
}

each_wire!(
    a_namespace_that_is_logged_for_some_lives_alone_is_told_a_gap,
    a_reader_resumes_after_a_restart_as_if_nothing_had_happened,
    history_and_receipts_are_there_after_a_restart,
    what_a_namespace_keeps_off_the_disk_is_gone_and_told,
);
