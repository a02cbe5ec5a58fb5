//! A disk that is full.

use std::{path::Path, process::Command};

use bytes::Bytes;
use tricast_core::Seq;

use super::real::{ALL, config, open};
use crate::{AppendError, Config, DataKind, Record, Retention, Store};

/// A file system of 16 MiB in memory, unmounted at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m", "tricast-disk-test"])
            .arg(folder.path())
            .status();
        assert!(mounted.is_ok_and(|status| status.success()), "root can mount a tmpfs");
        Self(folder)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
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
    if !rustix::process::geteuid().is_root() {
        println!("only root can mount a small disk: checked in the simulation alone");
        return;
    }
    let disk = SmallDisk::mount();
    let folder = disk.0.path();
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
