//! A server under measurement: another process, seen from outside through /proc.

use std::{
    fs,
    io::{Read as _, Seek as _},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use rustix::thread::{CpuSet, Pid, sched_setaffinity};

/// A process and its descendants, ended when it is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stderr: fs::File,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        // A file, not a pipe: nobody has to empty it.
        let stderr = tempfile::tempfile()?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr.try_clone()?);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, stderr })
    }

    /// Why it has ended, in its own words.
    pub(crate) fn last_stderr_line(&mut self) -> String {
        let mut text = String::new();
        let read = self.stderr.rewind().and_then(|()| self.stderr.read_to_string(&mut text));
        let last = read.ok().and_then(|_| text.lines().rfind(|line| !line.trim().is_empty()));
        last.unwrap_or("it has ended at once").to_owned()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { processes: process_tree(self.child.id()) }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The most memory that was resident, in KiB, without descendants.
    pub(crate) fn peak_rss(&self) -> anyhow::Result<f64> {
        memory_of(self.child.id(), "VmHWM:").context("the process has ended")
    }
}

impl Process {
    /// Leaves all its threads one core to share.
    pub(crate) fn pin_to_one_core(&self) -> anyhow::Result<()> {
        let mut one = CpuSet::new();
        one.set(0);
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let id = task?.file_name().to_string_lossy().parse()?;
            sched_setaffinity(Pid::from_raw(id), &one).context("cannot pin a thread")?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Its number may be another's by now.
        if self.has_ended() {
            return;
        }
        let pid = self.child.id().to_string();
        // A chance to end its own children; what is left after that is ended too.
        let _ = Command::new("kill").args(["-TERM", &pid]).stderr(Stdio::null()).status();
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        while !self.has_ended() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What some processes use.
#[derive(Debug)]
pub(crate) struct Usage {
    processes: Vec<u32>,
}

impl Usage {
    /// Of a process that somebody else has started, and its descendants.
    pub(crate) fn of(pid: u32) -> Self {
        Self { processes: process_tree(pid) }
    }

    /// Resident memory in KiB.
    pub(crate) fn rss(&self) -> f64 {
        self.processes.iter().filter_map(|pid| memory_of(*pid, "VmRSS:")).sum()
    }

    /// CPU time of all threads, user and kernel, from the scheduler's accounting in nanoseconds.
    pub(crate) fn cpu(&self) -> Duration {
        let of_task = |task: fs::DirEntry| -> Option<u64> {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse().ok()
        };
        let tasks = |pid: &u32| fs::read_dir(format!("/proc/{pid}/task")).ok();
        let all = self.processes.iter().filter_map(tasks).flatten().flatten();
        Duration::from_nanos(all.filter_map(of_task).sum())
    }
}

/// A figure of a process's memory, in KiB.
fn memory_of(pid: u32, field: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A process and all that descend from it.
fn process_tree(root: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; behind it come state and parent.
        stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, parent_of(pid)?))).collect();
    let mut processes = vec![root];
    let mut next = 0;
    while next < processes.len() {
        let parent = processes[next];
        processes.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    processes
}
