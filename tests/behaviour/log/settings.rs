//! What keeps a gateway with a log on disk from starting, and what its operator reads then.

use std::{fs, os::unix::fs::PermissionsExt as _};

use tempfile::TempDir;
use tricast::{Gateway, settings::Settings};
use tricast_tests::{Server, each_delivery, program};

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (log, wanted) in [
        ("engine = \"memory\"\npath = \"/var/lib/tricast\"", "remove log.path"),
        ("engine = \"disk\"", "log.path: name the directory"),
        ("engine = \"nats\"", "not built yet"),
        ("path = \"a\"\nfsync = \"sometimes\"", "\"always\", \"100ms\" or \"os\""),
        ("path = \"a\"\nfsync = \"1ns\"", "log.fsync: from 10ms"),
        ("path = \"a\"\nbytes = \"1MiB\"", "log.bytes: at least 16MiB"),
        ("path = \"a\"\nage = \"1s\"", "log.age: from 1m"),
        ("path = \"a\"\nread_memory = 5", "log.read_memory: at least 4MiB"),
    ] {
        let error = Settings::from_toml(&format!("[log]\n{log}")).expect_err(log);
        let error = format!("{error:#}");
        assert!(error.contains(wanted), "{log}: {error}");
    }
}

#[test]
fn an_unset_age_is_that_of_the_log() {
    let channel = "a".parse().expect("a name");
    for (text, seconds) in [
        ("", 3600),
        ("[log]\npath = \"a\"", 7 * 86_400),
        ("[log]\npath = \"a\"\nage = \"2h\"", 7200),
        ("[history]\nage = \"5m\"\n[log]\npath = \"a\"", 300),
    ] {
        let settings = Settings::from_toml(text).expect("good settings");
        let rules = settings.channel_rules();
        assert_eq!(rules.for_channel(&channel).history.age.as_secs(), seconds, "{text}");
    }
}

fn start_error(path: &str) -> String {
    let text =
        format!("bind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\n[log]\npath = {path:?}");
    let started = Gateway::start(Settings::from_toml(&text).expect("good settings"));
    format!("{:#}", started.expect_err("must not start"))
}

async fn a_directory_that_is_not_one_for_a_log_is_refused_with_advice() {
    let error = start_error("/dev/null/log");
    assert!(error.contains("TRICAST__LOG__ENGINE=memory"), "{error}");
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8").to_owned();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("its owner");
    let error = start_error(&path);
    assert!(error.contains(&format!("chmod 700 {path}")), "{error}");
}

async fn a_directory_has_one_gateway_and_a_check_does_not_disturb_it() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8").to_owned();
    let server = Server::with(&format!("[log]\npath = {path:?}")).await;
    server.publish("a", "1").await;
    let error = start_error(&path);
    assert!(error.contains("another process has the log open"), "{error}");
    let mut check = program::tricast();
    let check = check.arg("check").env("TRICAST__LOG__PATH", &path);
    let output = check.output().await.expect("runs");
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let note = format!("note: process {} has the log in {path} open", std::process::id());
    assert!(said.contains(&note), "{said}");
    server.publish("a", "2").await;
    server.gateway.shutdown().await;
    let mut check = program::tricast();
    check.arg("check").env("TRICAST__LOG__PATH", &path).env("TRICAST__LOG__BYTES", "16MiB");
    let output = check.output().await.expect("runs");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nobody has it");
}

/// The line of `tricast check --channel` about the log.
async fn line_about_the_log(settings: &str, channel: &str) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(&file, settings).expect("writes");
    let mut check = program::tricast();
    check.args(["check", "--channel", channel, "--config"]).arg(file.path());
    let output = check.output().await.expect("runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = said.lines().find_map(|line| line.strip_prefix("log  ")).expect(&said);
    line.trim().to_owned()
}

async fn a_check_of_a_channel_says_where_its_messages_are() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().display();
    let disk =
        format!("[log]\npath = \"{path}\"\n[[namespace]]\npattern = \"typing.*\"\nlog = false\n");
    assert_eq!(line_about_the_log(&disk, "news").await, format!("on disk, in {path}"));
    let unlogged = line_about_the_log(&disk, "typing.a").await;
    assert_eq!(unlogged, "in memory alone (log = false)");
    assert_eq!(line_about_the_log("", "news").await, "in memory");
}

async fn a_check_makes_no_directory_and_says_what_would_keep_a_gateway_from_starting() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("log");
    let mut check = program::tricast();
    let output = check.arg("check").env("TRICAST__LOG__PATH", &path).output().await.expect("runs");
    assert!(output.status.success() && !path.exists(), "{output:?}");
    fs::write(&path, "a file").expect("is written");
    let mut check = program::tricast();
    let output = check.arg("check").env("TRICAST__LOG__PATH", &path).output().await.expect("runs");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("is not a directory"), "{error}");
}

each_delivery!(
    a_directory_that_is_not_one_for_a_log_is_refused_with_advice,
    a_directory_has_one_gateway_and_a_check_does_not_disturb_it,
    a_check_of_a_channel_says_where_its_messages_are,
    a_check_makes_no_directory_and_says_what_would_keep_a_gateway_from_starting,
);
