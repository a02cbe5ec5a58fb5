//! Upstreams in the settings: they are asked by `tricast check --probe`, and change at run time.

use serde_json::json;
use tricast::settings::Settings;
use tricast_tests::{Reader, Upstream, Wire, program::tricast};

use super::*;

#[tokio::test]
async fn check_asks_each_upstream() {
    const KEY: &str = "sk-canary-of-the-probe-0123456789";
    let upstream = Upstream::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, upstream.settings("")).expect("writes");
    let check = || {
        let mut command = tricast();
        command.env("TRICAST__LLM__MAIN__KEY", KEY).arg("check").arg("--probe");
        command.arg("--config").arg(&file);
        async move { command.output().await.expect("runs") }
    };
    for (status, body, is_good, word) in [
        (200, r#"{"data":[{"id":"m"},{"id":"n"}]}"#, true, "lists 2 models"),
        (200, r#"{"data":[{"id":"n"}]}"#, true, "does not list the model \"m\""),
        (401, "{}", false, "key"),
        (302, "{}", false, "redirect"),
        (500, "{}", false, "status 500"),
    ] {
        let (output, ()) = tokio::join!(check(), async {
            let call = upstream.call().await;
            assert_eq!(call.line, "GET /v1/models HTTP/1.1");
            assert_eq!(call.fields["authorization"], format!("Bearer {KEY}"));
            call.refuse(status, body).await;
        });
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8(told).expect("text");
        assert_eq!(output.status.success(), is_good, "{status}: {told}");
        assert!(told.contains(word) && !told.contains(KEY), "{status}: {told}");
    }
    std::fs::write(&file, "").expect("writes");
    let mut command = tricast();
    let output = command.arg("check").arg("--probe").arg("--config").arg(&file).output().await;
    assert!(!output.expect("runs").status.success(), "there is nothing to ask");
}

/// A reload takes over upstreams, rights and limits; an answer that is under way goes on.
#[tokio::test]
async fn a_reload_changes_who_is_asked() {
    let (before, after) = (Upstream::start().await, Upstream::start().await);
    let server = server(&before, OPEN).await;
    let mut reader = Reader::open(&server, Wire::Sse, "a").await;
    reader.control("hello").await;
    start(&server, "/a", "", "Hi").await;
    let mut call = before.call().await;
    call.begin().await;
    call.delta("Old").await;
    assert_eq!(next(&mut reader).await.0, "start");
    assert_eq!(next(&mut reader).await.0, "delta");
    let text =
        format!("{}{OPEN}[relay]\nbusy = \"parallel\"\nmax_tokens = 9\n", after.settings(""));
    let changed = |text: &str| {
        let bound = "bind = \"127.0.0.1:0\"\nadmin.bind = \"127.0.0.1:0\"\n";
        Settings::from_toml(&format!("{bound}{text}")).expect("is good")
    };
    let report = server.gateway.reload(changed(&text)).expect("reloads");
    for key in ["llm", "relay.busy", "relay.max_tokens"] {
        assert!(report.applied.iter().any(|applied| applied == key), "{key}: {report:?}");
    }
    start(&server, "/a", "", "Ho").await;
    let asked = after.call().await;
    assert_eq!(asked.body["max_tokens"], json!(9));
    asked.answer(&["New"]).await;
    call.finish().await;
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let (event, data) = next(&mut reader).await;
        if event == "end" {
            ends.push(content(&data).to_owned());
        }
    }
    ends.sort();
    assert_eq!(ends, ["New", "Old"]);
    server.gateway.reload(changed("")).expect("reloads");
    let gone = prompt(&server, "/a", "", "Hi").await;
    assert_eq!((gone.status, gone.problem().as_str()), (403, "forbidden"));
}
