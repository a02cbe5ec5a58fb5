//! Reading a log on disk that is larger than the rings, on every wire.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
};

use tempfile::TempDir;
use tricast_tests::{Reader, Server, Wire, each_wire, stalled_reader};

const MESSAGES: usize = 600;

/// A gateway whose rings hold two messages of each channel.
async fn start(folder: &TempDir, more: &str) -> Server {
    let path = folder.path().display();
    let log = format!("[history]\nmessages = 2\n[log]\npath = \"{path}\"\nread_memory = \"4MiB\"");
    Server::with(&format!("{log}\n[shutdown]\ngrace = \"1s\"\n{more}")).await
}

/// The data of a message, a kilobyte or so.
fn text(n: usize) -> String {
    format!("{n}:{}", "x".repeat(1000))
}

/// Publishes as JSON lines, from one number on up to before another.
async fn publish(server: &Server, channel: &str, from: usize, to: usize) {
    let lines: String = (from..to).map(|n| format!("\"{}\"\n", text(n))).collect();
    let target = format!("/publish/{channel}");
    let answer = server.post(&target, "application/x-ndjson", lines.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn assert_reads(reader: &mut Reader, from: usize, to: usize) {
    for n in from..to {
        assert_eq!(reader.data().await, text(n));
    }
}

async fn a_stream_begins_anywhere_in_the_log(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = start(&folder, "").await;
    let before = Reader::open(&server, wire, "a,b").await.control("hello").await;
    publish(&server, "a", 0, MESSAGES / 2).await;
    publish(&server, "b", MESSAGES / 2, MESSAGES).await;
    let mut earliest = Reader::open(&server, wire, "a,b?since=earliest").await;
    earliest.control("hello").await;
    assert_reads(&mut earliest, 0, 400).await;
    let middle = earliest.last_id.clone();
    assert_reads(&mut earliest, 400, MESSAGES).await;
    let mut newest = Reader::open(&server, wire, "a?since=150").await;
    newest.control("hello").await;
    assert_reads(&mut newest, MESSAGES / 2 - 150, MESSAGES / 2).await;
    for (id, from) in [(before["id"].as_str(), 0), (middle.as_deref(), 400)] {
        let mut resumed = Reader::open_after(&server, wire, "a,b", id).await;
        assert_eq!(resumed.control("hello").await["recovered"], true);
        assert_reads(&mut resumed, from, MESSAGES).await;
    }
    server.publish("b", "live").await;
    assert_eq!(earliest.data().await, "live");
}

async fn catching_up_and_live_messages_have_one_order(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = start(&folder, "").await;
    publish(&server, "a", 0, MESSAGES).await;
    let mut reader = Reader::open(&server, wire, "a?since=earliest").await;
    reader.control("hello").await;
    let publishing = publish(&server, "a", MESSAGES, 2 * MESSAGES);
    let ((), ()) = tokio::join!(publishing, assert_reads(&mut reader, 0, 2 * MESSAGES));
}

async fn readers_that_take_nothing_keep_no_other_from_catching_up(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = start(&folder, "").await;
    publish(&server, "a", 0, MESSAGES).await;
    let mut stalled = Vec::new();
    for _ in 0..20 {
        stalled.push(stalled_reader(&server, wire, "a?since=earliest").await);
    }
    let mut reader = Reader::open(&server, wire, "a?since=earliest").await;
    reader.control("hello").await;
    assert_reads(&mut reader, 0, MESSAGES).await;
}

/// Damages a message on the disk, while the gateway has the log open.
fn damage(folder: &TempDir, n: usize) {
    let needle = text(n);
    let entries = fs::read_dir(folder.path()).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "log")) {
        let bytes = fs::read(&path).expect("a segment");
        let found = bytes.windows(needle.len()).position(|at| at == needle.as_bytes());
        if let Some(at) = found.map(|at| at + 500) {
            let file = OpenOptions::new().write(true).open(&path).expect("opens");
            file.write_all_at(&[bytes[at] ^ 1], at as u64).expect("writes");
            return;
        }
    }
    panic!("message {n} is not on the disk");
}

async fn a_damaged_message_is_a_gap_and_all_others_arrive(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = start(&folder, "").await;
    publish(&server, "a", 0, MESSAGES).await;
    damage(&folder, 300);
    let mut reader = Reader::open(&server, wire, "a?since=earliest").await;
    reader.control("hello").await;
    assert_reads(&mut reader, 0, 300).await;
    let gap = reader.control("gap").await;
    assert_eq!((&gap["channel"], &gap["certain"]), (&"a".into(), &false.into()), "{gap}");
    assert_eq!(gap["first"], gap["last"], "one message: {gap}");
    assert_reads(&mut reader, 301, MESSAGES).await;
    let page = server.get("/history/a?since=earliest").await.json();
    assert_eq!(page["messages"].as_array().map(Vec::len), Some(300), "up to the gap");
    assert_eq!(server.metric("tricast_log_damaged_records_total").await, 1.0);
}

each_wire!(
    a_stream_begins_anywhere_in_the_log,
    catching_up_and_live_messages_have_one_order,
    readers_that_take_nothing_keep_no_other_from_catching_up,
    a_damaged_message_is_a_gap_and_all_others_arrive,
);
