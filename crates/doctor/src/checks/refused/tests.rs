//! Handshakes that are refused in every way in which a proxy passes a refusal on.

use std::time::Duration;

use crate::{
    checks::{Examination, tests::only},
    client::Client,
    fake,
    intermediaries::Intermediaries,
    wire::Wire,
};

/// The handshake is refused by 403 with the cause in every place where it may stand, or in none.
#[tokio::test]
async fn the_cause_of_a_refused_handshake_is_known_or_all_are_named_in_order() {
    let refuse = |fields: &'static str, body: &'static str, origin: &'static str| async move {
        let url = fake::server(move |request| {
            let page = request.contains("origin:") || request.contains("Origin:");
            match request {
                request if request.contains("pgrade: websocket") => {
                    fake::answer("403 Forbidden", fields, body)
                }
                request if request.starts_with("GET") => fake::silent_stream(),
                _ if page && origin == "refused" => {
                    fake::problem("403 Forbidden", "forbidden-origin")
                }
                _ if page && origin == "unknown" => fake::answer("403 Forbidden", "", "no"),
                _ => fake::published(),
            }
        })
        .await;
        let client = Client::new(fake::options(&url)).expect("a client");
        let mut examination = Examination {
            client,
            observe: &|_| {},
            intermediaries: Intermediaries::default(),
            request_info: None,
            server_address: None,
            round_trip: Duration::ZERO,
            open_wires: Vec::new(),
            finished: Vec::new(),
            findings: Vec::new(),
            stage: ("messages", None),
        };
        examination.check_stream(Wire::Ws).await.expect("is done");
        let found = only(&examination).clone();
        (found.said.clone(), found.advice.unwrap_or_default())
    };
    let host = "have the proxy forward the host of the request";
    let cut = "\r\n{\"type\":\"urn:tricast:forbidden-origin\",\"detail\":\"pages of";
    for (fields, body) in [("tricast-problem: forbidden-origin\r\n", ""), ("", cut)] {
        let (said, advice) = refuse(fields, body, "accepted").await;
        assert!(advice.starts_with(host), "{said} {advice}");
        assert!(said.contains("(forbidden-origin)"), "{said}");
    }
    let (said, advice) = refuse("", "<html>no</html>", "refused").await;
    assert!(advice.starts_with(host) && said.contains("forbidden-origin"), "{said} {advice}");
    let (_, advice) = refuse("", "", "unknown").await;
    assert!(advice.starts_with(host) && advice.contains("pass the upgrade on"), "{advice}");
    // The gateway accepts the origin, so that it is not the cause.
    let (_, advice) = refuse("", "", "accepted").await;
    assert!(!advice.contains(host) && advice.contains("pass the upgrade on"), "{advice}");
    assert!(advice.contains("if that is not the cause"), "{advice}");
}
