//! A disk that is full.

use std::{path::Path, process::Command};

use bytes::Bytes;
use tricast_core::Seq;

use super::real::{ALL, config, open};
use crate::{AppendError, Config, DataKind, Record, Retention, Store};

/// Names the folder where the disk of 16 MiB is mounted, for the process that tests on it.
const FOLDER: &str = "TRICAST_SMALL_DISK";

/// Runs a test of this program where a tmpfs of 16 MiB is mounted, in a mount namespace of its own.
fn on_small_disk(test: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let mount = "mount -t tmpfs -o size=16m,mode=700 tricast-test \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", mount]).arg(folder.path());
    command.arg(std::env::current_exe().expect("a path")).args(["--exact", test, "--nocapture"]);
    let output = command.env(FOLDER, folder.path()).output().expect("unshare: install util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "run this as root, or allow users to have namespaces (sysctl \
         kernel.unprivileged_userns_clone=1, or kernel.apparmor_restrict_unprivileged_userns=0): \
         {}\n{said}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn record(seq: Seq) -> Record {
    let data = Bytes::from(vec![seq as u8; 1000]);
    Record::new(seq, seq, "news".parse().expect("a name"), DataKind::Bytes, data)
}

/// Appends until the disk is full, and returns the last seq.
fn fill(store: &mut Store, mut seq: Seq) -> Seq {
    loop {
        let records: Vec<Record> = (seq + 1..=seq + 50).map(record).collect();
        match store.append(&records) {
            Ok(()) => seq += 50,
            Err(AppendError::Full) => return seq,
            Err(error) => panic!("{error}"),
        }
        for job in store.seal_jobs() {
            // The index may find no room.
            let _ = job.run();
        }
    }
}

fn small_config() -> Config {
    Config { segment_bytes: 1 << 20, reserve: 1000, ..config(1 << 20) }
}

fn check(folder: &Path, last: Seq) -> Store {
    let (store, opened) = open(folder, small_config()).expect("opens on a full disk");
    assert_eq!(opened.lost, None);
    let portion = store.reader().scan(0, ALL).expect("reads");
    assert_eq!(portion.holes, []);
    assert_eq!(portion.records.len() as u64, last);
    store
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return on_small_disk("tests::full::a_full_disk_refuses_and_goes_on_when_there_is_room");
    };
    let folder = Path::new(&folder);
    let (mut store, _) = open(folder, small_config()).expect("opens");
    let last = fill(&mut store, 0);
    assert!(last > 10_000, "{last} records of 1 kB");
    // It dies, and starts on the full disk, again and again.
    drop(store);
    for _ in 0..3 {
        drop(check(folder, last));
    }
    let mut store = check(folder, last);
    let head = store.head();
    let retention = Retention { bytes: 8 << 20, age: None };
    let let_go = store.retain(retention, 0, 0).expect("lets go on a full disk");
    assert!(let_go.segments > 3, "{let_go:?}");
    let last = fill(&mut store, head);
    assert!(last > head + 1000, "room that was made is room that is used");
    let portion = store.reader().scan(let_go.floor, ALL).expect("reads");
    assert_eq!((portion.holes, portion.upto), (vec![], last));
}
