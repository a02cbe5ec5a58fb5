//! The program's commands beside `serve`: tokens, keys, and which rules hold for a channel.

use std::process::Stdio;

use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command};
use tricast_admission::{Algorithm, KeyHash, Signer, TokenSpec};
use tricast_tests::{SECRET, Server};

/// Runs a command; gives whether it succeeded, its standard output, and its standard error.
async fn run(args: &[&str], settings: &[(&str, &str)], input: &str) -> (bool, String, String) {
    let mut command: Command = tricast_tests::program::tricast();
    command.args(args).envs(settings.iter().copied()).stdin(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).await.expect("takes it");
    drop(stdin);
    let output = child.wait_with_output().await.expect("ends");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.success(), text(output.stdout), text(output.stderr))
}

const WITH_SECRET: [(&str, &str); 1] = [("TRICAST__TOKENS__SECRET", SECRET)];

async fn only_the_token_is_printed_and_it_grants_what_it_claims() {
    let args =
        ["token", "--sub", "alice", "--subscribe", "orders.*", "--publish", "chat", "--ttl", "1m"];
    let (fine, token, said) = run(&args, &WITH_SECRET, "").await;
    assert!(fine && said.is_empty(), "{said}");
    assert_eq!((token.lines().count(), token.trim().split('.').count()), (1, 3), "{token}");
    let server = Server::with(&format!("[tokens]\nsecret = \"{SECRET}\"")).await;
    let get = async |path: &str| {
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {}", token.trim());
        server.request(&head, b"").await.status
    };
    assert_eq!((get("/history/orders.42").await, get("/history/chat").await), (200, 403));
    // From standard input, so that it appears in no list of processes.
    let (fine, read, _) = run(&["token", "--inspect"], &WITH_SECRET, &token).await;
    assert!(fine && read.contains("valid with these settings"), "{read}");
    let claims = read.lines().find_map(|line| line.strip_prefix("claims ")).expect("claims");
    let claims: Value = serde_json::from_str(claims).expect("JSON");
    assert_eq!((&claims["sub"], &claims["subscribe"][0]), (&"alice".into(), &"orders.*".into()));
    let (fine, read, said) = run(&["token", "--inspect", token.trim()], &[], "").await;
    assert!(!fine && read.contains("expires in") && said.contains("no token keys"), "{read}{said}");
    let (fine, _, said) = run(&["token", "--inspect"], &WITH_SECRET, "nonsense").await;
    assert!(!fine && said.contains("not a JSON Web Token") && !said.contains("nonsense"), "{said}");
}

async fn a_token_that_cannot_be_made_is_refused_with_the_reason() {
    let (fine, out, said) = run(&["token", "--sub", "alice"], &[], "").await;
    assert!(!fine && out.is_empty() && said.contains("tokens.secret"), "{said}");
    let short = [("TRICAST__TOKENS__SECRET", "short")];
    let (fine, _, said) = run(&["token"], &short, "").await;
    assert!(!fine && said.contains("32 bytes") && !said.contains("short\""), "{said}");
    for (ttl, reason) in [
        ("60", "60 has no unit; write 60s"),
        ("soon", "as in 15s or 1h"),
        ("500ms", "from 1s to 3650d, not 500ms"),
    ] {
        let (fine, out, said) = run(&["token", "--ttl", ttl], &WITH_SECRET, "").await;
        assert!(!fine && out.is_empty() && said.contains(reason), "{ttl}: {said}");
    }
    let (fine, out, said) = run(&["token", "eyJ0.eyJ0.abc"], &WITH_SECRET, "").await;
    assert!(!fine && out.is_empty() && said.contains("--inspect"), "{said}");
    assert!(!said.contains("eyJ0"), "{said}");
    let args = ["token", "--sub", "a", "--subscribe", "a.*", "chat"];
    let (fine, out, said) = run(&args, &WITH_SECRET, "").await;
    assert!(!fine && out.is_empty() && !said.contains("--inspect"), "{said}");
    assert!(said.contains("an option takes one value; repeat it, as in --subscribe"), "{said}");
    for args in
        [["token", "--subscribe", "a*"], ["token", "--sub", "a b"], ["token", "--info", "{"]]
    {
        let (fine, out, _) = run(&args, &WITH_SECRET, "").await;
        assert!(!fine && out.is_empty(), "{args:?}");
    }
}

async fn a_key_is_printed_alone_and_its_settings_beside_it() {
    let (fine, key, said) = run(&["key", "--name", "shop", "--publish", "orders.*"], &[], "").await;
    assert!(fine && key.starts_with("tricast_key_"), "{key}{said}");
    assert!(
        said.contains(&KeyHash::of(key.trim()).to_string()) && !said.contains(key.trim()),
        "{said}"
    );
    // Its output can be pasted into the settings.
    let server = Server::with(&said).await;
    let publish = async |channel: &str| {
        let head = format!(
            "POST /publish/{channel} HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\
             Authorization: Bearer {}",
            key.trim()
        );
        server.request(&head, b"x").await.status
    };
    assert_eq!((publish("orders.1").await, publish("chat").await), (200, 403));
    assert_eq!(server.post("/publish/orders.1", "", b"x").await.status, 401, "nobody else");
    let (_, other, _) = run(&["key", "--name", "other"], &[], "").await;
    assert_ne!(key, other);
}

