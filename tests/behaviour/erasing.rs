//! A backend erases a channel's history, in memory or on a disk.

use tempfile::TempDir;
use tricast_admission::KeyHash;
use tricast_tests::{Answer, Reader, SECRET, Server, Wire, each_delivery, each_wire, token};

const KEY: &str = "tricast_key_EEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEEE";

/// A backend that may publish to `a` and to what begins with `orders.`; nobody may publish to
/// `news`.
fn settings(folder: Option<&TempDir>) -> String {
    let log = match folder {
        Some(folder) => format!("[log]\npath = \"{}\"\n", folder.path().display()),
        None => String::new(),
    };
    format!(
        "{log}[shutdown]\ngrace = \"1s\"\n\
         [access]\nsubscribe = \"anyone\"\npublish = \"anyone\"\n\
         [[namespace]]\npattern = \"news\"\npublish = \"nobody\"\n\
         [[key]]\nname = \"shop\"\nhash = \"{}\"\npublish = [\"a\", \"orders.*\", \"news\"]\n",
        KeyHash::of(KEY)
    )
}

async fn erase(server: &Server, channel: &str, credential: &str) -> Answer {
    let head = format!("DELETE /history/{channel} HTTP/1.1\r\nHost: t");
    let credential = match credential {
        "" => String::new(),
        credential => format!("\r\nAuthorization: Bearer {credential}"),
    };
    server.request(&format!("{head}{credential}"), b"").await
}

async fn publish_all(server: &Server, texts: std::ops::RangeInclusive<u32>) -> Vec<String> {
    let mut ids = Vec::new();
    for text in texts {
        ids.push(server.publish("a", &text.to_string()).await);
    }
    ids
}

async fn assert_reads(reader: &mut Reader, texts: std::ops::RangeInclusive<u32>) {
    for text in texts {
        assert_eq!(reader.data().await, text.to_string());
    }
}

/// What holds from the erasure of the messages 1 to 5 on, whatever the engine.
async fn assert_erased(server: &Server, wire: Wire, ids: &[String]) {
    let page = server.get("/history/a").await.json();
    let held = page["messages"].as_array().expect("a list").iter();
    assert_eq!(held.map(|message| &message["data"]).collect::<Vec<_>>(), ["6", "7"], "{page}");
    let mut earliest = Reader::open(server, wire, "a?since=earliest").await;
    earliest.control("hello").await;
    assert_reads(&mut earliest, 6..=7).await;
    let mut resumed = Reader::open_after(server, wire, "a", Some(&ids[1])).await;
    assert_eq!(resumed.control("hello").await["recovered"], false);
    let gap = resumed.control("gap").await;
    assert_eq!((&gap["channel"], gap["first"].as_u64()), (&"a".into(), Some(3)), "{gap}");
    assert_eq!(gap["last"].as_u64(), Some(5), "{gap}");
    assert_reads(&mut resumed, 6..=7).await;
    let mut complete = Reader::open_after(server, wire, "a", Some(&ids[4])).await;
    assert_eq!(complete.control("hello").await["recovered"], true);
    assert_reads(&mut complete, 6..=7).await;
}

async fn what_is_erased_is_read_no_more(server: &Server, wire: Wire) -> Vec<String> {
    let mut live = Reader::open(server, wire, "a").await;
    live.control("hello").await;
    let ids = publish_all(server, 1..=5).await;
    let answer = erase(server, "a", KEY).await;
    assert_eq!((answer.status, &answer.json()["channel"]), (200, &"a".into()), "{answer:?}");
    assert!(answer.json()["id"].as_str() >= Some(&*ids[4]), "{answer:?}");
    publish_all(server, 6..=7).await;
    // The open stream is not disturbed.
    assert_reads(&mut live, 1..=7).await;
    assert_erased(server, wire, &ids).await;
    ids
}

async fn memory_erases_what_a_backend_says(wire: Wire) {
    what_is_erased_is_read_no_more(&Server::with(&settings(None)).await, wire).await;
}

async fn the_disk_erases_what_a_backend_says_and_a_restart_knows_it(wire: Wire) {
    let folder = TempDir::new().expect("a folder");
    let server = Server::with(&settings(Some(&folder))).await;
    let ids = what_is_erased_is_read_no_more(&server, wire).await;
    server.gateway.shutdown().await;
    let server = Server::with(&settings(Some(&folder))).await;
    assert_erased(&server, wire, &ids).await;
}

async fn only_a_backend_whose_key_may_publish_there_erases() {
    let folder = TempDir::new().expect("a folder");
    let secret = format!("[tokens]\nsecret = \"{SECRET}\"\n");
    for folder in [None, Some(&folder)] {
        let server = Server::with(&(settings(folder) + &secret)).await;
        publish_all(&server, 1..=2).await;
        let token = token("alice", &["**"], &["**"]);
        for (channel, credential, status, kind) in [
            ("a", "", 401, "token-missing"),
            ("a", &*token, 403, "forbidden"),
            ("a", "tricast_key_FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", 401, "bad-key"),
            ("b", KEY, 403, "forbidden"),
            ("news", KEY, 403, "forbidden"),
            ("~a", KEY, 403, "forbidden"),
            ("a?since=1", KEY, 400, "unknown-parameter"),
        ] {
            let answer = erase(&server, channel, credential).await;
            let told = (answer.status, answer.problem());
            assert_eq!(told, (status, kind.to_owned()), "{channel} {credential}: {answer:?}");
        }
        let page = server.get("/history/a").await.json();
        assert_eq!(page["messages"].as_array().map(Vec::len), Some(2), "{page}");
        assert_eq!(erase(&server, "orders.7", KEY).await.status, 200, "nothing was there");
    }
}

each_wire!(
    memory_erases_what_a_backend_says,
    the_disk_erases_what_a_backend_says_and_a_restart_knows_it,
);
each_delivery!(only_a_backend_whose_key_may_publish_there_erases);
