//! A restart announces only the users that do not come back.

use serde_json::{Value, json};
use tempfile::TempDir;
use tricast_tests::{Reader, Server, Wire, each_wire};

async fn start(folder: &TempDir) -> Server {
    let path = folder.path().display();
    Server::with(&format!(
        "[log]\npath = \"{path}\"\n[access]\npresence = true\n[presence]\ngrace = \"300ms\"\n\
         [stream]\nretry = \"100ms\"\n[shutdown]\ngrace = \"1s\""
    ))
    .await
}

async fn open(server: &Server, wire: Wire, user: &str) -> Reader {
    let mut reader = Reader::open(server, wire, &format!("room?user={user}")).await;
    reader.control("hello").await;
    reader
}

async fn list(server: &Server) -> Value {
    let page = server.get("/presence/room").await.json();
    let users = page["users"].as_array().expect("a list");
    users.iter().map(|one| one["user"].clone()).collect()
}

async fn a_clean_restart_announces_only_who_does_not_come_back(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = start(&folder).await;
    let mut watcher = Reader::open(&server, wire, "~room").await;
    watcher.control("hello").await;
    let users = [open(&server, wire, "alice").await, open(&server, wire, "bob").await];
    for _ in &users {
        watcher.control("presence").await;
    }
    let last = watcher.last_id.clone();
    drop(watcher);
    server.gateway.shutdown().await;
    drop(users);

    let server = start(&folder).await;
    assert_eq!(list(&server).await, json!(["alice", "bob"]));
    let mut watcher = Reader::open_after(&server, wire, "~room", last.as_deref()).await;
    assert_eq!(watcher.control("hello").await["recovered"], true);
    let alice = open(&server, wire, "alice").await;
    let change = watcher.control("presence").await;
    let left = json!({"joined": [], "left": ["bob"], "users": 1, "anonymous": 0});
    assert_eq!(change["data"], left, "alice has not come or gone");
    assert_eq!(list(&server).await, json!(["alice"]));
    drop(alice);
}

async fn a_crash_makes_readers_fetch_the_list_again(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = start(&folder).await;
    let mut watcher = Reader::open(&server, wire, "~room").await;
    let first = watcher.control("hello").await;
    let alice = open(&server, wire, "alice").await;
    watcher.control("presence").await;
    drop((watcher, alice));
    // The list is kept at a clean end only; this one has changed since.
    let kept = folder.path().join("presence");
    assert!(!kept.exists());
    server.gateway.shutdown().await;
    std::fs::remove_file(&kept).expect("it was kept");

    let server = start(&folder).await;
    assert_eq!(list(&server).await, json!([]));
    let resume = first["id"].as_str();
    let mut watcher = Reader::open_after(&server, wire, "~room", resume).await;
    watcher.control("hello").await;
    assert_eq!(watcher.control("gap").await["channel"], "~room");
    let alice = open(&server, wire, "alice").await;
    assert_eq!(watcher.control("presence").await["data"]["joined"], json!([{"user": "alice"}]));
    assert_eq!(list(&server).await, json!(["alice"]));
    drop(alice);
}

each_wire!(
    a_clean_restart_announces_only_who_does_not_come_back,
    a_crash_makes_readers_fetch_the_list_again,
);
