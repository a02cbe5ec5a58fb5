//! The program itself, started by a test.

use std::{net::SocketAddr, path::PathBuf, process::Stdio, sync::LazyLock};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// The program beside this test. `cargo test` builds no programs of other packages, so this does.
fn build() -> PathBuf {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "tricast"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("runs").success(), "the program builds");
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("target/profile/deps/test").join("tricast")
}

/// The program, on free ports, with the delivery that is under test.
pub fn tricast() -> Command {
    static PATH: LazyLock<PathBuf> = LazyLock::new(build);
    let mut command = Command::new(&*PATH);
    command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env("TRICAST__BIND", "127.0.0.1:0").env("TRICAST__ADMIN__BIND", "127.0.0.1:0");
    command.env("TRICAST__DELIVERY", crate::delivery().name());
    command
}

/// Starts it; gives the public address from its one line on standard output.
pub async fn start(command: &mut Command) -> (Child, SocketAddr) {
    let (child, address, _) = start_both(command).await;
    (child, address)
}

/// Starts it; gives the public and the admin listener's address.
pub async fn start_both(command: &mut Command) -> (Child, SocketAddr, SocketAddr) {
    let mut child = command.spawn().expect("starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut line).await.expect("reads");
    let rest = line.trim().strip_prefix("tricast listening on http://");
    let (public, private) =
        rest.and_then(|rest| rest.split_once(", admin on http://")).expect(&line);
    let read = |text: &str| text.parse().expect("an address");
    (child, read(public), read(private))
}

/// The program, with a limit of open files.
pub fn with_files(limit: u32) -> Command {
    let mut command = Command::new("sh");
    command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = tricast();
    let path = program.as_std().get_program().to_owned();
    command.args(["-c", &format!("ulimit -n {limit} && exec \"$0\"")]).arg(path);
    command.env("TRICAST__BIND", "127.0.0.1:0").env("TRICAST__ADMIN__BIND", "127.0.0.1:0");
    command
}
