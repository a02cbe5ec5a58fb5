//! Records and indexes as literal bytes: files must be read by every later version.

use bytes::Bytes;

use crate::{
    DataKind, LoggedReceipt, Record,
    contents::Contents,
    head::Head,
    index,
    record::{Frame, frame},
};

/// Made by another program, with a CRC-32C of its own.
#[rustfmt::skip]
const FULL: [u8; 96] = [
    // length, checksum, seq, time
    0x58, 0, 0, 0, 0x79, 0xb4, 0x63, 0x3a, 0x2c, 0x01, 0, 0, 0, 0, 0, 0,
    0, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0, 0,
    // flags, standing, channel
    0xfd, 0x07, 0x07, 0x04, b'n', b'e', b'w', b's',
    // skipped, event, online, subscribers
    0xac, 0x02, 0x05, b'g', b'r', b'e', b'e', b't', 0x03, 0x80, 0x01,
    // digests of the idempotency id, the client and the user
    0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
    0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
    0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33,
    b'h', b'e', b'l', b'l', b'o',
];
#[rustfmt::skip]
const PLAIN: [u8; 31] = [
    0x17, 0, 0, 0, 0x19, 0xd7, 0x13, 0x2f, 0x2d, 0x01, 0, 0, 0, 0, 0, 0,
    0x05, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, b'a', b'{', b'}',
];

/// The channel `up` is erased up to 301.
#[rustfmt::skip]
const ERASURE: [u8; 32] = [
    0x18, 0, 0, 0, 0xa5, 0xa7, 0xa2, 0x8e, 0x2e, 0x01, 0, 0, 0, 0, 0, 0,
    0x06, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x08, 0, 0x02,
    b'u', b'p', 0xad, 0x02,
];

fn erasure() -> Record {
    let record = Record::new(302, 6, "up".parse().expect("a name"), DataKind::Bytes, Bytes::new());
    Record { erases: Some(301), ..record }
}

fn full() -> Record {
    let channel = "news".parse().expect("a name");
    let data = Bytes::from_static(b"hello");
    Record {
        skipped: 300,
        end: true,
        skip_self: true,
        standing: 7,
        event: Some("greet".into()),
        online: Some(3),
        subscribers: Some(128),
        idempotency: Some([0x11; 16]),
        client: Some([0x22; 16]),
        user: Some([0x33; 16]),
        ..Record::new(300, 1_700_000_000_000, channel, DataKind::Text, data)
    }
}

fn plain() -> Record {
    let channel = "a".parse().expect("a name");
    Record::new(301, 5, channel, DataKind::Json, Bytes::from_static(b"{}"))
}

#[test]
fn records_have_these_bytes() {
    for (record, bytes) in [(full(), &FULL[..]), (plain(), &PLAIN), (erasure(), &ERASURE)] {
        let mut out = Vec::new();
        record.view().encode(record.skipped, 300, &mut out);
        assert_eq!(out, bytes);
        assert_eq!(frame(bytes, 300), Frame::Whole(bytes.len()));
        let head = Head::parse(bytes).expect("reads");
        assert_eq!(head.record(None).expect("reads"), record);
        assert_eq!(head.record(Some(&record.channel)).expect("reads"), record);
        assert_eq!(head.skipped(), Ok(record.skipped));
        assert_eq!(head.receipt(), Ok(record.idempotency.map(|tag| (tag, record.subscribers))));
    }
}

#[test]
fn nothing_else_is_a_record() {
    assert_eq!(frame(&FULL, 299), Frame::Damaged, "another segment");
    assert_eq!(frame(&[0; 64], 300), Frame::Zeros);
    for size in 0..FULL.len() {
        assert!(matches!(frame(&FULL[..size], 300), Frame::Needs(_)), "{size} bytes");
    }
    for bit in 0..FULL.len() * 8 {
        let mut flipped = FULL;
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(!matches!(frame(&flipped, 300), Frame::Whole(_) | Frame::Zeros), "bit {bit}");
    }
}

/// A flag that this version does not know can change what the bytes mean.
#[test]
fn a_record_of_a_later_version_is_not_misread() {
    for bit in 13..16 {
        let mut later = FULL;
        later[24..26].copy_from_slice(&(0x07fd_u16 | 1 << bit).to_le_bytes());
        assert!(Head::parse(&later).is_err_and(|error| error.is_later()), "flag {bit}");
    }
    let mut later = PLAIN;
    later[24] = 0b11;
    assert!(Head::parse(&later).is_err_and(|error| error.is_later()), "a kind of data");
}

#[test]
fn an_index_has_these_bytes() {
    let mut contents = Contents::default();
    let heads = [(&FULL[..], 0, 1_u64 << 63), (&PLAIN, 96, 1 << 54), (&ERASURE, 127, 0)];
    for (bytes, at, hash) in heads {
        let head = Head::parse(bytes).expect("reads");
        contents.add(hash, &head, head.skipped().expect("reads"), at, bytes.len() as u64);
    }
    let receipt = LoggedReceipt {
        idempotency: [0x11; 16],
        seq: 300,
        time: 1_700_000_000_000,
        channel: 1 << 63,
        subscribers: None,
    };
    let bytes = index::encode(300, 0x0403_0201, &contents, &[receipt]);
    #[rustfmt::skip]
    let head = [
        b't', b'r', b'i', b'c', b'i', b'd', b'x', b'1',
        0x2c, 0x01, 0, 0, 0, 0, 0, 0, 159, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
        0x2c, 0x01, 0, 0, 0, 0, 0, 0, 0x2c, 0x01, 0, 0, 0, 0, 0, 0,
        0x2e, 0x01, 0, 0, 0, 0, 0, 0, 0, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0, 0,
        0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 2, 3, 4, 19, 0, 0, 0,
        // an erasure
        0x2e, 0x01, 0, 0, 0, 0, 0, 0, 0x2d, 0x01, 0, 0, 0, 0, 0, 0, 2, b'u', b'p',
    ];
    let summary = &contents.summary;
    let found = summary.erasures.iter().map(|erasure| (erasure.seq, erasure.upto));
    assert_eq!(found.collect::<Vec<_>>(), [(302, 301)]);
    let (found, rest) = bytes.split_at(head.len());
    assert_eq!(found, head);
    let (sum, rest) = rest.split_at(4);
    assert_eq!(sum, crc32c::crc32c(&head).to_le_bytes());
    let (body, sum) = rest.split_at(rest.len() - 4);
    assert_eq!(sum, crc32c::crc32c(body).to_le_bytes());
    let (fan_out, body) = body.split_at(1025 * 4);
    let below = |bucket: usize| fan_out[bucket * 4];
    assert_eq!([0, 1, 2, 512, 513, 1024].map(below), [0, 0, 1, 1, 2, 2]);
    #[rustfmt::skip]
    let expected = [
        // a mark
        0x2c, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        // channels
        0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 1, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0, 0, 1, 0, 0, 0,
        // places
        96, 0, 0, 0, 0, 0, 0, 0,
        // a receipt
        0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
        0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
        0, 0, 0, 0, 0, 0, 0, 0x80, 0x2c, 0x01, 0, 0, 0, 0, 0, 0,
        0, 0x68, 0xe5, 0xcf, 0x8b, 0x01, 0, 0, 0xff, 0xff, 0xff, 0xff,
    ];
    assert_eq!(body, expected);
}
