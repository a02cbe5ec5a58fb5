//! A reload of settings while streams are open: what changes, for which clients, and what does not.

use tricast::{ReloadReport, settings::Settings};
use tricast_tests::{Reader, Server, Wire, token, token_signed_with};

const OTHER: &str = "another-secret-of-at-least-32-bytes!";

fn reload(server: &Server, text: &str) -> ReloadReport {
    let settings = Settings::from_toml(text).expect("good settings");
    server.gateway.reload(settings).expect("takes effect")
}

async fn a_new_secret_counts_for_new_clients_and_open_streams_go_on(wire: Wire) {
    let server = Server::with(&format!("[tokens]\nsecret = \"{}\"", tricast_tests::SECRET)).await;
    let old = token("alice", &["a"], &["a"]);
    let mut reader = Reader::open(&server, wire, &format!("a?token={old}")).await;
    reader.control("hello").await;
    let ReloadReport { applied, needs_restart } =
        reload(&server, &format!("[tokens]\nsecret = \"{OTHER}\""));
    assert!(applied.contains(&"tokens.secret".to_owned()), "{applied:?}");
    // The settings of the test server differ in addresses, delivery and the place of a log.
    let own = ["admin.bind", "bind", "delivery", "log.path"];
    assert!(needs_restart.iter().all(|key| own.contains(&key.as_str())), "{needs_restart:?}");
    let refused = server.post(&format!("/publish/a?token={old}"), "", b"x").await;
    assert_eq!(refused.status, 401);
    let new = token_signed_with(OTHER, "alice", &["a"], &["a"]);
    server.publish(&format!("a?token={new}"), "hello").await;
    assert_eq!(reader.data().await, "hello");
}

async fn new_limits_hold_for_new_connections(wire: Wire) {
    let server = Server::start().await;
    let mut first = Reader::open(&server, wire, "a").await;
    first.control("hello").await;
    reload(&server, "[limits]\nconnections = 1");
    assert_eq!(server.metric("tricast_connections_limit").await, 1.0);
    let head = tricast_tests::stream_head(Wire::Chunked, "a");
    assert_eq!(server.request(&head, b"").await.status, 503);
    reload(&server, "[limits]\nconnections = 2");
    let mut second = Reader::open(&server, wire, "a").await;
    second.control("hello").await;
    server.publish("a", "both").await;
    assert_eq!((first.data().await, second.data().await), ("both".into(), "both".into()));
}

async fn namespaces_hold_for_channels_that_are_there_already() {
    let server = Server::with("[[namespace]]\npattern = \"b\"").await;
    let mut reader = Reader::open(&server, Wire::Sse, "a").await;
    reader.control("hello").await;
    for number in 0..5 {
        server.publish("a", &number.to_string()).await;
    }
    reload(
        &server,
        "[[namespace]]\npattern = \"a\"\npublish = \"nobody\"\nhistory = { messages = 2 }\n\
         [[namespace]]\npattern = \"c\"",
    );
    assert_eq!(server.post("/publish/a", "", b"x").await.status, 403);
    let of = async |namespace: &str| {
        server
            .metric(&format!("tricast_subscriptions{{wire=\"sse\",namespace=\"{namespace}\"}}"))
            .await
    };
    assert_eq!((of("a").await, of("(none)").await, of("b").await), (1.0, 0.0, 0.0));
    drop(reader);
    tricast_tests::eventually("it has left", async || (of("a").await == 0.0).then_some(())).await;
    reload(&server, "[[namespace]]\npattern = \"a\"\nhistory = { messages = 2 }");
    server.publish("a", "5").await;
    let history = server.get("/history/a").await.json();
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(2), "{history}");
}

async fn a_channel_has_presence_from_the_start_or_not_at_all() {
    let server = Server::with("[access]\npresence = true").await;
    let mut reader = Reader::open(&server, Wire::Sse, "a?user=alice").await;
    reader.control("hello").await;
    let ReloadReport { needs_restart, .. } = reload(&server, "[access]\npresence = false");
    assert!(needs_restart.contains(&"access.presence".to_owned()), "{needs_restart:?}");
    assert_eq!(server.get("/presence/a").await.status, 200);
}

async fn a_key_that_cannot_be_read_changes_nothing() {
    let server = Server::start().await;
    let text = "[tokens]\nkeys = [{ algorithm = \"RS256\", file = \"/nowhere.pem\" }]";
    let settings = Settings::from_toml(text);
    let refused = settings.and_then(|settings| server.gateway.reload(settings));
    assert!(format!("{:#}", refused.expect_err("no such file")).contains("/nowhere.pem"));
    server.publish("a", "still open").await;
}

/// Each of these files is good by itself. But the address stays, and so does the hook.
async fn no_reload_opens_a_public_gateway() {
    let keys = format!("[tokens]\nsecret = \"{OTHER}\"");
    let server = Server::with(&format!("bind = \"0.0.0.0:0\"\n{keys}")).await;
    let hook =
        "[hook]\nurl = \"https://a.example/\"\non = [\"publish\"]\n[access]\npublish = \"anyone\"";
    for text in ["", &format!("bind = \"0.0.0.0:0\"\n{hook}")] {
        let settings = Settings::from_toml(text).expect("good settings");
        let refused = format!("{:#}", server.gateway.reload(settings).expect_err("is refused"));
        assert!(
            refused.contains("is not a loopback address") && refused.contains("tokens.secret"),
            "{refused}"
        );
        let address = server.gateway.address().expect("one").port();
        let here = tricast_tests::Connection::open(([127, 0, 0, 1], address).into()).await;
        let head = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1";
        assert_eq!(here.request(head, b"x").await.status, 401);
    }
}

async fn sizes_that_do_not_fit_those_that_wait_are_refused() {
    let server = Server::start().await;
    let text = "[limits]\nmessage_bytes = \"100MiB\"\nbody_memory = \"400MiB\"\n[history]\n\
        bytes = \"100MiB\"\nmemory = \"1GiB\"";
    let settings = Settings::from_toml(text).expect("good settings");
    let refused = format!("{:#}", server.gateway.reload(settings).expect_err("is refused"));
    assert!(refused.contains("limits.body_memory"), "{refused}");
}

async fn a_reload_refills_no_rate() {
    let rates = "[rates]\nmessages_per_channel = 5";
    let server = Server::with(rates).await;
    let begin = std::time::Instant::now();
    for _ in 0..5 {
        server.publish("a", "x").await;
    }
    reload(&server, &format!("{rates}\n[stream]\nretry = \"1s\""));
    for passed in 6.. {
        if server.post("/publish/a", "", b"x").await.status == 429 {
            break;
        }
        // The rate that refills meanwhile is the old one.
        let most = 5.0 + 5.0 * begin.elapsed().as_secs_f64();
        assert!(f64::from(passed) <= most, "{passed} have passed, of {most}");
    }
}

tricast_tests::each_wire!(
    a_new_secret_counts_for_new_clients_and_open_streams_go_on,
    new_limits_hold_for_new_connections
);

tricast_tests::each_delivery!(
    namespaces_hold_for_channels_that_are_there_already,
    a_channel_has_presence_from_the_start_or_not_at_all,
    a_key_that_cannot_be_read_changes_nothing,
    no_reload_opens_a_public_gateway,
    sizes_that_do_not_fit_those_that_wait_are_refused,
    a_reload_refills_no_rate
);
