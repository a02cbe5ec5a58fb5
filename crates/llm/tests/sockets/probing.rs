//! What the probe of an upstream says.

use tricast_llm::{Model, ProbeError, Probed, UpstreamConfig, probe};

use crate::stub::{Play, Seen, Stub, refusal};

const KEY: &str = "canary-0123456789";

fn config(url: &str) -> UpstreamConfig {
    let model = |name: &str| Model { name: name.to_owned(), model: name.to_owned() };
    UpstreamConfig {
        url: url.to_owned(),
        key: KEY.to_owned().into(),
        models: vec![model("a"), model("b")],
        ..UpstreamConfig::default()
    }
}

#[tokio::test]
async fn a_probe_says_which_models_are_missing() {
    let list = r#"{"object":"list","data":[{"id":"a","object":"model"},{"id":"c"}]}"#;
    for (status, body, models, missing) in
        [("200 OK", list, Some(2), vec!["b".to_owned()]), ("404 x", "", None, Vec::new())]
    {
        let mut stub = Stub::serve(vec![vec![Play::Write(refusal(status, "", body))]]).await;
        let probed = probe(config(&stub.url)).await.expect("it answers");
        assert_eq!(probed, Probed { models, missing });
        let Seen::Request(head, _) = stub.next().await else { panic!("no request") };
        assert!(head.starts_with("GET /v1/models HTTP/1.1"), "{head}");
        assert!(head.contains(&format!("Bearer {KEY}")), "{head}");
    }
}

#[tokio::test]
async fn a_probe_says_what_to_do() {
    for (status, said) in [("401 x", "key_file"), ("307 x", "redirect"), ("503 x", "status 503")] {
        let script = vec![Play::Write(refusal(status, "location: /\r\n", KEY)), Play::Close];
        let stub = Stub::serve(vec![script]).await;
        let error = probe(config(&stub.url)).await.expect_err("a refusal").to_string();
        assert!(error.contains(said) && !error.contains(KEY), "{error}");
    }
    let gone = Stub::serve(vec![vec![Play::Reset]]).await;
    let error = probe(config(&gone.url)).await.expect_err("no answer");
    assert!(matches!(error, ProbeError::NoAnswer(_)), "{error}");
    let error = probe(config("ftp://a")).await.expect_err("no URL");
    assert!(matches!(error, ProbeError::Settings(_)), "{error}");
}
