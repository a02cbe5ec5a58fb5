//! A disk of a few MiB for a program, so that it can be full: a tmpfs in a mount namespace, which
//! needs no root where users may have namespaces.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// A small disk. It is gone when this is dropped and the programs on it have ended.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
    /// Keeps the namespace until its standard input is closed.
    holder: Child,
}

impl SmallDisk {
    /// Mounts a disk of `mebibytes` MiB.
    pub async fn mount(mebibytes: u32) -> Self {
        let folder = TempDir::new().expect("a folder");
        let mount = format!("mount -t tmpfs -o size={mebibytes}m,mode=700 tricast-test \"$0\"");
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &format!("{mount} && echo mounted && exec cat")]);
        command.arg(folder.path()).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().expect("unshare runs: install util-linux");
        let mut line = String::new();
        let stdout = holder.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).await.expect("reads");
        if line != "mounted\n" {
            let said = holder.wait_with_output().await.expect("ends").stderr;
            panic!(
                "a test needs a disk of its own: run it as root, or allow users to have namespaces \
                 (sysctl kernel.unprivileged_userns_clone=1, or \
                 kernel.apparmor_restrict_unprivileged_userns=0): {}",
                String::from_utf8_lossy(&said)
            );
        }
        Self { folder, holder }
    }

    /// Where programs find it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The beginning of a command line that runs a program where the disk is mounted.
    pub(crate) fn command(&self) -> Command {
        let holder = self.holder.id().expect("it runs").to_string();
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "--user", "--mount", "--target", &holder]);
        command
    }

    /// Where this process finds it.
    fn seen_from_here(&self) -> PathBuf {
        let holder = self.holder.id().expect("it runs");
        let path = self.path().strip_prefix("/").expect("an absolute path");
        PathBuf::from(format!("/proc/{holder}/root")).join(path)
    }

    fn filler(&self) -> PathBuf {
        self.seen_from_here().join("filler")
    }

    /// Fills it to the last byte.
    pub fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler());
        let file = file.as_mut().expect("a file");
        for size in [1 << 16, 1] {
            while file.write_all(&vec![b'x'; size]).is_ok() {}
        }
    }

    /// Makes room again.
    pub fn make_room(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }
}
