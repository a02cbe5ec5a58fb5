//! Presence by name: snapshot and stream together have no gap.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tricast_tests::{
    Event, Reader, SECRET, Server, Wire, eventually, stream_head, token, token_of,
};

mod access;
mod changes;
mod lists;

/// With the default grace the test would wait long for each leave.
async fn server(presence: &str) -> Server {
    let grace = if presence.contains("grace") { "" } else { "grace = \"300ms\"\n" };
    Server::with(&format!("[access]\npresence = true\n[presence]\n{grace}{presence}")).await
}

async fn guarded() -> Server {
    let settings = format!("[tokens]\nsecret = \"{SECRET}\"\n[access]\npresence = true");
    Server::with(&settings).await
}

/// A client that keeps a list of the users in a channel.
struct Watcher {
    reader: Reader,
    users: BTreeMap<String, Value>,
    anonymous: Value,
    /// Messages that changed it.
    told: usize,
}

impl Watcher {
    /// Watches from an empty list on.
    async fn open(server: &Server, wire: Wire, target: &str) -> Self {
        let mut reader = Reader::open(server, wire, target).await;
        reader.control("hello").await;
        Self { reader, users: BTreeMap::new(), anonymous: json!(0), told: 0 }
    }

    /// Takes a page of users.
    fn add(&mut self, page: &Value) {
        for one in page["users"].as_array().expect("a list") {
            self.users.insert(name(&one["user"]), one["info"].clone());
        }
        self.anonymous = page["anonymous"].clone();
    }

    /// Takes the next change, and gives it.
    async fn change(&mut self) -> Value {
        let document = self.reader.control("presence").await;
        assert_eq!(document["channel"], "~room");
        assert_eq!(document.get("online"), None, "nobody asks who listens to it");
        let data = document["data"].clone();
        for one in data["joined"].as_array().expect("a list") {
            self.users.insert(name(&one["user"]), one["info"].clone());
        }
        for user in data["left"].as_array().expect("a list") {
            self.users.remove(&name(user));
        }
        self.anonymous = data["anonymous"].clone();
        self.told += 1;
        data
    }

    /// Reads until these are there.
    async fn until(&mut self, users: &[&str]) {
        while self.users.keys().ne(users) {
            self.change().await;
        }
    }
}

fn name(value: &Value) -> String {
    value.as_str().expect("a user").to_owned()
}

async fn snapshot(server: &Server, query: &str) -> Value {
    let answer = server.get(&format!("/presence/room{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// Waits until these are listed.
async fn listed(server: &Server, users: &[&str]) -> Value {
    let expected: Vec<_> = users.iter().map(|user| json!({"user": user})).collect();
    eventually("they are listed", async || {
        let page = snapshot(server, "").await;
        (page["users"] == json!(expected)).then_some(page)
    })
    .await
}

async fn open(server: &Server, wire: Wire, target: &str) -> Reader {
    let mut reader = Reader::open(server, wire, target).await;
    reader.control("hello").await;
    reader
}
