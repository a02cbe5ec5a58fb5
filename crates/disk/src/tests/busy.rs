//! A log that is looked at and backed up while it is written, sealed and let go of.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::sync_channel,
    },
    thread::{JoinHandle, spawn},
};

use bytes::Bytes;
use tricast_core::Seq;

use super::real::{ALL, config, open};
use crate::{
    Config, DataKind, Looked, OpenError, Record, Retention, SealJob, Store, back_up,
    backup::back_up_seen,
    disk::{Disk, DiskFile, Lock, real::RealDisk},
    new_epoch,
};

const SEGMENT: u64 = 16 << 10;

/// A thread that writes a log, and lets go of all but a few segments.
struct Writer {
    stop: Arc<AtomicBool>,
    last: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(folder: &Path) -> Self {
        let (stop, last) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        // Few seqs at once, so that both threads write `meta`.
        let config = Config { reserve: 300, ..config(SEGMENT) };
        let (mut store, opened) = open(folder, config).expect("opens");
        let (stopped, shown) = (stop.clone(), last.clone());
        // Beside the writer, as the engine does; and not far behind it.
        let (jobs, full) = sync_channel::<SealJob>(2);
        let keeper = store.keeper();
        let keeping = spawn(move || {
            for job in full {
                let retention = Retention { bytes: 6 * SEGMENT, age: None };
                keeper.retain(retention, 0, 0).expect("lets go");
                job.run().expect("is sealed");
            }
        });
        let thread = spawn(move || {
            let mut next = opened.head + 1;
            while !stopped.load(Ordering::Relaxed) {
                let end = next + fastrand::u64(1..40);
                let records: Vec<Record> = (next..end).map(record).collect();
                store.append(&records).expect("appends");
                shown.store(end - 1, Ordering::Release);
                next = end;
                for job in store.seal_jobs() {
                    jobs.send(job).expect("somebody seals");
                }
            }
            drop(jobs);
            keeping.join().expect("nothing panicked");
        });
        let writer = Self { stop, last, thread: Some(thread) };
        // So that it lets go of something from here on.
        while writer.last() < 5000 {
            std::thread::yield_now();
        }
        writer
    }

    fn last(&self) -> Seq {
        self.last.load(Ordering::Acquire)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

fn record(seq: Seq) -> Record {
    let channel = format!("c{}", seq % 7).parse().expect("a name");
    let text = format!("message {seq} {}", "x".repeat((seq % 90) as usize));
    Record::new(seq, seq * 10, channel, DataKind::Text, Bytes::from(text))
}

fn look(folder: &Path) -> Result<Looked, OpenError> {
    let disk = RealDisk::open_to_look(folder).expect("a folder");
    Looked::at(Arc::new(disk)).map(|looked| looked.expect("a log"))
}

#[test]
fn a_log_that_is_written_is_sound_whenever_it_is_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let writer = Writer::start(folder.path());
    let (mut floors, mut looks) = (Vec::new(), 0);
    while looks < 200 || floors.len() < 6 {
        looks += 1;
        let shown = writer.last();
        let looked = look(folder.path()).expect("can be looked at");
        let check = looked.reader.check().expect("reads");
        assert!(check.is_sound(), "{check:?}");
        assert_eq!(check.holes, []);
        let tally = looked.tally();
        assert!(looked.last >= shown && tally.last == looked.last, "{tally:?}");
        let portion = looked.reader.scan(0, ALL).expect("reads");
        assert_eq!((portion.upto, portion.holes), (looked.last, vec![]));
        let expected: Vec<Record> = (portion.floor + 1..=looked.last).map(record).collect();
        assert_eq!(portion.records, expected);
        floors.push(portion.floor);
        floors.dedup();
    }
}

#[test]
fn a_backup_of_a_log_that_is_written_has_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = tempfile::tempdir().expect("a folder");
    let writer = Writer::start(folder.path());
    let (mut floors, mut linked, mut copied) = (Vec::new(), 0, 0);
    for n in 0..30 {
        let to = place.path().join(format!("backup {n}"));
        let shown = writer.last();
        let backup = back_up(folder.path(), &to).expect("is made");
        assert!(backup.last >= shown, "{backup:?} and {shown} was shown");
        (linked, copied) = (linked + backup.linked, copied + backup.copied);
        let refused = open(&to, config(SEGMENT)).err();
        assert!(matches!(refused, Some(OpenError::Foreign)), "{refused:?}");
        let disk = Arc::new(RealDisk::open(&to).expect("a folder"));
        new_epoch(disk, config(SEGMENT), "f".parse().expect("an epoch")).expect("begins");
        let (store, opened) = open(&to, config(SEGMENT)).expect("opens");
        assert_eq!(opened.lineage, [("e".parse().expect("an epoch"), backup.last)]);
        let portion = store.reader().scan(0, ALL).expect("reads");
        let expected: Vec<Record> = (portion.floor + 1..=backup.last).map(record).collect();
        assert_eq!(portion.records, expected);
        assert_eq!(backup.records, expected.len() as u64);
        // What came later is lost, and that is told.
        let later = (backup.last + 1, opened.head);
        let told: &[_] = if opened.head > backup.last { &[later] } else { &[] };
        assert_eq!(portion.holes, told);
        floors.push(portion.floor);
        store.close().expect("closes");
    }
    assert!(linked > 0 && copied > 0, "{linked} linked, {copied} copied");
    floors.dedup();
    assert!(floors.len() > 3, "nothing was let go meanwhile: {floors:?}");
    // The log has not noticed.
    let check = look(folder.path()).expect("can be looked at").reader.check().expect("reads");
    assert!(check.is_sound() && check.holes.is_empty(), "{check:?}");
}

