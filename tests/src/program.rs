//! The program itself, started by a test.

use std::{
    net::SocketAddr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    sync::LazyLock,
    time::Duration,
};

use crate::SmallDisk;
use command_fds::{CommandFdExt as _, FdMapping};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// The program beside this test. `cargo test` builds no programs of other packages, so this does.
fn build() -> PathBuf {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    // Of the workspace: with the features that the tests have, nearly all of it is built already.
    cargo.args(["build", "--quiet", "--workspace", "--bin", "tricast"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("runs").success(), "the program builds");
    let test = std::env::current_exe().expect("a path");
    test.ancestors().nth(2).expect("target/profile/deps/test").join("tricast")
}

fn path() -> &'static Path {
    static PATH: LazyLock<PathBuf> = LazyLock::new(build);
    &PATH
}

/// The program, on free ports, with the delivery that is under test.
pub fn tricast() -> Command {
    prepared(Command::new(path()))
}

/// The same where `disk` is mounted, with its log there.
pub fn tricast_on(disk: &SmallDisk) -> Command {
    let mut command = disk.command();
    command.arg(path());
    command.env("TRICAST__LOG__PATH", disk.path()).env("TRICAST__LOG__BYTES", "16MiB");
    prepared(command)
}

fn prepared(mut command: Command) -> Command {
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

/// Starts it; returns its one line on standard output, which contains the addresses.
pub async fn start_and_read_line(command: &mut Command) -> (Child, String) {
    let mut child = command.spawn().expect("starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    stdout.read_line(&mut line).await.expect("reads");
    if line.is_empty() {
        let said = child.wait_with_output().await.expect("ends").stderr;
        panic!("it does not start: {}", String::from_utf8_lossy(&said));
    }
    (child, line)
}

/// Starts it; gives the public and the admin listener's address.
pub async fn start_both(command: &mut Command) -> (Child, SocketAddr, SocketAddr) {
    let (child, line) = start_and_read_line(command).await;
    let rest = line.trim().strip_prefix("tricast listening on http://");
    let (public, private) =
        rest.and_then(|rest| rest.split_once(", admin on http://")).expect(&line);
    let read = |text: &str| text.parse().expect("an address");
    (child, read(public), read(private))
}

/// The standard error of a program.
#[derive(Debug)]
pub struct Errors(tokio::io::Lines<BufReader<tokio::process::ChildStderr>>);

/// The output of `child` from now on.
pub fn errors(child: &mut Child) -> Errors {
    Errors(BufReader::new(child.stderr.take().expect("piped")).lines())
}

impl Errors {
    /// Reads on to a line with `word`.
    pub async fn until(&mut self, word: &str) -> String {
        let mut said = String::new();
        loop {
            let next = timeout(Duration::from_secs(10), self.0.next_line()).await;
            let next = next.unwrap_or_else(|_| panic!("no {word:?} in:\n{said}"));
            let line = next.expect("reads").unwrap_or_else(|| panic!("no {word:?} in:\n{said}"));
            if line.contains(word) {
                return line;
            }
            said.push_str(&line);
            said.push('\n');
        }
    }
}

/// Hands listening sockets in, as systemd does.
pub fn hand_in(command: &mut Command, sockets: &[(&str, OwnedFd)]) {
    let names: Vec<_> = sockets.iter().map(|(name, _)| *name).collect();
    command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
    let copy = |(child_fd, (_, socket)): (i32, &(&str, OwnedFd))| FdMapping {
        parent_fd: socket.try_clone().expect("a socket"),
        child_fd,
    };
    let mapping = (3..).zip(sockets).map(copy).collect();
    command.as_std_mut().fd_mappings(mapping).expect("each its own");
}

/// The child of `process`, if it still runs.
pub fn child_of(process: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").expect("is there").flatten();
    let line = format!("PPid:\t{process}");
    let is_child = |folder: &std::fs::DirEntry| {
        let status = std::fs::read_to_string(folder.path().join("status"));
        status.is_ok_and(|status| status.lines().any(|own| own == line))
    };
    let child = processes.into_iter().find(is_child)?;
    child.file_name().to_str()?.parse().ok()
}

/// The process that listens at `address`, by the inode of its socket.
pub async fn process_listening_at(address: SocketAddr) -> u32 {
    let port = format!(":{:04X} 00000000:0000 0A", address.port());
    let table = std::fs::read_to_string("/proc/net/tcp").expect("is there");
    let line = table.lines().find(|line| line.contains(&port)).expect("somebody listens");
    let inode = line.split_whitespace().nth(9).expect("an inode");
    let link = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").expect("is there").flatten();
    let holds = |folder: &std::fs::DirEntry| {
        let open = std::fs::read_dir(folder.path().join("fd")).into_iter().flatten().flatten();
        open.into_iter()
            .any(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.as_os_str() == link.as_str()))
    };
    let number =
        |folder: &std::fs::DirEntry| folder.file_name().to_str().and_then(|name| name.parse().ok());
    let own = std::process::id();
    let found = processes.filter(|folder| {
        number(folder).is_some_and(|process: u32| process != own) && holds(folder)
    });
    found.into_iter().find_map(|folder| number(&folder)).expect("one holds it")
}

/// The program, with a limit of open files.
pub fn with_files(limit: u32) -> Command {
    in_shell(&format!("ulimit -n {limit} && exec \"$0\""), &tricast())
}

/// `program`, by a script that has it as `$0`.
pub fn in_shell(script: &str, program: &Command) -> Command {
    let mut command = at(Path::new("/bin/sh"), program);
    command.arg("-c").arg(script).arg(program.as_std().get_program());
    command
}

/// The program at `path`, with the environment of `program`.
pub fn at(path: &Path, program: &Command) -> Command {
    let mut command = Command::new(path);
    command.kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(program.as_std().get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}
