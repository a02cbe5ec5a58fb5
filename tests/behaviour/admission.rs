//! Permissions to subscribe and to publish: each wire, each credential in each place, each rule.

use tricast_admission::KeyHash;
use tricast_tests::{Connection, Reader, SECRET, Server, Wire, stream_head, token, token_of};

mod backends;

const KEY: &str = "tricast_key_a-backend-of-the-tests-that-may-do-everything";
const NARROW: &str = "tricast_key_another-backend-that-may-do-next-to-nothing";

/// The channels, one under each rule, in the order of the table's columns.
const CHANNELS: [&str; 6] = ["open.x", "member.x", "feed.x", "desk.x", "closed.x", "@alice"];

/// The expected results: for each channel, whether subscribing and publishing are allowed. `+` is
/// allowed, `m` is a missing token (401), `f` is forbidden (403).
///
/// open: anyone. member: needs a token. feed: anyone subscribes, a backend publishes. desk: a
/// backend subscribes, a client with a token publishes. closed: nobody. @alice: alice herself; for
/// others [access] applies, which asks for a token.
const TABLE: [(&str, &str); 10] = [
    //                 open member feed desk closed @alice
    ("nothing", "++ mm +m mm ff fm"),
    ("alice reads", "++ +f +f ff ff +f"),
    ("alice writes", "++ f+ +f f+ ff ++"),
    ("alice does both", "++ ++ +f f+ ff ++"),
    ("alice elsewhere", "++ ff +f ff ff +f"),
    ("bob", "++ ++ +f f+ ff ff"),
    ("no user", "++ ++ +f f+ ff ff"),
    ("key", "++ ++ ++ ++ ff f+"),
    ("key for alice", "++ ++ ++ ++ ff ++"),
    ("narrow key", "++ ff +f ff ff ff"),
];

/// Credentials that grant nothing, not even what is open to anyone: a client that sends one
/// believes that it counts.
const WORTHLESS: [&str; 6] =
    ["expired", "forged", "unsigned", "garbage", "wrong key", "key as token"];

/// Where a credential is put.
const PLACES: [&str; 4] = ["bearer", "query", "cookie", "subprotocol"];