/// A disk that lets go of segments at each time when it has listed them.
struct Hasty {
    disk: RealDisk,
    store: Mutex<Store>,
    /// How much is left at the next time.
    left: Mutex<u64>,
}

impl Hasty {
    /// The same log as a disk that is only looked at.
    fn new(folder: &Path) -> Self {
        let (mut store, _) = open(folder, config(SEGMENT)).expect("opens");
        for from in (1..2000).step_by(20) {
            let records: Vec<Record> = (from..from + 20).map(record).collect();
            store.append(&records).expect("appends");
        }
        store.seal_jobs().iter().for_each(|job| job.run().expect("is sealed"));
        let disk = RealDisk::open_to_look(folder).expect("a folder");
        Self { disk, store: Mutex::new(store), left: Mutex::new(6 * SEGMENT) }
    }
}

impl Disk for Hasty {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = self.disk.list();
        let mut left = self.left.lock().expect("no panic");
        let retention = Retention { bytes: *left, age: None };
        self.store.lock().expect("no panic").retain(retention, 0, 0).expect("lets go");
        *left = left.saturating_sub(2 * SEGMENT).max(2 * SEGMENT);
        names
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name)
    }

    fn lock(&self, name: &str) -> io::Result<Lock> {
        self.disk.lock(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.disk.sync_names()
    }
}

#[test]
fn a_look_begins_again_when_a_segment_was_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let looked = Looked::at(Arc::new(Hasty::new(folder.path())));
    let looked = looked.expect("can be looked at").expect("a log");
    let portion = looked.reader.scan(0, ALL).expect("reads");
    assert!(portion.floor > 0);
    assert_eq!((portion.records.len() as u64, portion.holes), (2000 - portion.floor, vec![]));
}

#[test]
fn a_backup_goes_on_with_what_is_left_when_segments_were_let_go() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = tempfile::tempdir().expect("a folder");
    let to = place.path().join("backup");
    let backup = back_up_seen(&Hasty::new(folder.path()), folder.path(), &to).expect("is made");
    let disk = Arc::new(RealDisk::open(&to).expect("a folder"));
    new_epoch(disk, config(SEGMENT), "f".parse().expect("an epoch")).expect("begins");
    let (store, opened) = open(&to, config(SEGMENT)).expect("opens");
    let portion = store.reader().scan(0, ALL).expect("reads");
    assert!(portion.floor > 0 && portion.floor == 2000 - backup.records, "{backup:?}");
    let expected: Vec<Record> = (portion.floor + 1..=2000).map(record).collect();
    assert_eq!((portion.records, portion.holes), (expected, vec![(2001, opened.head)]));
}

#[test]
fn a_backup_goes_to_an_empty_directory_outside_of_the_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = tempfile::tempdir().expect("a folder");
    let to = place.path().join("backup");
    let none = back_up(folder.path(), &to).expect_err("no log").to_string();
    assert!(none.contains("there is no log"), "{none}");
    assert!(!to.exists());
    let (mut store, _) = open(folder.path(), config(SEGMENT)).expect("opens");
    store.append(&[record(1)]).expect("appends");
    let inside = back_up(folder.path(), &folder.path().join("backup")).expect_err("inside");
    assert!(inside.to_string().contains("belongs to the log"), "{inside}");
    assert!(!folder.path().join("backup").exists());
    back_up(folder.path(), &to).expect("is made");
    let again = back_up(folder.path(), &to).expect_err("not empty").to_string();
    assert!(again.contains("is not empty"), "{again}");
}
