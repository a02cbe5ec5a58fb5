//! Settings that hold a secret or an access rule: a mistake in one never leaves it silently off.
//! SECURITY.md has the table of each key and each mistake, which this test makes.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _, path::Path};

use serde_json::Value;
use tricast::{
    Gateway, ReloadReport,
    settings::{SECURITY_KEYS, Settings},
};
use tricast_tests::Certificate;

/// A key with two good values, as TOML, and one as text of the environment.
struct Guard {
    key: &'static str,
    /// The settings that the key needs beside it; all others have their defaults.
    beside: &'static str,
    good: String,
    other: String,
    variable: String,
}

/// The settings do not check whether the files exist.
const TLS_KEY: &str = "tls.bind = \"127.0.0.1:0\"\ntls.key = \"key.pem\"\n";
const TLS_CERTIFICATE: &str = "tls.bind = \"127.0.0.1:0\"\ntls.certificate = \"cert.pem\"\n";

pub(super) const SECRETS: [&str; 2] =
    ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];

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
    let upstream = |host: &str| format!("[{{ name = \"main\", url = \"https://{host}/v1\" }}]");
    let key_file = |id: &str| {
        format!("[{{ algorithm = \"HS256\", file = {:?}, id = \"{id}\" }}]", file("key.pem"))
    };
    vec![
        toml("access.online", "false", "true"),
        toml("access.presence", "true", "false"),
        text("access.prompt", "auto", "anyone"),
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
        toml("llm", &upstream("a"), &upstream("b")),
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

/// The value of a key in `settings`.
pub(super) fn value(settings: &Settings, key: &str) -> Value {
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

/// The fate of a setting, in the words of the table.
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

/// Tells whether a change applies while the gateway runs.
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
        let ReloadReport { applied, needs_restart } = gateway.reload(changed).expect("is good");
        gateway.reload(before.clone()).expect("is good");
        let is = |keys: &[String]| keys.iter().any(|own| own == key);
        words.push(match (is(&applied), is(&needs_restart)) {
            (true, false) => "at once",
            (false, true) => "restart",
            _ => panic!("{key}: {applied:?}, {needs_restart:?}"),
        });
    }
    words
}

#[tokio::test]
async fn no_secret_and_no_access_rule_is_silently_off() {
    let certificate = Certificate::make();
    let guards = guards(&certificate);
    let keys: Vec<&str> = guards.iter().map(|guard| guard.key).collect();
    assert_eq!(keys, SECURITY_KEYS, "a key that guards something has to have a row");
    let rows = guards.iter().map(row).collect::<Vec<_>>();
    let rows = rows.iter().zip(on_reload(&guards).await);
    let rows: Vec<_> = rows.map(|(row, reload)| format!("{row} {reload} |")).collect();
    for row in &rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        // A variable that is empty, and a value that is not UTF-8, has another type or a misspelt
        // key, is never read as something else.
        assert!(cells[4..=7].iter().chain(&cells[9..=10]).all(|cell| *cell == "refused"), "{row}");
    }
    let table = rows.join("\n");
    let document = include_str!("../../SECURITY.md");
    assert!(document.contains(&table), "SECURITY.md has to say:\n{table}");
}
