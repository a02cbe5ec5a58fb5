//! The layers of the settings: values from the file and from variables are taken as written, or
//! refused by name.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    path::Path,
};

use tricast::settings::Settings;
use tricast_tests::program;

use super::guards::{SECRETS, value};

/// Kubernetes and others set variables that begin like ours.
#[test]
fn foreign_variables_are_ignored_and_near_misses_are_reported() {
    let load = |name: &str, value: &[u8]| {
        let variable = (OsStr::new(name).to_owned(), OsStr::from_bytes(value).to_owned());
        Settings::from_layers(None, std::iter::once(variable))
            .map(|loaded| loaded.warnings)
            .map_err(|error| format!("{error:#}"))
    };
    for name in [
        "TRICAST_PORT_8080_TCP",
        "TRICAST_SERVICE_HOST",
        "TRICAST_PORT",
        "TRICAST_ADMIN_PORT_9464_TCP_ADDR",
        "TRICAST_URL",
        "TRICAST",
        "TRICAST_",
        "PATH",
        "XTRICAST__BIND",
    ] {
        assert_eq!(load(name, b"\xff"), Ok(Vec::new()), "{name}");
    }
    for (name, key) in [
        ("TRICAST_BIND", "TRICAST__BIND"),
        ("TRICAST_STREAM_HEARTBEAT", "TRICAST__STREAM__HEARTBEAT"),
        ("TRICAST_STREAM__HEARTBEAT", "TRICAST__STREAM__HEARTBEAT"),
        ("tricast_limits_message_bytes", "TRICAST__LIMITS__MESSAGE_BYTES"),
    ] {
        let warnings = load(name, b"0.0.0.0:1").expect("is a warning");
        assert!(warnings.len() == 1 && warnings[0].contains(key), "{warnings:?}");
    }
    for (name, key) in [
        ("TRICAST_TOKENS__SECRET", "TRICAST__TOKENS__SECRET"),
        ("TRICAST_TOKENS_SECRET", "TRICAST__TOKENS__SECRET"),
        ("TRICAST_ACCESS_PUBLISH", "TRICAST__ACCESS__PUBLISH"),
        ("TRICAST_KEY", "TRICAST__KEY"),
        ("TRICAST__TOKENS_SECRET", "tokens.secret"),
        ("TRICAST__TOKEN__SECRET", "tokens.secret"),
        ("TRICAST__SECRET", "no setting"),
        ("TRICAST__STREAM__HARTBEAT", "stream.heartbeat"),
        ("TRICAST__STREAM", "is a section"),
        ("TRICAST__NAMESPACE__0__PATTERN", "no setting"),
        ("TRICAST__", "no setting"),
    ] {
        let error = load(name, b"secret-text").expect_err(name);
        assert!(
            error.contains(name) && error.contains(key) && !error.contains("secret-text"),
            "{error}"
        );
        assert!(!error.contains("insecure"), "nobody is to be sent there: {error}");
    }
    let name = OsStr::from_bytes(b"TRICAST__TOKENS__SECRET\xff").to_owned();
    let variables = [(name, OsString::from(SECRETS[0]))];
    assert!(Settings::from_layers(None, variables.into_iter()).is_err());
    let twice = ["TRICAST__TOKENS__SECRET", "tricast__tokens__secret"];
    let twice = twice.map(|name| (OsString::from(name), OsString::from(SECRETS[0])));
    let error = Settings::from_layers(None, twice.into_iter()).expect_err("is ambiguous");
    assert!(format!("{error:#}").contains("unset one of them"), "{error:#}");
}

