//! Keys from a URL, with a real server: available, away, rotated, and never trusted after a
//! redirect.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tricast_admission::{Algorithm, Signer, TokenSpec};
use tricast_tests::{Server, eventually};

/// A test's own key pair (Ed25519), and its public half as a set.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
    -----END PRIVATE KEY-----\n";
const PUBLIC: &str = concat!(
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","#,
    r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#
);

/// Serves the text in `answer`.
async fn serve(answer: Arc<Mutex<String>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let answer = answer.lock().expect("no panic").clone();
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}/keys.json")
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_gateway_fetches_its_keys_and_waits_for_them() {
    let answer = Arc::new(Mutex::new(
        "HTTP/1.1 500 Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
    ));
    let url = serve(answer.clone()).await;
    let server = Server::with(&format!("[tokens]\njwks_url = {url:?}")).await;
    let signer = Signer::new(Algorithm::EdDSA, PRIVATE.as_bytes(), Some("one".to_owned()));
    let grant =
        TokenSpec { subscribe: vec!["a".parse().expect("a pattern")], ..TokenSpec::default() };
    let token = signer.expect("a key").sign(&grant.valid_for(600)).expect("signs");
    let ask = async || {
        let head = format!("GET /history/a HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}");
        server.request(&head, b"").await
    };
    // The client is refused, and the token is not called bad: the gateway does not know.
    let refused = ask().await;
    assert_eq!((refused.status, refused.problem().as_str()), (503, "keys-unavailable"));
    assert!(refused.fields.contains_key("retry-after") && !refused.text().contains(&url));
    // An attacker that can redirect could choose the keys.
    let elsewhere = serve(Arc::new(Mutex::new(ok(PUBLIC)))).await;
    *answer.lock().expect("no panic") = format!(
        "HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    assert_eq!(ask().await.status, 503);
    *answer.lock().expect("no panic") = ok(PUBLIC);
    eventually("the keys have come", async || (ask().await.status == 200).then_some(())).await;
    // And stay while the URL is away.
    *answer.lock().expect("no panic") = String::new();
    assert_eq!(ask().await.status, 200);
}
