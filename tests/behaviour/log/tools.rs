//! `tricast log`: looking at a log and copying it, beside the gateway that writes it.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::Path,
    process::Output,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tricast_tests::{Reader, Server, Wire, each_delivery, eventually, program};

/// A gateway whose rings hold few messages, and whose segments are small.
async fn start(folder: &Path, more: &str) -> Server {
    let path = folder.display();
    let log = format!("[history]\nmessages = 2\n[log]\npath = \"{path}\"\nbytes = \"128MiB\"");
    Server::with(&format!("{log}\n[shutdown]\ngrace = \"1s\"\n{more}")).await
}

/// Runs `tricast log`; returns its exit code and what it says.
async fn run(arguments: &[&str], folder: &Path) -> (i32, String) {
    let mut command = program::tricast();
    command.env("TRICAST__LOG__PATH", folder).arg("log").args(arguments);
    let Output { status, stdout, stderr } = command.output().await.expect("runs");
    let said = String::from_utf8([stdout, stderr].concat()).expect("UTF-8");
    (status.code().expect("ends by itself"), said)
}

fn lines(said: &str) -> Vec<Value> {
    said.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

async fn a_log_that_is_written_can_be_looked_at() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path();
    assert_eq!(run(&["check"], path).await.0, 2, "there is no log");
    let server = start(path, "").await;
    let mut ids = Vec::new();
    for n in 0..9 {
        ids.push(server.publish(if n % 3 == 0 { "b" } else { "a" }, &n.to_string()).await);
    }
    let (code, said) = run(&["check"], path).await;
    let process = format!("open in process {}", std::process::id());
    assert!(code == 0 && said.contains("9 messages") && said.contains(&process), "{said}");
    let (code, said) = run(&["stats"], path).await;
    assert!(code == 0 && said.contains(&ids[8]) && said.contains(&process), "{said}");
    let history = server.get("/history/a?since=earliest").await.json();
    let (code, said) = run(&["cat", "--channel", "a"], path).await;
    assert_eq!((code, &Value::from(lines(&said))), (0, &history["messages"]));
    for (since, from) in [("2", 4), (&*ids[4], 3), ("latest", 6)] {
        let (code, said) = run(&["cat", "--channel", "a", "--since", since], path).await;
        let expected = &history["messages"].as_array().expect("a list")[from..];
        assert_eq!((code, &lines(&said)[..]), (0, expected), "{since}");
    }
    for wrong in [&["cat", "--channel", "a", "--since", "x-1"][..], &["cat"], &["look"]] {
        assert_eq!(run(wrong, path).await.0, 2, "{wrong:?}");
    }
    // Nobody reads on: that is no error.
    let script = "\"$0\" log cat --channel a; test $? = 0 || echo failed >&2";
    let mut command = program::in_shell(&format!("({script}) | :"), &program::tricast());
    let output = command.env("TRICAST__LOG__PATH", path).output().await.expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

async fn a_check_says_what_is_damaged() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path();
    let server = start(path, "").await;
    for n in 0..5 {
        server.publish("a", &format!("message {n}")).await;
    }
    server.gateway.shutdown().await;
    let segment = path.join("00000000000000000001.log");
    let bytes = fs::read(&segment).expect("reads");
    let at = bytes.windows(9).position(|part| part == b"message 2").expect("is there");
    let file = OpenOptions::new().write(true).open(&segment).expect("opens");
    file.write_all_at(b"M", at as u64).expect("writes");
    let (code, said) = run(&["check"], path).await;
    assert_eq!(code, 1, "{said}");
    for part in ["00000000000000000001.log, after record 2,", ": seq 3\n", "4 messages"] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    assert!(!said.contains(".idx"), "the index is as it was: {said}");
    let (code, said) = run(&["cat", "--channel", "a"], path).await;
    let printed = lines(said.as_str());
    let gap = &printed[2];
    assert_eq!((code, printed.len(), &gap["event"]), (1, 5, &Value::from("tricast.gap")));
    assert_eq!((&gap["first"], &gap["last"]), (&Value::from(3), &Value::from(3)));
    fs::write(path.join("meta"), "tricast-log 1\n").expect("writes");
    let (code, said) = run(&["check"], path).await;
    assert!(code == 1 && said.contains("`meta`"), "{said}");
}

/// The data of a message: a segment holds some dozens.
fn text(n: usize) -> String {
    format!("{n}:{}", "x".repeat(60_000))
}

/// Whether a segment is sealed already.
fn has_index(folder: &Path) -> bool {
    let mut files = fs::read_dir(folder).expect("a folder");
    files.any(|file| file.expect("a file").path().extension().is_some_and(|ending| ending == "idx"))
}

/// Publishes until it is told to stop; returns the ids.
async fn publish_until(server: &Server, mut stop: oneshot::Receiver<()>) -> Vec<String> {
    let mut ids = Vec::new();
    while stop.try_recv().is_err() {
        ids.push(server.publish("a", &text(ids.len())).await);
    }
    ids
}

async fn a_backup_beside_a_busy_gateway_has_all_that_was_acknowledged() {
    let folder = TempDir::new().expect("a folder");
    let place = TempDir::new().expect("a folder");
    let to = place.path().join("backup");
    let server = start(folder.path(), "").await;
    let (stop, stopped) = oneshot::channel();
    let back_up = async {
        let is_sealed = || async { has_index(folder.path()).then_some(()) };
        eventually("a sealed segment", is_sealed).await;
        let before = server.get("/history/a?since=1").await.json()["id"].clone();
        let (code, said) = run(&["backup", &to.to_string_lossy()], folder.path()).await;
        stop.send(()).expect("publishes still");
        (before, code, said)
    };
    let (ids, (before, code, said)) = tokio::join!(publish_until(&server, stopped), back_up);
    assert!(code == 0 && !said.contains(" 0 shared"), "{said}");
    assert_eq!(run(&["backup", &to.to_string_lossy()], folder.path()).await.0, 2, "not empty");
    server.gateway.shutdown().await;
    let last = ids.iter().rposition(|id| said.contains(&format!("{id};"))).expect(&said);
    let acknowledged = ids.iter().position(|id| before == **id).expect("an id");
    assert!(last >= acknowledged, "{said}, and {before} was acknowledged");

    let (code, said) = run(&["new-epoch"], &to).await;
    assert_eq!(code, 0, "{said}");
    let server = start(&to, "").await;
    // Exactly the messages after an id that is here; and that more may have been there.
    let mut reader = Reader::open_after(&server, Wire::Sse, "a", Some(&ids[1])).await;
    reader.control("hello").await;
    for n in 2..=last {
        assert_eq!(reader.data().await, text(n));
    }
    let gap = reader.control("gap").await;
    assert_eq!((&gap["channel"], &gap["certain"]), (&Value::from("a"), &Value::Bool(false)));
    server.publish("a", "new").await;
    assert_eq!(reader.data().await, "new");
    // An id that is not here: a gap of unknown extent, and all that is here.
    if let Some(later) = ids.get(last + 1) {
        let mut reader = Reader::open_after(&server, Wire::Sse, "a", Some(later)).await;
        assert_eq!(reader.control("hello").await["recovered"], false);
        assert!(reader.control("gap").await["last"].is_null());
        assert_eq!(reader.data().await, text(0));
    }
}

each_delivery!(
    a_log_that_is_written_can_be_looked_at,
    a_check_says_what_is_damaged,
    a_backup_beside_a_busy_gateway_has_all_that_was_acknowledged,
);
