//! Settings that come through a pipe: they are read once, and no defaults replace them.

use std::net::SocketAddr;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tricast_tests::{Connection, SECRET, program};

fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| Pid::from_raw(id as i32)).expect("runs");
    kill_process(id, signal).expect("is ours");
}

async fn publish_status(address: SocketAddr) -> u16 {
    let head = "POST /publish/a HTTP/1.1\r\nHost: t\r\nContent-Length: 1";
    Connection::open(address).await.request(head, b"x").await.status
}

/// A pipe that was read before has nothing more, and nothing would be the defaults: everybody could
/// publish.
async fn settings_from_a_pipe_stay_after_a_reload_and_a_handover() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("settings");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("runs");
    assert!(made.success());
    let (writer, text) = (pipe.clone(), format!("[tokens]\nsecret = \"{}\"", SECRET));
    let written = tokio::task::spawn_blocking(move || std::fs::write(writer, text));
    let mut command = program::tricast();
    let (mut child, address) = program::start(command.arg("--config").arg(&pipe)).await;
    written.await.expect("ends").expect("writes");
    assert_eq!(publish_status(address).await, 401);
    let mut errors = program::errors(&mut child);
    for (name, word) in [(Signal::HUP, "reload failed"), (Signal::USR2, "handover failed")] {
        signal(&child, name);
        let line = errors.until(word).await;
        assert!(line.contains("cannot be read again"), "{line}");
        assert_eq!(publish_status(address).await, 401);
    }
    signal(&child, Signal::TERM);
    assert!(child.wait().await.expect("ends").success());
}

async fn a_settings_file_may_be_a_pipe_but_not_a_folder_or_an_empty_pipe() {
    let check = async |script: &str| {
        let program = program::tricast();
        let mut command = Command::new("bash");
        command.args(["-c", script, "bash"]).arg(program.as_std().get_program());
        let output = command.output().await.expect("runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (fine, said) = check("\"$1\" check --config <(echo shards = 3)").await;
    assert!(fine, "{said}");
    let (fine, said) = check("echo shards = 900 | \"$1\" check --config /dev/stdin").await;
    assert!(!fine && said.contains("from 0 to 256"), "{said}");
    let (fine, said) = check("\"$1\" check --config <(true)").await;
    assert!(!fine && said.contains("this pipe is empty"), "{said}");
    let (fine, said) = check("\"$1\" check --config /").await;
    assert!(!fine && said.contains("this is a folder; name a file in it"), "{said}");
    let (fine, said) = check("\"$1\" check --config /dev/null").await;
    assert!(fine, "{said}");
}

tricast_tests::each_delivery!(
    settings_from_a_pipe_stay_after_a_reload_and_a_handover,
    a_settings_file_may_be_a_pipe_but_not_a_folder_or_an_empty_pipe
);
