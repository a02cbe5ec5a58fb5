//! Unexpected responses to the first message.

use crate::fake::{self, answer, examine, problem};

/// Examines a server that answers the first message with `response`, and returns the error.
async fn refusal_of(response: String, token: Option<&str>) -> String {
    let url = fake::server(move |_| response.clone()).await;
    let mut options = fake::options(&url);
    options.channel = Some("a".to_owned());
    options.token = token.map(str::to_owned);
    format!("{:#}", examine(options).await.expect_err("is refused"))
}

#[tokio::test]
async fn each_answer_gets_the_advice_that_it_needs() {
    let there = |field: &str| answer("301 Moved Permanently", field, "");
    let html = |status: &str| answer(status, "", "<html>Nothing here.</html>");
    let tls = "<h1>400</h1>The plain HTTP request was sent to HTTPS port";
    let cases = [
        (
            there("location: https://example.com/x/publish/a\r\n"),
            None,
            "it redirects to https://example.com/x; examine that address",
        ),
        (there("location: /login\r\n"), None, "it redirects to /login; examine that address"),
        (html("502 Bad Gateway"), None, "something in between got no response from the gateway"),
        (
            html("503 Service Unavailable"),
            None,
            "something in between got no response from the gateway",
        ),
        (
            html("504 Gateway Timeout"),
            None,
            "something in between got no response from the gateway",
        ),
        (
            problem("503 Service Unavailable", "draining"),
            None,
            "this is the gateway's own response",
        ),
        (problem("404 Not Found", "not-found"), None, "it says why; correct the URL"),
        (
            answer("404 Not Found", "tricast-problem: not-found\r\n", ""),
            None,
            "is a base path missing (base_path)?",
        ),
        (html("404 Not Found"), None, "the response does not come from a Tricast gateway"),
        (html("405 Method Not Allowed"), None, "the response does not come from a Tricast gateway"),
        (html("200 OK"), None, "the response does not come from a Tricast gateway"),
        (answer("400 Bad Request", "", tls), None, "try https://"),
        (problem("401 Unauthorized", "bad-token"), Some("t"), "the gateway refused the token"),
        (
            problem("401 Unauthorized", "token-missing"),
            Some("t"),
            "something in between drops the header Authorization",
        ),
        (problem("429 Too Many Requests", "too-fast"), None, "that is a rate limit"),
        (html("429 Too Many Requests"), None, "that is a rate limit of something in between"),
    ];
    for (response, token, expected) in cases {
        let error = refusal_of(response, token).await;
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains("--token"), "{error}");
    }
    for response in
        [problem("401 Unauthorized", "token-missing"), problem("403 Forbidden", "forbidden")]
    {
        let error = refusal_of(response, None).await;
        assert!(error.contains("pass a token or API key that allows it (--token)"), "{error}");
    }
}