/// Text in gateway.toml is text in the environment, and other types keep their type.
#[test]
fn a_value_in_the_environment_means_what_it_means_in_gateway_toml() {
    let load = |name: &str, text: &str| {
        let variable = (OsString::from(name), OsString::from(text));
        Settings::from_layers(None, std::iter::once(variable)).map(|loaded| loaded.settings)
    };
    let good = |name: &str, text: &str, key: &str| {
        value(&load(name, text).unwrap_or_else(|error| panic!("{name}={text}: {error:#}")), key)
    };
    for text in [
        "12345678901234567890",
        "1234567890.123450",
        "0000111122223333",
        "1e300000000000000",
        "0x1234567890123456",
        "trueorfalse,really",
        "2026-11-30T00:00:00Z",
        "a secret = \"of\" [all] sorts",
    ] {
        assert_eq!(good("TRICAST__ADMIN__TOKEN", text, "admin.token"), text);
        assert_eq!(good("TRICAST__TOKENS__AUDIENCE", text, "tokens.audience"), text);
    }
    for text in ["0123", "1e3", "1.0", "007", "true", " spaces "] {
        assert_eq!(good("TRICAST__TOKENS__ISSUER", text, "tokens.issuer"), text);
    }
    for text in ["https://a.example,https://b.example", "https://a.example, https://b.example,"] {
        let origins = good("TRICAST__CORS__ORIGINS", text, "cors.origins");
        assert_eq!(
            origins,
            serde_json::json!(["https://a.example", "https://b.example"]),
            "{text}"
        );
    }
    let list = r#"["https://a.example", "https://b.example"]"#;
    let origins = good("TRICAST__CORS__ORIGINS", list, "cors.origins");
    assert_eq!(origins, serde_json::json!(["https://a.example", "https://b.example"]));
    // An empty list is written as one, where it would take something away that guards.
    assert_eq!(good("TRICAST__PROXY__TRUSTED", "[]", "proxy.trusted"), serde_json::json!([]));
    for text in ["", "[]", " ", ","] {
        assert_eq!(good("TRICAST__EVENTS__ON", text, "events.on"), serde_json::json!([]));
        let error = match text {
            "[]" => continue,
            empty => load("TRICAST__KEY", empty).expect_err("takes keys away"),
        };
        assert!(format!("{error:#}").contains("written []"), "{error:#}");
    }
    let bind = good("TRICAST__BIND", "[::1]:8080,127.0.0.1:80", "bind");
    assert_eq!(bind, serde_json::json!(["[::1]:8080", "127.0.0.1:80"]));
    let key = format!("[{{ name = \"shop\", hash = \"sha256:{}\" }}]", "0".repeat(64));
    assert_eq!(good("TRICAST__KEY", &key, "key")[0]["name"], "shop");
    assert_eq!(good("TRICAST__SHARDS", "3", "shards"), 3);
    assert_eq!(good("TRICAST__RATES__BYTES_PER_USER", "2MiB", "rates.bytes_per_user"), "2.0 MiB");
    for text in ["1", "true", "TRUE", "on", "yes"] {
        assert_eq!(good("TRICAST__ACCESS__PRESENCE", text, "access.presence"), true);
    }
    for (name, text) in [
        ("TRICAST__ACCESS__PRESENCE", "maybe"),
        ("TRICAST__SHARDS", "many"),
        ("TRICAST__SHARDS", "1.5"),
        ("TRICAST__BIND", "8080"),
        ("TRICAST__HOOK__ON", "always"),
        ("TRICAST__KEY", "tricast_key_abc"),
        ("TRICAST__STREAM__HEARTBEAT", "soon"),
        ("TRICAST__NAMESPACE", "[{pattern = \"a\"}]\n[[x]]\ny = 1"),
    ] {
        let error = format!("{:#}", load(name, text).expect_err(name));
        assert!(error.contains(name), "{error}");
        assert!(!error.contains("variant") && !error.contains("enum"), "{error}");
        assert!(!error.contains("tricast_key_abc"), "{error}");
    }
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_the_position_and_no_content() {
    let load = |bytes: &[u8]| {
        let error = Settings::from_layers(Some((Path::new("a.toml"), bytes)), std::iter::empty());
        format!("{:#}", error.expect_err("is bad"))
    };
    let secret = SECRETS[0];
    let cyrillic = [b"[tokens]\nsecret = \"".as_slice(), &[0xef, 0xe0, 0xf0], b"\"\n"].concat();
    let error = load(&cyrillic);
    assert!(error.contains("a.toml, line 2, column 11") && error.contains("UTF-8"), "{error}");
    let error = load(format!("[tokens]\nsecret = \"{secret}\n").as_bytes());
    assert!(error.contains("a.toml, line 2") && !error.contains(secret), "{error}");
    let error = load(b"[tokens]\nsecret = 1234567890123456789012\n");
    assert!(!error.contains("12345678901234"), "{error}");
    let error = load(b"[tokens]\nsecret = 123456789012345678\n");
    assert!(error.contains("tokens.secret") && !error.contains("12345678901234"), "{error}");
    // A secret in the wrong place, or of the wrong form.
    for text in [
        "key = \"(hidden)\"",
        "key = [\"(hidden)\"]",
        "keys = [\"(hidden)\"]",
        "tokens = \"(hidden)\"",
        "admin = \"(hidden)\"",
        "[[tokens.keys]]\nalgorithm = \"(hidden)\"\nfile = \"a\"",
        "tokens.keys = \"(hidden)\"",
        "[hook]\nurl = \"ftp://user:(hidden)@host/\"\non = [\"publish\"]",
        "[events]\nurl = \"ftp://user:(hidden)@host/\"\non = [\"gone\"]",
        "[tokens]\njwks_url = \"ftp://user:(hidden)@host/\"",
    ] {
        let error = load(text.as_bytes());
        assert!(!error.contains("(hidden)"), "{error}");
    }
    assert!(
        load(b"[stream]\nheartbeat = \"soon\"").contains("soon"),
        "what guards nothing is shown"
    );
    assert!(
        load("[tokens]\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice())
            .contains("a.toml")
    );
}

#[test]
fn a_secret_with_quotes_or_spaces_is_reported() {
    let load = |text: &str| {
        let variable = (OsString::from("TRICAST__TOKENS__SECRET"), OsString::from(text));
        let loaded = Settings::from_layers(None, std::iter::once(variable)).expect("is good");
        assert_eq!(loaded.settings.tokens.secret.expose(), text, "it counts as it is");
        loaded.warnings
    };
    assert!(load(SECRETS[0]).is_empty());
    let secret = SECRETS[0];
    for odd in [
        format!("\"{secret}\""),
        format!("'{secret}'"),
        format!("{secret}\n"),
        format!(" {secret}"),
    ] {
        let warnings = load(&odd);
        assert!(warnings.len() == 1 && warnings[0].contains("tokens.secret"), "{warnings:?}");
        assert!(!warnings[0].contains(secret), "{warnings:?}");
    }
}

/// The program is given the same words: as the environment has them, and as a reload reads them.
#[tokio::test]
async fn the_program_refuses_what_is_not_utf8() {
    for (name, value) in [
        ("TRICAST__TOKENS__SECRET", &b"\xffaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"[..]),
        ("TRICAST__ADMIN__TOKEN", b"adminadminadminadmin\xe9"),
        ("TRICAST__ACCESS__PUBLISH", b"nobody\xff"),
        ("LISTEN_FDNAMES", b"admin\xff"),
    ] {
        let mut command = program::tricast();
        let output = command.env(name, OsStr::from_bytes(value)).output().await.expect("runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success() && said.contains(name), "{name}: {said}");
    }
    let mut command = program::tricast();
    command.env("TRICAST_STREAM_RETRY", "1s");
    let output = command.arg("check").output().await.expect("runs");
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && said.contains("TRICAST__STREAM__RETRY"), "{said}");
}
