//! Prompts: a model is asked, and its answer comes on every wire, to every device, with a true end.

use serde_json::{Value, json};
use tricast_admission::KeyHash;
use tricast_tests::{Answer, Reader, SECRET, Server, Upstream, token_of};

mod answers;
mod cancelling;
mod handing_over;
mod late;
mod openai;
mod refusals;
mod services;
mod settings;

const KEY: &str = "tricast_key_the-backend-of-the-tests-that-prompts-models";

/// Anybody may prompt, and no upstream has a key.
const OPEN: &str = "[access]\nprompt = \"anyone\"\n";

/// A gateway that asks `upstream`. `more` is appended to the settings.
async fn server(upstream: &Upstream, more: &str) -> Server {
    Server::with(&format!("{}{more}", upstream.settings(""))).await
}

/// A gateway whose users need a token to prompt, and whose backend has `KEY`.
async fn guarded(upstream: &Upstream, more: &str) -> Server {
    let key = format!(
        "[[key]]\nname = \"shop\"\nhash = \"{}\"\nsubscribe = [\"**\", \"@*\"]\n\
         prompt = [\"**\", \"@*\"]\n",
        KeyHash::of(KEY)
    );
    let tokens = format!("[access]\nprompt = \"token\"\n[tokens]\nsecret = \"{SECRET}\"\n");
    Server::with(&format!("{}{key}{tokens}{more}", upstream.settings(""))).await
}

/// A token of `user`, who may listen everywhere and prompt where `prompt` says.
fn prompter(user: &str, prompt: &[&str]) -> String {
    token_of(json!({"sub": user, "subscribe": ["**"], "prompt": prompt}), 60)
}

/// Posts a prompt; `fields` are further lines of the head.
async fn prompt(server: &Server, target: &str, fields: &str, body: &str) -> Answer {
    let media = if body.starts_with('{') { "application/json" } else { "text/plain" };
    let head = format!(
        "POST /llm{target} HTTP/1.1\r\nHost: t\r\nContent-Type: {media}\r\n\
         Content-Length: {}{fields}",
        body.len()
    );
    server.request(&head, body.as_bytes()).await
}

fn bearer(token: &str) -> String {
    format!("\r\nAuthorization: Bearer {token}")
}

/// Starts a run, and returns its id.
async fn start(server: &Server, target: &str, fields: &str, body: &str) -> String {
    let answer = prompt(server, target, fields, body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let document = answer.json();
    assert_eq!(document["run"], answer.fields["tricast-run"], "{answer:?}");
    assert_eq!(document["channel"], answer.fields["tricast-channel"], "{answer:?}");
    assert_eq!(document["id"], answer.fields["tricast-id"], "{answer:?}");
    document["run"].as_str().expect("an id").to_owned()
}

/// Reads the next message of a run, and returns its name without the prefix, and its data.
async fn next(reader: &mut Reader) -> (String, Value) {
    let document = reader.document().await;
    let event = document["event"].as_str().and_then(|it| it.strip_prefix("tricast.llm."));
    let event = event.unwrap_or_else(|| panic!("{document}")).to_owned();
    (event, document["data"].clone())
}

/// Reads until the end of a run; returns the joined deltas, and the data of the end.
async fn read_answer(reader: &mut Reader) -> (String, Value) {
    let (event, data) = next(reader).await;
    assert_eq!(event, "start", "{data}");
    let mut text = String::new();
    loop {
        let (event, data) = next(reader).await;
        match event.as_str() {
            "delta" => {
                let choice = &data["choices"][0];
                assert_eq!(choice["at"].as_u64(), Some(text.len() as u64), "{data}");
                text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
            }
            "end" => return (text, data),
            _ => panic!("{event}: {data}"),
        }
    }
}

fn content(end: &Value) -> &str {
    end["choices"][0]["message"]["content"].as_str().expect("a text")
}
