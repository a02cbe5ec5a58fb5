//! The log in a folder of this machine.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc};

use bytes::Bytes;

use crate::{
    AppendError, Config, DataKind, Machine, OpenError, PortionLimit, Record, Store,
    disk::real::RealDisk,
};

const ALL: PortionLimit = PortionLimit { messages: usize::MAX, bytes: u64::MAX };

fn open(folder: &Path) -> Result<Store, OpenError> {
    let disk = RealDisk::open(folder)?;
    let config = Config::for_bytes(1 << 30, Machine::this());
    let config = Config { segment_bytes: 64 << 10, ballast: 4096, ..config };
    Ok(Store::open(Arc::new(disk), config, || "e".parse().expect("an epoch"))?.0)
}

fn record(seq: u64) -> Record {
    let channel = format!("c{}", seq % 7).parse().expect("a name");
    Record::new(seq, seq * 10, channel, DataKind::Text, Bytes::from(format!("message {seq}")))
}

#[test]
fn what_was_appended_is_read_by_another_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = open(folder.path()).expect("opens");
    assert!(matches!(open(folder.path()), Err(OpenError::Locked)));
    let records: Vec<Record> = (1..=10_000).map(record).collect();
    for batch in records.chunks(64) {
        store.append(batch).expect("appends");
    }
    let again = store.append(&records[9_999..]);
    assert!(matches!(again, Err(AppendError::Disordered { seq: 10_000, last: 10_000 })));
    for job in store.seal_jobs() {
        job.run().expect("is sealed");
    }
    let reader = store.reader();
    assert_eq!(reader.scan(0, ALL).expect("reads").records, records);
    store.close().expect("closes");

    let store = open(folder.path()).expect("opens again");
    let reader = store.reader();
    let portion = reader.scan(0, ALL).expect("reads");
    assert_eq!((portion.records, portion.holes, portion.upto), (records.clone(), vec![], 10_000));
    let of_channel: Vec<Record> = records.into_iter().filter(|one| one.seq % 7 == 3).collect();
    let channel = "c3".parse().expect("a name");
    let portion = reader.read(std::slice::from_ref(&channel), 0, u64::MAX, ALL).expect("reads");
    assert_eq!(portion.records, of_channel);
    let last = reader.last(&channel).expect("reads");
    assert_eq!(last, of_channel.last().map(|record| (record.seq, false)));
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let mode = entry.expect("an entry").metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