async fn server() -> Server {
    let namespaces = [
        ("open.*", "anyone", "anyone"),
        ("member.*", "token", "token"),
        ("feed.*", "anyone", "backend"),
        ("desk.*", "backend", "token"),
        ("closed.*", "nobody", "nobody"),
    ];
    let namespace = |(pattern, subscribe, publish)| {
        format!(
            "[[namespace]]\npattern = {pattern:?}\nsubscribe = {subscribe:?}\n\
             publish = {publish:?}\n"
        )
    };
    let namespaces: String = namespaces.map(namespace).concat();
    let (key, narrow) = (KeyHash::of(KEY), KeyHash::of(NARROW));
    Server::with(&format!(
        "{namespaces}
         [[key]]
         name = \"wide\"
         hash = \"{key}\"
         subscribe = [\"**\", \"@*\"]
         publish = [\"**\", \"@*\"]
         [[key]]
         name = \"narrow\"
         hash = \"{narrow}\"
         publish = [\"other.*\"]
         [tokens]
         secret = \"{SECRET}\"
         cookie = \"tricast\""
    ))
    .await
}

/// The text of a credential, or `None` for no credential.
fn credential(name: &str) -> Option<String> {
    let all = ["**", "@*"];
    Some(match name {
        "nothing" => return None,
        "alice reads" => token("alice", &["member.*", "feed.*"], &[]),
        "alice writes" => {
            token("alice", &[], &["member.*", "feed.*", "desk.x", "@alice", "closed.**"])
        }
        "alice does both" => token("alice", &all, &all),
        "alice elsewhere" => token("alice", &["member", "member.x.*", "x"], &["member.y", "desk"]),
        // Two stars are any channel, and no user's own.
        "bob" => token("bob", &["**"], &["**"]),
        "no user" => token_of(serde_json::json!({"subscribe": ["**"], "publish": ["**"]}), 60),
        "key" | "key for alice" | "key as token" => KEY.to_owned(),
        "narrow key" => NARROW.to_owned(),
        "expired" => {
            token_of(serde_json::json!({"sub": "alice", "subscribe": all, "publish": all}), -60)
        }
        "forged" => {
            let good = token("alice", &all, &all);
            let (rest, signature) = good.rsplit_once('.').expect("three parts");
            let turned: String = signature.chars().rev().collect();
            format!("{rest}.{turned}")
        }
        "unsigned" => "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMH0.".to_owned(),
        "garbage" => "open-sesame".to_owned(),
        "wrong key" => format!("{KEY}2"),
        other => panic!("no credential {other}"),
    })
}

/// One request's credential, in its place.
#[derive(Clone, Debug)]
struct Asks {
    query: String,
    fields: Vec<(&'static str, String)>,
}

impl Asks {
    /// `None` if the wire has no such place, or if it makes no sense for this credential.
    fn with(name: &str, place: &str, wire: Option<Wire>) -> Option<Self> {
        let mut query =
            if name == "key for alice" { "?user=alice".to_owned() } else { String::new() };
        let Some(text) = credential(name) else {
            return (place == "bearer").then_some(Self { query, fields: Vec::new() });
        };
        let is_key = text.starts_with("tricast_key_");
        let fits = match (name, place) {
            ("key as token", _) => place != "bearer",
            _ => !is_key || place == "bearer",
        };
        let subprotocol = place == "subprotocol";
        if !fits || subprotocol && (wire != Some(Wire::Ws) || text.contains(' ')) {
            return None;
        }
        let field = match place {
            "bearer" => ("Authorization", format!("Bearer {text}")),
            "cookie" => ("Cookie", format!("theme=dark; tricast={text}; x=y")),
            "subprotocol" => {
                ("Sec-WebSocket-Protocol", format!("tricast.v1.json, tricast.token.{text}"))
            }
            _ => {
                query = format!("{}token={text}", if query.is_empty() { "?" } else { "&" });
                return Some(Self { query, fields: Vec::new() });
            }
        };
        Some(Self { query, fields: vec![field] })
    }

    fn head(&self, mut head: String) -> String {
        for (name, value) in &self.fields {
            head.push_str(&format!("\r\n{name}: {value}"));
        }
        head
    }
}

/// The result of a request: `+`, or the name of the problem, whose status is checked.
async fn outcome(server: &Server, head: &str, body: &str) -> String {
    let mut connection: Connection = server.connect().await;
    connection.send(format!("{head}\r\n\r\n{body}")).await;
    let head = connection.head().await;
    if head.status == 200 || head.status == 101 {
        return "+".to_owned();
    }
    let length = head.content_length().expect("a problem has a length");
    let body = connection.take(length).await;
    let answer = tricast_tests::Answer { status: head.status, fields: head.fields, body };
    let problem = answer.problem();
    let status = match problem.as_str() {
        "token-missing" | "bad-token" | "token-expired" | "bad-key" => 401,
        "forbidden" => 403,
        other => panic!("{other}: {answer:?}"),
    };
    assert_eq!(answer.status, status, "{problem}");
    assert_eq!(answer.fields.contains_key("www-authenticate"), status == 401, "{answer:?}");
    problem
}

async fn subscribes(server: &Server, wire: Wire, channel: &str, asks: &Asks) -> String {
    let head = stream_head(wire, &format!("{channel}{}", asks.query));
    outcome(server, &asks.head(head), "").await
}

/// Publishes as the wire does it: by a POST that also subscribes, or by a command.
async fn publishes(server: &Server, wire: Wire, channel: &str, asks: &Asks) -> String {
    if wire != Wire::Ws {
        let head = format!(
            "POST /{}/{channel}{} HTTP/1.1\r\nHost: t\r\nContent-Length: 1",
            wire.name(),
            asks.query
        );
        return outcome(server, &asks.head(head), "x").await;
    }
    let fields: Vec<(&'static str, &str)> =
        asks.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut reader =
        Reader::open_with(server, wire, &format!("open.talk{}", asks.query), &fields).await;
    reader.control("hello").await;
    reader.send(&format!(r#"{{"channel":"{channel}","data":1}}"#)).await;
    loop {
        let document = reader.document().await;
        match document["event"].as_str() {
            Some("tricast.ack") => return "+".to_owned(),
            Some("tricast.error") => {
                let urn = document["type"].as_str().expect("a type");
                return urn.trim_start_matches("urn:tricast:").to_owned();
            }
            _ => {}
        }
    }
}

fn problem(letter: char) -> &'static str {
    match letter {
        '+' => "+",
        'm' => "token-missing",
        'f' => "forbidden",
        other => panic!("no letter {other}"),
    }
}

/// Runs the table on one wire; gives how many combinations that were.
async fn run(wire: Wire) -> usize {
    let server = server().await;
    let mut combinations = 0;
    for (name, row) in TABLE {
        for (channel, cell) in CHANNELS.into_iter().zip(row.split(' ')) {
            let mut letters = cell.chars().map(problem);
            let (listens, speaks) = (letters.next().expect("two"), letters.next().expect("two"));
            for asks in PLACES.iter().filter_map(|place| Asks::with(name, place, Some(wire))) {
                let got = subscribes(&server, wire, channel, &asks).await;
                assert_eq!(got, listens, "{} listens to {channel}: {asks:?}", wire.name());
                let got = publishes(&server, wire, channel, &asks).await;
                // A POST that subscribes may publish only where it may subscribe.
                let wanted = if wire == Wire::Ws || listens == "+" { speaks } else { listens };
                assert_eq!(got, wanted, "{} speaks in {channel}: {asks:?}", wire.name());
                combinations += 2;
            }
        }
    }
    for name in WORTHLESS {
        for asks in PLACES.iter().filter_map(|place| Asks::with(name, place, Some(wire))) {
            let wanted = match name {
                "expired" => "token-expired",
                "wrong key" | "key as token" => "bad-key",
                _ => "bad-token",
            };
            for channel in CHANNELS {
                assert_eq!(
                    subscribes(&server, wire, channel, &asks).await,
                    wanted,
                    "{name} {channel}"
                );
                combinations += 1;
            }
        }
    }
    tricast_tests::eventually("all have left", async || {
        (server.gateway.connections() == 0).then_some(())
    })
    .await;
    combinations
}

async fn each_credential_opens_what_it_should_and_nothing_else(wire: Wire) {
    let combinations = run(wire).await;
    assert!(combinations >= 120, "{combinations} on {}", wire.name());
}

async fn plain_requests_that_publish_or_read_follow_the_same_table() {
    let server = server().await;
    for (name, row) in TABLE {
        for (channel, cell) in CHANNELS.into_iter().zip(row.split(' ')) {
            let mut letters = cell.chars().map(problem);
            let (listens, speaks) = (letters.next().expect("two"), letters.next().expect("two"));
            for asks in PLACES.iter().filter_map(|place| Asks::with(name, place, None)) {
                let post = |types: &str| {
                    let path = format!("/publish/{channel}{}", asks.query);
                    asks.head(format!(
                        "POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: 2{types}"
                    ))
                };
                assert_eq!(outcome(&server, &post(""), "1\n").await, speaks, "{name} {channel}");
                let lines = post("\r\nContent-Type: application/x-ndjson");
                assert_eq!(outcome(&server, &lines, "1\n").await, speaks, "{name} {channel}");
                let get = |what: &str| {
                    asks.head(format!("GET /{what}/{channel}{} HTTP/1.1\r\nHost: t", asks.query))
                };
                assert_eq!(
                    outcome(&server, &get("history"), "").await,
                    listens,
                    "{name} {channel}"
                );
                // The right to publish to a user includes the right to ask whether that user is
                // online.
                let counts = if speaks == "+" { "+" } else { listens };
                assert_eq!(outcome(&server, &get("online"), "").await, counts, "{name} {channel}");
            }
        }
    }
}

/// The list of channels contains those that the client may subscribe to.
async fn the_list_of_channels_keeps_to_the_table() {
    let server = server().await;
    let key = Asks::with("key", "bearer", None).expect("a place");
    for channel in ["open.x", "member.x", "feed.x", "desk.x"] {
        let head =
            key.head(format!("POST /publish/{channel} HTTP/1.1\r\nHost: t\r\nContent-Length: 1"));
        assert_eq!(outcome(&server, &head, "x").await, "+", "{channel}");
    }
    let list = async |name: &str| {
        let asks = Asks::with(name, "bearer", None).expect("a place");
        let answer =
            server.request(&asks.head("GET /channels HTTP/1.1\r\nHost: t".into()), b"").await;
        let channels = answer.json()["channels"].as_array().expect("a list").clone();
        channels
            .iter()
            .map(|one| one["channel"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(list("nothing").await, "feed.x open.x");
    assert_eq!(list("alice reads").await, "feed.x member.x open.x");
    assert_eq!(list("key").await, "desk.x feed.x member.x open.x");
}

/// An empty list would say that there are no channels.
async fn the_list_of_channels_asks_for_the_credential_that_every_channel_requires() {
    let (hash, tokens) = (KeyHash::of(KEY), format!("[tokens]\nsecret = \"{SECRET}\"\n"));
    let key = format!("[[key]]\nname = \"k\"\nhash = \"{hash}\"\n");
    let subscribe = |level: &str| format!("[access]\nsubscribe = \"{level}\"\n");
    for (settings, status, problem) in [
        (tokens.clone(), 401, "token-missing"),
        (format!("{key}{}", subscribe("backend")), 401, "token-missing"),
        (subscribe("nobody"), 403, "forbidden"),
    ] {
        let answer = Server::with(&settings).await.get("/channels").await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{settings}");
    }
    let open = "[[namespace]]\npattern = \"open.*\"\nsubscribe = \"anyone\"\n";
    let server = Server::with(&format!("{open}{tokens}")).await;
    assert_eq!(server.get("/channels").await.status, 200);
    // A token may list, even if there is nothing for it to see.
    let token = token("alice", &[], &[]);
    let server = Server::with(&tokens).await;
    assert_eq!(server.get(&format!("/channels?token={token}")).await.status, 200);
}

tricast_tests::each_wire!(each_credential_opens_what_it_should_and_nothing_else);

tricast_tests::each_delivery!(
    plain_requests_that_publish_or_read_follow_the_same_table,
    the_list_of_channels_keeps_to_the_table,
    the_list_of_channels_asks_for_the_credential_that_every_channel_requires
);
