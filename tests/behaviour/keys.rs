//! `tricast key --append`: a settings file gets a key whole, or stays as it was.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Output,
    sync::atomic::{AtomicBool, Ordering},
};

use tempfile::TempDir;
use tricast_tests::{Connection, program};

struct Settings {
    folder: TempDir,
}

impl Settings {
    fn with(text: &str) -> Self {
        let settings = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::write(settings.file(), text).expect("writes");
        settings
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("gateway.toml")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.file()).expect("reads")
    }

    async fn append(&self, args: &[&str]) -> Output {
        append(&self.file(), args).await
    }
}

async fn append(file: &Path, args: &[&str]) -> Output {
    let mut command = program::tricast();
    command.args(["key", "--append"]).arg(file).args(args);
    command.output().await.expect("runs")
}

fn key(output: &Output) -> String {
    let key = String::from_utf8(output.stdout.clone()).expect("text");
    assert!(output.status.success() && key.starts_with("tricast_key_"), "{output:?}");
    key.trim().to_owned()
}

fn error(output: &Output) -> String {
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[tokio::test]
async fn a_key_that_is_appended_opens_what_it_should() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file that is not there yet; and a copy of the reference, which has `key = []`.
    let (new, copy) = (folder.path().join("new.toml"), folder.path().join("copy.toml"));
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../gateway.toml"), &copy).expect("copies");
    for file in [new, copy] {
        let shop = key(&append(&file, &["--name", "shop", "--publish", "orders.*"]).await);
        let audit = key(&append(&file, &["--name", "audit", "--subscribe", "orders.*"]).await);
        let mut command = program::tricast();
        command.arg("--config").arg(&file);
        let (_child, address) = program::start(&mut command).await;
        for (key, channel, status) in
            [(&shop, "orders.1", 200), (&shop, "chat", 403), (&audit, "chat", 200)]
        {
            let head = format!(
                "POST /publish/{channel} HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\
                 Authorization: Bearer {key}"
            );
            let answer = Connection::open(address).await.request(&head, b"x").await;
            assert_eq!(answer.status, status, "{channel}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_mistake_leaves_the_file_as_it_was() {
    let settings = Settings::with("[history]\nmessages = 5\n");
    key(&settings.append(&["--name", "shop"]).await);
    let before = settings.text();
    for (args, word) in [
        (&["--name", "shop2", "--publish", "or ders"][..], "or ders"),
        (&["--name", "shop"], "already"),
        (&["--name", "two words"], "key.name"),
        (&["--nmae", "shop2"], "--nmae"),
    ] {
        let said = error(&settings.append(args).await);
        assert!(said.contains(word), "{said}");
        assert_eq!(settings.text(), before, "{args:?}");
    }
    for (text, word) in [("[history\n", "line 1"), ("nonsense = 1\n", "nonsense")] {
        let broken = Settings::with(text);
        assert!(error(&broken.append(&["--name", "a"]).await).contains(word));
        assert_eq!(broken.text(), text);
    }
    let said = error(&append(settings.folder.path(), &["--name", "a"]).await);
    assert!(said.contains("not a regular file"), "{said}");
}

/// The environment of a shell is not that of a service: what was wrong before is no reason.
#[tokio::test]
async fn a_mistake_outside_of_the_key_is_reported_and_does_not_stop_the_command() {
    let settings = Settings::with("[access]\nsubscribe = \"token\"\n");
    let output = settings.append(&["--name", "shop"]).await;
    key(&output);
    let public = Settings::with("bind = \"0.0.0.0:1\"\n[access]\npublish = \"anyone\"\n");
    let mut command = program::tricast();
    command.env_remove("TRICAST__BIND").args(["key", "--name", "a", "--append"]).arg(public.file());
    let output = command.output().await.expect("runs");
    key(&output);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(said.contains("note:") && said.contains("insecure = true"), "{said}");
}

#[tokio::test]
async fn no_room_leaves_the_file_as_it_was() {
    let settings = Settings::with("[history]\nmessages = 5\n");
    let before = settings.text();
    // A file may have no byte more: what a full disk does, for any user.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" key --name a --append \"$1\"";
    let mut command = program::in_shell(script, &program::tricast());
    let said = error(&command.arg(settings.file()).output().await.expect("runs"));
    assert!(said.contains("cannot write"), "{said}");
    assert_eq!(settings.text(), before);
    let names = std::fs::read_dir(settings.folder.path()).expect("is there").count();
    assert_eq!(names, 1, "nothing is left beside it");
    // A key that cannot be printed must not be added.
    let script = "exec \"$0\" key --name a --append \"$1\" >/dev/full";
    let mut command = program::in_shell(script, &program::tricast());
    let output = command.arg(settings.file()).output().await.expect("runs");
    assert!(error(&output).contains("cannot be printed"), "{output:?}");
    assert_eq!(settings.text(), before);
    // Messages beside the key may get lost.
    let script = "exec \"$0\" key --name a --append \"$1\" 2>/dev/full";
    let mut command = program::in_shell(script, &program::tricast());
    key(&command.arg(settings.file()).output().await.expect("runs"));
}

#[tokio::test]
async fn mode_and_owner_stay() {
    let settings = Settings::with("");
    let own = std::fs::metadata(settings.file()).expect("is there");
    // Only root can give a file away.
    let owner = if own.uid() == 0 { (65534, 65533) } else { (own.uid(), own.gid()) };
    chown(settings.file(), Some(owner.0), Some(owner.1)).expect("changes");
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(settings.file(), mode).expect("changes");
    key(&settings.append(&["--name", "a"]).await);
    let after = std::fs::metadata(settings.file()).expect("is there");
    assert_eq!((after.uid(), after.gid(), after.mode() & 0o7777), (owner.0, owner.1, 0o640));
}

/// Several commands append at once while another thread reads: each read finds a whole file, and no
/// key is lost.
#[tokio::test]
async fn there_is_never_a_half_file() {
    let settings = Settings::with(&"# some settings\n".repeat(2000));
    let stop = AtomicBool::new(false);
    let file = settings.file();
    let read = || {
        let mut seen = 0;
        while !stop.load(Ordering::Relaxed) {
            let text = std::fs::read_to_string(&file).expect("reads");
            let now = tricast::settings::Settings::from_toml(&text).expect("is whole").key.len();
            assert!(now >= seen, "{now} after {seen}");
            seen = now;
        }
    };
    std::thread::scope(|scope| {
        let reader = scope.spawn(read);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let appended = scope.spawn(|| {
            runtime.expect("a runtime").block_on(async {
                let names: Vec<_> = (0..12).map(|number| format!("key{number}")).collect();
                let append = async |name: &String| settings.append(&["--name", name]).await;
                let all = futures_util::future::join_all(names.iter().map(append)).await;
                all.iter().for_each(|one| drop(key(one)));
            });
        });
        let appended = appended.join();
        stop.store(true, Ordering::Relaxed);
        reader.join().expect("reads whole files");
        appended.expect("all are added");
    });
    let keys = tricast::settings::Settings::from_toml(&settings.text()).expect("is good").key;
    assert_eq!(keys.len(), 12);
}