async fn which_namespace_a_channel_has_and_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.toml");
    let settings = "[[namespace]]\npattern = \"orders.vip\"\nonline = false
        [[namespace]]\npattern = \"orders.*\"\npublish = \"nobody\"
        history = { messages = 7, age = \"90s\" }";
    std::fs::write(&file, settings).expect("writes");
    let file = file.to_str().expect("UTF-8");
    let check = async |channel: &str| {
        run(&["check", "--config", file, "--channel", channel], &[], "").await
    };
    let (fine, text, _) = check("orders.42").await;
    assert!(fine && text.starts_with("orders.42: [[namespace]] 2 (\"orders.*\")"), "{text}");
    assert!(
        text.contains("publish              nobody") && text.contains("7 messages, 16MiB, 90s"),
        "{text}"
    );
    let (_, text, _) = check("orders.vip").await;
    assert!(text.contains("[[namespace]] 1") && text.contains("hidden"), "{text}");
    let (_, text, _) = check("chat").await;
    assert!(text.contains("[access], because no [[namespace]] matches"), "{text}");
    let (_, text, _) = check("@alice").await;
    assert!(
        text.contains("subscribe            any client that says it is alice: anyone"),
        "{text}"
    );
    let args = ["check", "--config", file, "--channel", "@alice"];
    let (_, text, _) = run(&args, &WITH_SECRET, "").await;
    assert!(text.contains("subscribe            alice with a token"), "{text}");
    let (fine, _, said) = check("a/b").await;
    assert!(!fine && said.contains("a channel name cannot contain '/'"), "{said}");
}

/// A value without its option, and a setting as an option, are what newcomers write.
async fn a_slip_in_the_arguments_says_what_to_write() {
    for (args, tip) in [
        (&["gateway.toml"][..], "write --config gateway.toml"),
        (&["check", "gateway.toml"], "write --config gateway.toml"),
        (&["serve", "conf/a"], "write --config conf/a"),
        (&["key", "shop"], "write --name shop"),
        (&["--bind", "0.0.0.0:80"], "bind is a setting: TRICAST__BIND in the environment"),
        (&["serve", "--base-path=/a"], "base_path is a setting: TRICAST__BASE_PATH"),
        (&["--port", "80"], "bind is a setting: TRICAST__BIND"),
        (&["--heartbeat", "5s"], "stream.heartbeat is a setting: TRICAST__STREAM__HEARTBEAT"),
        (&["serf"], "serve"),
    ] {
        let (fine, out, said) = run(args, &[], "").await;
        assert!(!fine && out.is_empty() && said.contains(tip), "{args:?}: {said}");
    }
}

async fn an_end_that_cannot_be_meant_is_remarked_on() {
    let signer = Signer::new(Algorithm::HS256, SECRET.as_bytes(), None).expect("a key");
    let seconds = tricast_core::unix_millis() / 1000;
    for (exp, remark) in [
        (seconds * 1000, "is exp in milliseconds? It counts seconds since 1970"),
        (0, "its exp is 1970-01-01 or earlier"),
        (seconds + 60, "expires in"),
    ] {
        let token = signer.sign(&TokenSpec { exp, ..TokenSpec::default() });
        let token = token.expect("signs");
        let (_, out, said) = run(&["token", "--inspect", &token], &WITH_SECRET, "").await;
        let all = format!("{out}{said}");
        assert!(all.contains(remark), "{exp}: {all}");
        assert_eq!(all.contains("milliseconds"), exp > seconds * 2, "{exp}: {all}");
    }
}

/// Read as a number it would lose its digits.
async fn a_secret_in_the_environment_is_text() {
    for secret in [
        "12345678901234567890123456789012345",
        "1e10000000000000000000000000000000000",
        "true_________________________________",
    ] {
        let (fine, token, said) =
            run(&["token", "--sub", "a"], &[("TRICAST__TOKENS__SECRET", secret)], "").await;
        assert!(fine, "{said}");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), format!("[tokens]\nsecret = {secret:?}")).expect("writes");
        let path = file.path().to_str().expect("UTF-8");
        let (fine, _, said) = run(&["token", "--inspect", "--config", path], &[], &token).await;
        assert!(fine, "{secret}: {said}");
    }
}

tricast_tests::each_delivery_and_transport!(
    only_the_token_is_printed_and_it_grants_what_it_claims,
    a_token_that_cannot_be_made_is_refused_with_the_reason,
    a_key_is_printed_alone_and_its_settings_beside_it,
    which_namespace_a_channel_has_and_why,
    a_slip_in_the_arguments_says_what_to_write,
    an_end_that_cannot_be_meant_is_remarked_on,
    a_secret_in_the_environment_is_text
);
