//! A cache in front of a fake gateway.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::{
    checks::tests::{only, start},
    diagnosis::Verdict,
    fake,
};

#[tokio::test]
async fn a_cache_is_recognised_by_a_message_that_is_missing() {
    // The first response to each request is repeated for ever.
    let published = Arc::new(AtomicUsize::new(0));
    let cache = Arc::new(Mutex::new(HashMap::new()));
    let url = fake::server(move |request| {
        if request.starts_with("POST") {
            let number = published.fetch_add(1, Ordering::Relaxed);
            return fake::answer("200 OK", "", &format!(r#"{{"id":"log-{number}"}}"#));
        }
        let ids =
            (0..published.load(Ordering::Relaxed)).map(|id| format!(r#"{{"id":"log-{id}"}}"#));
        let messages = ids.collect::<Vec<_>>().join(",");
        let line = request.lines().next().unwrap_or_default().to_owned();
        let fresh = fake::answer("200 OK", "", &format!(r#"{{"messages":[{messages}]}}"#));
        cache.lock().expect("a lock").entry(line).or_insert(fresh).clone()
    })
    .await;
    let mut examination = start(&url).await;
    examination.check_cache().await.expect("is done");
    let found = only(&examination);
    assert_eq!((found.check, found.verdict), ("cache", Verdict::Bad), "{found:?}");
    assert!(found.advice.as_ref().is_some_and(|text| text.contains("cache off")), "{found:?}");
}
