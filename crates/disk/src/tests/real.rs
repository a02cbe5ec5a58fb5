//! The log in a folder of this machine.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use tricast_core::Seq;

use crate::{
    AppendError, Config, DataKind, Looked, Machine, OpenError, Opened, PortionLimit, Record, Store,
    adopt, disk::real::RealDisk, new_epoch,
};

pub(super) const ALL: PortionLimit = PortionLimit { messages: usize::MAX, bytes: u64::MAX };

pub(super) fn config(segment_bytes: u64) -> Config {
    let config = Config::for_bytes(1 << 30, Machine::this());
    Config { segment_bytes, ballast: 256 << 10, ..config }
}

pub(super) fn open(folder: &Path, config: Config) -> Result<(Store, Opened), OpenError> {
    let disk = RealDisk::open(folder)?;
    Store::open(Arc::new(disk), config, || "e".parse().expect("an epoch"))
}

fn looked(folder: &Path) -> Looked {
    let disk = RealDisk::open(folder).expect("a folder");
    Looked::at(Arc::new(disk)).expect("can be looked at").expect("a log")
}

fn record(seq: Seq, size: usize) -> Record {
    let channel = format!("c{}", seq % 7).parse().expect("a name");
    let text = format!("message {seq} {}", "x".repeat(size));
    Record::new(seq, seq * 10, channel, DataKind::Text, Bytes::from(text))
}

#[test]
fn what_was_appended_is_read_by_another_life() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = open(folder.path(), config(64 << 10)).expect("opens");
    assert!(matches!(open(folder.path(), config(64 << 10)), Err(OpenError::Locked)));
    let records: Vec<Record> = (1..=10_000).map(|seq| record(seq, 0)).collect();
    for batch in records.chunks(64) {
        store.append(batch).expect("appends");
    }
    let again = store.append(&records[9_999..]);
    assert!(matches!(again, Err(AppendError::Disordered { seq: 10_000, last: 10_000 })));
    for job in store.seal_jobs() {
        job.run().expect("is sealed");
    }
    assert_eq!(store.reader().scan(0, ALL).expect("reads").records, records);
    assert_eq!(looked(folder.path()).reader.scan(0, ALL).expect("reads").records, records);
    store.close().expect("closes");

    let (store, _) = open(folder.path(), config(64 << 10)).expect("opens again");
    let reader = store.reader();
    let portion = reader.scan(0, ALL).expect("reads");
    assert_eq!((&portion.records, portion.holes, portion.upto), (&records, vec![], 10_000));
    let channel = "c3".parse().expect("a name");
    let portion = reader.read(std::slice::from_ref(&channel), 0, u64::MAX, ALL).expect("reads");
    let of_channel: Vec<Record> = records.iter().filter(|one| one.seq % 7 == 3).cloned().collect();
    assert_eq!(portion.records, of_channel);
    let last = reader.last(&channel).expect("reads");
    assert_eq!(last, of_channel.last().map(|record| (record.seq, false)));
    let begin = reader.begin_of_newest(100 << 10).expect("reads");
    let newest = reader.scan(begin, ALL).expect("reads").records.len();
    assert!((500..2500).contains(&newest), "{newest} records in the newest 100 KiB");
    let check = reader.check().expect("reads");
    assert_eq!((check.records, check.is_sound(), check.holes), (10_000, true, vec![]));
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let mode = entry.expect("an entry").metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// Bytes of a log of 100 kB, and of its index: no content is wrong, and no loss is silent.
#[test]
fn a_flipped_bit_is_never_wrong_content_and_never_silent() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = open(folder.path(), config(1 << 20)).expect("opens");
    let records: Vec<Record> = (1..=100).map(|seq| record(seq, 960)).collect();
    store.append(&records).expect("appends");
    store.close().expect("closes");
    let segment = folder.path().join("00000000000000000001.log");
    let index = folder.path().join("00000000000000000001.idx");
    assert!(fs::metadata(&segment).expect("is there").len() > 100_000);
    let step = std::env::var("FLIP_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(5);
    println!("every {step}th byte is flipped; FLIP_STEP=1 flips all of them");
    let sealed = flip_each_byte(folder.path(), &segment, step, &records);
    flip_each_byte(folder.path(), &index, step, &records);
    fs::remove_file(&index).expect("is removed");
    let unsealed = flip_each_byte(folder.path(), &segment, step * 7, &records);
    let least = 100_000 / step;
    assert!(sealed > least && unsealed > least / 7, "{sealed}, {unsealed} losses were told");
}

