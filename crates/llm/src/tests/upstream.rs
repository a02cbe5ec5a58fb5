//! The settings of an upstream, and the fields of its responses.

use futures_util::FutureExt as _;

use super::*;

fn config(url: &str) -> UpstreamConfig {
    UpstreamConfig { url: url.to_owned(), ..UpstreamConfig::default() }
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
