//! The settings of an upstream, and the fields of its responses.

use futures_util::FutureExt as _;

use super::*;

fn config(url: &str) -> UpstreamConfig {
    UpstreamConfig { url: url.to_owned(), ..UpstreamConfig::default() }
}

#[test]
fn the_url_is_that_of_chat_completions() {
    for (base, expected) in [
        ("https://llm.example/v1", "https://llm.example/v1/chat/completions"),
        ("https://llm.example/v1/", "https://llm.example/v1/chat/completions"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/chat/completions"),
        ("https://a.example/x?api-version=1", "https://a.example/x/chat/completions?api-version=1"),
    ] {
        assert_eq!(
            endpoint(base, &["chat", "completions"]).map(String::from).as_deref(),
            Some(expected)
        );
    }
    for bad in ["", "llm.example/v1", "ftp://a/", "file:///etc/passwd", "https://a:b@c.example/"] {
        assert!(matches!(Upstream::new(config(bad)), Err(BadUpstream::Url(_))), "{bad}");
    }
}

#[test]
fn a_key_that_no_header_can_have_is_named_and_not_shown() {
    let key = Secret::from("canary\n0123456789".to_owned());
    let error = Upstream::new(UpstreamConfig { key, ..config("http://127.0.0.1") });
    let error = error.expect_err("a line break in a field").to_string();
    assert!(error.contains("the key of the upstream \"main\"") && !error.contains("canary"));
}

#[test]
fn secrets_are_the_key_and_the_fields_that_sound_like_one() {
    let secret = |text: &str| Secret::from(text.to_owned());
    let headers = vec![
        ("X-Api-Key".to_owned(), secret("one")),
        ("OpenAI-Organization".to_owned(), secret("two")),
        ("Authorization".to_owned(), secret("three")),
    ];
    let config = UpstreamConfig { key: secret("zero"), headers, ..config("http://127.0.0.1") };
    let upstream = Upstream::new(config).expect("an upstream");
    let secrets: Vec<_> = upstream.secrets().map(Secret::expose).collect();
    assert_eq!(secrets, ["zero", "one", "three"]);
    assert_eq!(format!("{upstream:?}"), "Upstream(\"main\")");
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    assert_eq!(parse_retry_after(" 7 "), Some(Duration::from_secs(7)));
    assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
    assert_eq!(parse_retry_after("soon"), None);
}

#[tokio::test]
async fn calls_wait_for_their_turn_and_not_too_many_of_them() {
    let config = UpstreamConfig { at_once: 1, ..config("http://127.0.0.1") };
    let upstream = Upstream::new(config).expect("an upstream");
    let first = upstream.enter().await.expect("the first");
    let mut waiting: Vec<_> = (0..WAITING_PER_CALL).map(|_| Box::pin(upstream.enter())).collect();
    for one in &mut waiting {
        assert!(one.as_mut().now_or_never().is_none());
    }
    assert!(upstream.enter().await.is_err(), "one too many");
    drop(waiting.pop());
    let mut last = Box::pin(upstream.enter());
    assert!(last.as_mut().now_or_never().is_none(), "there is room again");
    drop(first);
    drop(waiting.remove(0).await.expect("its turn"));
}
