//! Data that its publisher has made to look like a record.

use std::{fs::File, os::unix::fs::FileExt as _};

use bytes::Bytes;
use tricast_core::Seq;

use super::real::{ALL, config, open};
use crate::{
    DataKind, Record,
    head::Head,
    segment::{LOG, name_of},
};

fn of(seq: Seq, channel: &str, data: Vec<u8>) -> Record {
    let channel = channel.parse().expect("a name");
    Record::new(seq, 1, channel, DataKind::Bytes, Bytes::from(data))
}

fn encoded(record: &Record, base: Seq) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.view().encode(record.skipped, base, &mut bytes);
    bytes
}

#[test]
fn a_record_in_data_is_none_after_a_write_that_was_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut store, _) = open(folder.path(), config(1 << 20)).expect("opens");
    let forged = encoded(&of(1000, "secret", b"forged".to_vec()), 1);
    let data = [&forged[..], &[b'x'; 1000]].concat();
    store.append(&[of(1, "public", b"first".to_vec()), of(2, "public", data)]).expect("appends");
    let end = store.reader().bytes();
    drop(store);
    // Of the last write a part was done when the process was killed.
    let segment = File::options().write(true).open(folder.path().join(name_of(1, LOG)));
    segment.expect("is there").write_all_at(&[0; 500], end - 500).expect("writes");

    let (store, opened) = open(folder.path(), config(1 << 20)).expect("opens");
    assert!(opened.torn);
    let records = store.reader().scan(0, ALL).expect("reads").records;
    assert_eq!(records, [of(1, "public", b"first".to_vec())]);
}

#[test]
fn data_with_zeros_is_what_it_was() {
    for length in 0..20 {
        for zeros in [0, length / 2, length] {
            let mut data = vec![0; zeros];
            data.resize(length, b'x');
            let record = of(7, "a", data);
            let bytes = encoded(&record, 1);
            assert_eq!(Head::parse(&bytes).expect("parses").record(None), Ok(record));
        }
    }
}
