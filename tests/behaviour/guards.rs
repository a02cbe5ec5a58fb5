//! Settings that hold a secret or an access rule: a mistake in one never leaves it silently off. What happens for each key and each
//! mistake is a table in SECURITY.md, which is made here.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::Path,
};

use serde_json::Value;
use tricast::{
    Gateway,
    settings::{GUARDS, Settings},
};
use tricast_tests::{Certificate, program};

/// A key with two good values, as TOML, and one as text of the environment.
struct Guard {
    key: &'static str,
    /// What it needs beside it; everything else is as it is by default.
    beside: &'static str,
    good: String,
    other: String,
    variable: String,
}

/// Whether the files are there is not the settings' business.
const TLS_KEY: &str = "tls.bind = \"127.0.0.1:0\"\ntls.key = \"key.pem\"\n";
const TLS_CERTIFICATE: &str = "tls.bind = \"127.0.0.1:0\"\ntls.certificate = \"cert.pem\"\n";

const SECRETS: [&str; 2] = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];

/// Each guard with values that are good beside the others'.
fn guards(certificate: &Certificate) -> Vec<Guard> {
    let with = |key, beside, good: &str, other: &str, variable: &str| Guard {
        key,
        beside,
        good: good.to_owned(),
        other: other.to_owned(),
        variable: variable.to_owned(),
    };
    let toml = |key, good: &str, other: &str| with(key, "", good, other, good);
    let beside = |beside, key, one: &str, other: &str| {
        with(key, beside, &format!("{one:?}"), &format!("{other:?}"), one)
    };
    let text = |key, one: &str, other: &str| beside("", key, one, other);
    let secret = |key| text(key, SECRETS[0], SECRETS[1]);
    let file = |name| certificate.file(name).display().to_string();
    let hash = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let key = |digit: &str| format!("[{{ name = \"shop\", hash = \"{}\" }}]", hash(digit));
    let namespace = |who: &str| format!("[{{ pattern = \"chat\", publish = \"{who}\" }}]");
    let key_file = |id: &str| {
        format!("[{{ algorithm = \"HS256\", file = {:?}, id = \"{id}\" }}]", file("key.pem"))
    };
    vec![
        toml("access.online", "false", "true"),
        toml("access.presence", "true", "false"),
        text("access.publish", "nobody", "anyone"),
        text("access.subscribe", "nobody", "anyone"),
        toml("admin.hosts", "[\"tricast.internal\"]", "[\"tricast\"]"),
        secret("admin.token"),
        toml("cors.origins", "[\"https://a.example\"]", "[\"https://b.example\"]"),
        secret("events.secret"),
        with(
            "hook.on",
            "hook.url = \"https://a.example/\"\n",
            "[\"publish\"]",
            "[\"connect\"]",
            "publish",
        ),
        secret("hook.secret"),
        beside("hook.on = [\"publish\"]\n", "hook.url", "https://a.example/", "https://b.example/"),
        toml("insecure", "true", "false"),
        toml("key", &key("0"), &key("1")),
        toml("namespace", &namespace("nobody"), &namespace("anyone")),
        text("proxy.fields", "forwarded", "x-forwarded"),
        with("proxy.protocol", "proxy.trusted = [\"192.0.2.1\"]\n", "true", "false", "true"),
        toml("proxy.trusted", "[\"192.0.2.1\"]", "[\"192.0.2.2\"]"),
        beside(TLS_KEY, "tls.certificate", &file("cert.pem"), "/elsewhere/cert.pem"),
        beside(TLS_CERTIFICATE, "tls.key", &file("key.pem"), "/elsewhere/key.pem"),
        text("tokens.audience", "0123", "1e3"),
        text("tokens.cookie", "session", "1e3"),
        text("tokens.issuer", "0123", "1.0"),
        text("tokens.jwks_url", "http://127.0.0.1:9/a", "http://127.0.0.1:9/b"),
        toml("tokens.keys", &key_file("a"), &key_file("b")),
        secret("tokens.secret"),
    ]
}

/// A file with nothing but this guard's line, which is `instead`, and what it needs.
fn file(guard: &Guard, instead: &str) -> Vec<u8> {
    [guard.beside, instead, "\n"].concat().into_bytes()
}

/// All guards set, but with `instead` in place of one key's line.
fn all(guards: &[Guard], key: &str, instead: &str) -> Vec<u8> {
    let mut text =
        "bind = \"127.0.0.1:0\"\nadmin.bind = \"127.0.0.1:0\"\ntls.bind = \"127.0.0.1:0\"\n\
                    events.url = \"https://a.example/\"\nevents.on = [\"gone\"]\n"
            .to_owned();
    for guard in guards {
        match guard.key == key {
            true => text.push_str(&format!("{instead}\n")),
            false => text.push_str(&format!("{} = {}\n", guard.key, guard.good)),
        }
    }
    text.into_bytes()
}

fn variable(key: &str) -> String {
    format!("TRICAST__{}", key.to_uppercase().replace('.', "__"))
}

/// What `settings` say of a key.
fn value(settings: &Settings, key: &str) -> Value {
    let all = serde_json::to_value(settings).expect("JSON");
    let secret = match key {
        "tokens.secret" => Some(&settings.tokens.secret),
        "hook.secret" => Some(&settings.hook.secret),
        "events.secret" => Some(&settings.events.secret),
        "admin.token" => Some(&settings.admin.token),
        _ => None,
    };
    match secret {
        // A secret shows nothing of itself otherwise.
        Some(secret) => secret.expose().into(),
        None => all.pointer(&format!("/{}", key.replace('.', "/"))).expect(key).clone(),
    }
}

