//! What readers may see of a log on disk, where a namespace limits it.

use tempfile::TempDir;
use tricast_tests::{Reader, Server, Wire, each_wire};

async fn start(folder: &TempDir, history: &str) -> Server {
    let path = folder.path().display();
    let namespace = format!("[[namespace]]\npattern = \"few.*\"\nhistory = {{ {history} }}");
    let log = format!("[history]\nmessages = 2\n[log]\npath = \"{path}\"");
    Server::with(&format!("{log}\n[shutdown]\ngrace = \"1s\"\n{namespace}")).await
}

async fn a_namespace_shows_its_newest_messages_alone(wire: Wire) {
    // The limit of its memory is that of readers too, unless it says otherwise.
    for history in ["messages = 3", "messages = 1, visible = { messages = 3 }"] {
        let folder = TempDir::new().expect("a folder");
        let server = start(&folder, history).await;
        let mut before = Reader::open(&server, wire, "few.a,many").await;
        let first = before.control("hello").await["id"].as_str().expect("an id").to_owned();
        for n in 0..8 {
            server.publish(["few.a", "many"][n % 2], &n.to_string()).await;
        }
        let mut earliest = Reader::open(&server, wire, "few.a,many?since=earliest").await;
        earliest.control("hello").await;
        assert_eq!(earliest.all_data(7).await, ["1", "2", "3", "4", "5", "6", "7"]);
        let mut resumed = Reader::open_after(&server, wire, "few.a,many", Some(&first)).await;
        assert_eq!(resumed.control("hello").await["reason"], "evicted");
        let gap = resumed.control("gap").await;
        assert_eq!((&gap["channel"], &gap["certain"]), (&"few.a".into(), &false.into()), "{gap}");
        assert_eq!(resumed.all_data(7).await, ["1", "2", "3", "4", "5", "6", "7"]);
        let page = server.get("/history/few.a?since=earliest").await.json();
        assert_eq!(page["messages"].as_array().map(Vec::len), Some(3), "{page}");
        let page = server.get("/history/many?since=earliest").await.json();
        assert_eq!(page["messages"].as_array().map(Vec::len), Some(4), "{page}");
    }
}

each_wire!(a_namespace_shows_its_newest_messages_alone);