/// Flips a bit of one byte in `each`, and returns how many records were told to be lost.
fn flip_each_byte(folder: &Path, path: &Path, each: usize, records: &[Record]) -> usize {
    let file = File::options().read(true).write(true).open(path).expect("opens");
    let length = file.metadata().expect("metadata").len();
    let mut told = 0;
    for at in (0..length).step_by(each) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("reads");
        file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at).expect("writes");
        let looked = looked(folder);
        let portion = looked.reader.scan(0, ALL).expect("reads");
        let mut found = portion.records.iter().peekable();
        for record in records {
            if found.next_if(|found| found.seq == record.seq).is_some_and(|got| got == record) {
                continue;
            }
            let is_told = portion.holes.iter().any(|(a, b)| (*a..=*b).contains(&record.seq));
            assert!(is_told, "{}: byte {at}: {} is lost in silence", path.display(), record.seq);
            told += 1;
        }
        assert!(found.next().is_none(), "byte {at}: a record that nobody wrote");
        file.write_all_at(&byte, at).expect("writes");
    }
    told
}

#[test]
fn a_log_that_was_moved_or_copied_is_refused_until_somebody_says_which() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = open(folder.path(), config(1 << 20)).expect("opens");
    store.append(&[record(1, 0), record(2, 0)]).expect("appends");
    store.close().expect("closes");
    let copy = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(folder.path()).expect("a folder") {
        let from = entry.expect("an entry").path();
        fs::copy(&from, copy.path().join(from.file_name().expect("a name"))).expect("is copied");
    }
    let refused = open(copy.path(), config(1 << 20)).err().expect("is refused").to_string();
    assert!(refused.contains("log adopt") && refused.contains("log new-epoch"), "{refused}");
    let disk = || RealDisk::open(copy.path()).expect("a folder");
    new_epoch(Arc::new(disk()), config(1 << 20), "f".parse().expect("an epoch")).expect("begins");
    let (store, opened) = open(copy.path(), config(1 << 20)).expect("opens");
    assert_eq!(opened.epoch.as_str(), "f");
    assert_eq!(opened.lineage, [("e".parse().expect("an epoch"), 2)]);
    assert_eq!(store.reader().scan(0, ALL).expect("reads").records.len(), 2);
    store.close().expect("closes");

    // Moved: the same epoch goes on.
    fs::rename(copy.path().join("lock"), copy.path().join("old")).expect("is renamed");
    assert!(matches!(open(copy.path(), config(1 << 20)), Err(OpenError::Foreign)));
    adopt(&disk(), &Machine::this()).expect("is adopted");
    let (store, opened) = open(copy.path(), config(1 << 20)).expect("opens");
    assert_eq!((opened.epoch.as_str(), opened.head), ("f", 2));
    drop(store);

    // Without meta: a new epoch of what is in the segments, and no seq again.
    fs::remove_file(copy.path().join("meta")).expect("is removed");
    assert!(matches!(open(copy.path(), config(1 << 20)), Err(OpenError::MetaMissing)));
    new_epoch(Arc::new(disk()), config(1 << 20), "g".parse().expect("an epoch")).expect("begins");
    let (store, opened) = open(copy.path(), config(1 << 20)).expect("opens");
    assert_eq!((opened.epoch.as_str(), opened.lineage.len()), ("g", 0));
    assert_eq!(store.reader().scan(0, ALL).expect("reads").records.len(), 2);
}

#[test]
fn a_log_of_a_later_format_is_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = open(folder.path(), config(1 << 20)).expect("opens");
    store.append(&[record(1, 0)]).expect("appends");
    store.close().expect("closes");
    let meta = folder.path().join("meta");
    let text = fs::read_to_string(&meta).expect("reads");
    let text = text.replace("tricast-log 1\n", "tricast-log 2\n");
    let (body, _) = text.rsplit_once("crc ").expect("a checksum");
    let text = format!("{body}crc {:08x}\n", crc32c::crc32c(body.as_bytes()));
    fs::write(&meta, &text).expect("writes");
    let expected = "a later version of Tricast wrote to the log (its format is 2); run that \
                    version, or a later one, and nothing is lost";
    let disk = || Arc::new(RealDisk::open(folder.path()).expect("a folder"));
    let opened = open(folder.path(), config(1 << 20)).err().map(|error| error.to_string());
    let looked = Looked::at(disk()).err().map(|error| error.to_string());
    let renewed = new_epoch(disk(), config(1 << 20), "f".parse().expect("an epoch"));
    let renewed = renewed.err().map(|error| error.to_string());
    assert_eq!([opened, looked, renewed].map(|it| it.unwrap_or_default()), [expected; 3]);
    assert_eq!(fs::read_to_string(&meta).expect("reads"), text);
}

#[test]
fn what_a_crash_left_is_removed_and_what_others_keep_there_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (store, _) = open(folder.path(), config(64 << 10)).expect("opens");
    drop(store);
    let name = |name: &str| folder.path().join(name);
    let ours = ["meta.tmp", "presence.tmp", "room.tmp", "00000000000000000007.idx.tmp"];
    let theirs = ["notes.tmp", "7.idx.tmp", "readme.txt"];
    for each in ours.iter().chain(&theirs) {
        fs::write(name(each), "x").expect("is written");
    }
    drop(open(folder.path(), config(64 << 10)).expect("opens"));
    assert!(ours.iter().all(|each| !name(each).exists()));
    assert!(theirs.iter().all(|each| name(each).exists()));
}
