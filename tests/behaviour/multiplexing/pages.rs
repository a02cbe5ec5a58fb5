//! Large responses: what a connection has room for.

use super::*;

async fn a_client_that_asks_for_many_pages_at_once_gets_them_all() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.publish("a", &"x".repeat(50_000)).await;
    }
    let sender = connect(&server, 65_535, 65_535).await;
    let page = async || {
        // The last page is begun when the client has read almost all others.
        let answer = ask_within(10 * PATIENCE, &sender, Method::GET, "/history/a", "").await;
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(data) = timeout(10 * PATIENCE, body.data()).await.expect("in time") {
            let data = data.expect("is not reset");
            body.flow_control().release_capacity(data.len()).expect("is open");
            bytes.extend_from_slice(&data);
        }
        let page: Value = serde_json::from_slice(&bytes).expect("JSON");
        page["messages"].as_array().map(Vec::len)
    };
    let pages = futures_util::future::join_all((0..30).map(|_| page())).await;
    assert_eq!(pages, vec![Some(20); 30]);
}

async fn no_further_pages_are_built_for_a_client_that_does_not_read() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.publish("a", &"x".repeat(50_000)).await;
    }
    let sender = connect(&server, 1, 1 << 20).await;
    let answer = async || {
        let request = Request::get("http://t/history/a").body(()).expect("a request");
        let mut sender = sender.clone().ready().await.expect("is open");
        let (answer, _) = sender.send_request(request, true).expect("sends");
        timeout(3 * PATIENCE, answer).await.expect("in time").expect("answers")
    };
    let answers = futures_util::future::join_all((0..30).map(|_| answer())).await;
    let (made, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status() == 200);
    assert!((1..=3).contains(&made.len()), "{} pages are held", made.len());
    for answer in refused {
        assert_eq!(answer.status(), 503);
        assert!(answer.headers().contains_key("retry-after"));
    }
    // Once they are closed there is room, and another client has room anyway.
    assert_eq!(server.get("/history/a").await.status, 200);
    drop(made);
    assert_eq!(ask(&sender, Method::GET, "/history/a", "").await.status(), 200);
}

/// Pages that wait for room keep nothing else of their connection from being answered.
async fn small_answers_overtake_unread_pages() {
    let server = Server::start().await;
    for _ in 0..20 {
        server.publish("a", &"x".repeat(50_000)).await;
    }
    let sender = connect(&server, 1, 1 << 20).await;
    let mut unread = Vec::new();
    for _ in 0..2 {
        unread.push(ask(&sender, Method::GET, "/history/a", "").await);
    }
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let request = Request::get("http://t/history/a").body(()).expect("a request");
        let mut sender = sender.clone().ready().await.expect("is open");
        waiting.push(sender.send_request(request, true).expect("sends").0);
    }
    for path in ["/channels", "/history/none", "/online/a"] {
        assert_eq!(ask(&sender, Method::GET, path, "").await.status(), 200, "{path}");
    }
    for answer in &mut waiting {
        assert!(futures_util::poll!(answer).is_pending(), "nothing has waited for these");
    }
    drop(unread);
    for answer in waiting {
        let answer = timeout(PATIENCE, answer).await.expect("in time").expect("answers");
        assert_eq!(answer.status(), 200, "there is room again");
    }
}

tricast_tests::each_delivery!(
    a_client_that_asks_for_many_pages_at_once_gets_them_all,
    no_further_pages_are_built_for_a_client_that_does_not_read,
    small_answers_overtake_unread_pages
);
