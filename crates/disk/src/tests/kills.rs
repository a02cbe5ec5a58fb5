//! A process that appends is killed, again and again; another one looks.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use bytes::Bytes;
use tricast_core::Seq;

use super::real::{ALL, config, open};
use crate::{Config, DataKind, Record};

const FOLDER: &str = "TRICAST_DISK_WRITER_FOLDER";
const ALWAYS: &str = "TRICAST_DISK_WRITER_ALWAYS";

/// What message `seq` of a process carries: the test knows whether it is the one that was shown.
fn record(process: u32, seq: Seq) -> Record {
    let channel = format!("c{}", seq % 7).parse().expect("a name");
    let text = format!("{process} {seq} {}", "x".repeat((seq % 200) as usize));
    Record::new(seq, 7, channel, DataKind::Text, Bytes::from(text))
}

fn writer_config(always: bool) -> Config {
    Config { always, reserve: 5000, ..config(256 << 10) }
}

/// The process that the test below kills; by itself it does nothing.
#[test]
fn writer() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let always = std::env::var(ALWAYS).is_ok();
    let (mut store, opened) = open(Path::new(&folder), writer_config(always)).expect("opens");
    let process = std::process::id();
    let mut out = std::io::stdout().lock();
    let mut next = opened.head + 1;
    loop {
        let end = next + fastrand::u64(1..20);
        let records: Vec<Record> = (next..end).map(|seq| record(process, seq)).collect();
        store.append(&records).expect("appends");
        if always {
            store.sync().expect("syncs");
        }
        for job in store.seal_jobs() {
            std::thread::spawn(move || job.run().expect("is sealed"));
        }
        // Libtest writes to the same pipe: a mark tells our lines.
        writeln!(out, "shown {process} {next} {}", end - 1).expect("writes");
        next = end;
    }
}

#[test]
fn what_a_killed_process_showed_is_there() {
    for always in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shown = BTreeMap::new();
        for round in 0..20 {
            let lines = if always { fastrand::usize(0..80) } else { fastrand::usize(0..2000) };
            run_and_kill(folder.path(), always, lines, &mut shown);
            let opened = open(folder.path(), writer_config(always)).expect("opens after a kill");
            let (store, opened) = opened;
            assert_eq!(opened.lost, None, "a false gap");
            let portion = store.reader().scan(0, ALL).expect("reads");
            assert_eq!(portion.holes, []);
            let there: BTreeMap<Seq, Record> =
                portion.records.into_iter().map(|record| (record.seq, record)).collect();
            for (seq, process) in &shown {
                let skipped = there.get(seq).map_or(0, |record| record.skipped);
                let expected = Record { skipped, ..record(*process, *seq) };
                assert_eq!(there.get(seq), Some(&expected), "{seq} was shown");
            }
            assert!(shown.keys().all(|seq| *seq <= opened.head));
            // What was written and not shown before the kill is seen from here on.
            shown.extend(there.iter().map(|(seq, record)| (*seq, process_of(record))));
            if round % 3 == 0 {
                store.close().expect("closes");
            }
        }
        println!("always {always}: {} records after 20 kills", shown.len());
    }
}

fn process_of(record: &Record) -> u32 {
    let text = std::str::from_utf8(&record.data).expect("text");
    text.split(' ').next().and_then(|process| process.parse().ok()).expect("a process")
}

/// Runs a writer, kills it when it has shown `lines` batches, and notes all that it showed.
fn run_and_kill(folder: &Path, always: bool, lines: usize, shown: &mut BTreeMap<Seq, u32>) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["tests::kills::writer", "--exact", "--nocapture"]).env(FOLDER, folder);
    if always {
        command.env(ALWAYS, "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().expect("runs");
    let mut seen = 0;
    let mut killed = false;
    // All lines: what is in the pipe when the process dies was shown too.
    for line in BufReader::new(child.stdout.take().expect("a pipe")).lines() {
        let line = line.expect("reads");
        let Some((_, ours)) = line.split_once("shown ") else { continue };
        let numbers: Vec<u64> = ours.split(' ').filter_map(|word| word.parse().ok()).collect();
        if let [process, from, to] = numbers[..] {
            for seq in from..=to {
                let before = shown.insert(seq, process as u32);
                assert_eq!(before, None, "{seq} was given twice");
            }
            seen += 1;
        }
        if seen > lines && !killed {
            child.kill().expect("is killed");
            killed = true;
        }
    }
    assert!(killed, "the writer ended by itself");
    child.wait().expect("is dead");
}