/// What becomes of a setting, as the table says it.
fn outcome(
    key: &str,
    file: &[u8],
    variables: &[(OsString, OsString)],
    wanted: Option<&str>,
) -> &'static str {
    let reference = value(&Settings::from_toml("").expect("is good"), key);
    let loaded =
        Settings::from_layers(Some((Path::new("gateway.toml"), file)), variables.iter().cloned());
    match loaded {
        Err(error) => {
            let error = format!("{error:#}");
            let last = key.rsplit('.').next().expect("one");
            let named = error.to_lowercase().contains(last) || error.contains(", line ");
            assert!(named, "{key} is not named: {error}");
            assert!(!SECRETS.iter().any(|secret| error.contains(secret)), "{error}");
            "refused"
        }
        Ok(loaded) => {
            let value = value(&loaded.settings, key);
            match wanted {
                Some(wanted) if value == wanted || value == serde_json::json!([wanted]) => {
                    "as written"
                }
                _ if value == reference => "as absent",
                _ => panic!("{key} became {value}"),
            }
        }
    }
}

/// The text of the environment that is empty, not UTF-8, or of another type.
fn in_environment(guard: &Guard, bytes: &[u8]) -> &'static str {
    let value = OsString::from_vec(bytes.to_vec());
    let file = file(guard, "");
    let wanted = std::str::from_utf8(bytes).ok();
    outcome(guard.key, &file, &[(variable(guard.key).into(), value)], wanted)
}

fn row(guard: &Guard) -> String {
    let Guard { key, good, variable: text, .. } = guard;
    let in_file = |instead: &[u8]| {
        let mut bytes = file(guard, "(here)");
        let place = bytes.windows(6).position(|window| window == b"(here)").expect("is there");
        bytes.splice(place..place + 6, instead.iter().copied());
        outcome(key, &bytes, &[], None)
    };
    let reference = Settings::from_toml("").expect("is good");
    let absent = value(&reference, key);
    let empty = if absent.is_array() { "[]" } else { "\"\"" };
    // A key that is misspelt by one letter, and a variable whose underscores are.
    let misspelt = match key.rsplit_once('.') {
        Some((section, key)) => format!("{section}.{key}s = {good}"),
        None => format!("{key}s = {good}"),
    };
    let cells = [
        format!("`{absent}`"),
        in_file(format!("{key} = {empty}").as_bytes()).to_owned(),
        in_environment(guard, b"").to_owned(),
        in_file(&[format!("{key} = \"").as_bytes(), b"\xff\xfe\"".as_slice()].concat()).to_owned(),
        in_environment(guard, &[text.as_bytes(), b"\xff"].concat()).to_owned(),
        in_file(format!("{key} = 12345678901234567").as_bytes()).to_owned(),
        in_environment(guard, b"12345678901234567890123456789012").to_owned(),
        in_file(misspelt.as_bytes()).to_owned(),
        {
            let name = variable(key).replace("__", "_");
            outcome(key, &file(guard, ""), &[(name.into(), text.into())], None).to_owned()
        },
    ];
    format!("| `{key}` | {} |", cells.join(" | "))
}

/// Whether a change takes effect while the gateway runs.
async fn on_reload(guards: &[Guard]) -> Vec<&'static str> {
    let load = |file: &[u8]| {
        let file = Some((Path::new("gateway.toml"), file));
        Settings::from_layers(file, std::iter::empty()).expect("is good").settings
    };
    let before = load(&all(guards, "", ""));
    let gateway = Gateway::start(before.clone()).expect("starts");
    let mut words = Vec::new();
    for Guard { key, other, .. } in guards {
        let changed = load(&all(guards, key, &format!("{key} = {other}")));
        let (now, later) = gateway.reload(changed).expect("is good");
        gateway.reload(before.clone()).expect("is good");
        let is = |keys: &[String]| keys.iter().any(|own| own == key);
        words.push(match (is(&now), is(&later)) {
            (true, false) => "at once",
            (false, true) => "new start",
            _ => panic!("{key}: {now:?}, {later:?}"),
        });
    }
    words
}

#[tokio::test]
async fn no_secret_and_no_access_rule_is_silently_off() {
    let certificate = Certificate::make();
    let guards = guards(&certificate);
    let keys: Vec<&str> = guards.iter().map(|guard| guard.key).collect();
    assert_eq!(keys, GUARDS, "a key that guards something has to have a row");
    let rows = guards.iter().map(row).collect::<Vec<_>>();
    let rows = rows.iter().zip(on_reload(&guards).await);
    let rows: Vec<_> = rows.map(|(row, reload)| format!("{row} {reload} |")).collect();
    for row in &rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        // A variable that is empty, and what is not UTF-8, of another type in a file, or misspelt, is never taken for something else.
        assert!(cells[4..=7].iter().chain(&cells[9..=10]).all(|cell| *cell == "refused"), "{row}");
    }
    let table = rows.join("\n");
    let document = include_str!("../../SECURITY.md");
    assert!(document.contains(&table), "SECURITY.md has to say:\n{table}");
}

/// Kubernetes and others set variables that begin like ours.
#[test]
fn variables_of_others_are_ignored_and_near_misses_are_told() {
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

/// What is text in gateway.toml is text in the environment, and the rest is what it is there.
#[test]
fn values_of_the_environment_are_what_gateway_toml_would_hold() {
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
fn a_file_that_cannot_be_read_as_toml_is_refused_with_its_place_and_shows_no_line() {
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
fn a_secret_with_something_around_it_is_told() {
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
