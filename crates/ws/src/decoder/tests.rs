//! Tests of the decoder.

use super::*;
use crate::{command_handler::ClientMessage, compressed::INLINE_INFLATE_BYTES};

/// Makes a frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let length = match payload.len() {
        short @ 0..126 => vec![0x80 | short as u8],
        long @ 126..65_536 => [&[0xfe], &(long as u16).to_be_bytes()[..]].concat(),
        long => [&[0xff], &(long as u64).to_be_bytes()[..]].concat(),
    };
    let masked: Vec<u8> =
        payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]).collect();
    [&[first], &length[..], &mask, &masked].concat()
}

/// Decodes all of `bytes`, which arrive in pieces of `size`.
fn read(bytes: &[u8], size: usize) -> Result<Vec<Decoded>, CloseReason> {
    let mut decoder = Decoder::new(100_000, Compression::Off);
    let mut all = Vec::new();
    for piece in bytes.chunks(size) {
        decoder.push(piece);
        while let Some(decoded) = decoder.decode_next()? {
            all.push(decoded);
        }
    }
    assert!(decoder.is_idle(), "nothing is incomplete");
    Ok(all)
}

#[test]
fn the_masked_example_of_rfc_6455() {
    let bytes = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_eq!(read(bytes, 100), Ok(vec![Decoded::Text("Hello".into())]));
}

#[test]
fn however_the_bytes_are_cut_the_messages_are_the_same() {
    let long = "ö".repeat(40_000);
    let bytes = [
        frame(0x01, "hä".as_bytes().split_at(2).0),
        frame(0x89, b"p"),
        frame(0x80, "hä".as_bytes().split_at(2).1),
        frame(0x82, &[0xff; 300]),
        frame(0x81, long.as_bytes()),
        frame(0x8a, b""),
        frame(0x81, b""),
        frame(0x88, b"\x03\xe8bye"),
    ]
    .concat();
    let expected = vec![
        Decoded::Ping(Bytes::from_static(b"p")),
        Decoded::Text("hä".into()),
        Decoded::Binary(vec![0xff; 300].into()),
        Decoded::Text(long.clone()),
        Decoded::Pong,
        Decoded::Text(String::new()),
        Decoded::Close(Some(1000)),
    ];
    for size in [1, 2, 3, 7, 1000, bytes.len()] {
        assert_eq!(read(&bytes, size), Ok(expected.clone()), "{size}");
    }
}

#[test]
fn what_breaks_a_rule_ends_the_connection_with_its_reason() {
    use CloseReason::{Malformed, Protocol, TooLarge};
    let unmasked = b"\x81\x01x".to_vec();
    let cases = [
        (unmasked, Protocol),
        (vec![0xc1], Protocol),
        (vec![0x83], Protocol),
        (frame(0x80, b"x"), Protocol),
        ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), Protocol),
        (frame(0x09, b""), Protocol),
        (frame(0x89, &[0; 126]), Protocol),
        (frame(0x88, b"\x03"), Protocol),
        (frame(0x88, b"\x03\xed"), Protocol),
        (frame(0x88, b"\x03\xe8\xff"), Malformed),
        (frame(0x81, b"\xff"), Malformed),
        (frame(0x81, b"\xc3"), Malformed),
        (frame(0x82, &vec![0; 100_001]), TooLarge),
        ([frame(0x02, &[0; 99_999]), frame(0x80, &[0; 2])].concat(), TooLarge),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec(), TooLarge),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), Protocol),
        (b"\x82\xff\0\0\0\0\0\0\xff\xff".to_vec(), Protocol),
        (b"\x82\xfe\0\x7d".to_vec(), Protocol),
        (b"\x89\xfe\0\x01".to_vec(), Protocol),
    ];
    for (bytes, reason) in cases {
        assert_eq!(read(&bytes, 1), Err(reason), "{:x?}", &bytes[..bytes.len().min(12)]);
    }
}

#[test]
fn a_compressed_message_comes_in_pieces_too() {
    let compressed = crate::deflate::deflate("hä? ".repeat(100).as_bytes(), crate::Window::Large);
    let compressed = compressed.expect("shrinks");
    let (one, two) = compressed.split_at(3);
    let bytes = [frame(0x41, one), frame(0x89, b""), frame(0x80, two), frame(0x81, b"x")];
    let mut decoder = Decoder::new(1000, Compression::Negotiated);
    decoder.push(&bytes.concat());
    let mut all = Vec::new();
    while let Some(decoded) = decoder.decode_next().expect("fits") {
        all.push(decoded);
    }
    let text = |text: &str| Decoded::Text(text.into());
    assert_eq!(all, [Decoded::Ping(Bytes::new()), text(&"hä? ".repeat(100)), text("x")]);
    // RSV1 is an error on a further frame, on a control frame, and if it was not negotiated.
    for (bytes, compression) in [
        ([frame(0x41, one), frame(0xc0, two)].concat(), Compression::Negotiated),
        (frame(0xc9, b""), Compression::Negotiated),
        (frame(0xa1, b""), Compression::Negotiated),
        (frame(0xc1, &compressed), Compression::Off),
    ] {
        let mut decoder = Decoder::new(1000, compression);
        decoder.push(&bytes);
        assert_eq!(decoder.decode_next(), Err(CloseReason::Protocol));
    }
    let mut decoder = Decoder::new(100, Compression::Negotiated);
    decoder.push(&frame(0xc1, &compressed));
    assert_eq!(decoder.decode_next(), Err(CloseReason::TooLarge));
}

#[test]
fn a_bad_byte_is_refused_before_its_frame_is_complete() {
    let mut decoder = Decoder::new(1000, Compression::Off);
    let whole = frame(0x81, b"ok\xffand much more");
    decoder.push(&whole[..6 + 3]);
    assert_eq!(decoder.decode_next(), Err(CloseReason::Malformed));
}

/// A few bytes may become megabytes. That work belongs on a thread that serves no one else.
#[test]
fn a_long_compressed_message_is_not_unpacked_here() {
    let payload: Vec<u8> = (0..20_000_u32).flat_map(|n| (n * n % 251).to_le_bytes()).collect();
    let compressed = crate::deflate::deflate(&payload, crate::Window::Large).expect("shrinks");
    assert!(compressed.len() > INLINE_INFLATE_BYTES, "{}", compressed.len());
    let mut decoder = Decoder::new(100_000, Compression::Negotiated);
    decoder.push(&frame(0xc2, &compressed));
    let Ok(Some(Decoded::Compressed(compressed))) = decoder.decode_next() else {
        panic!("unpacked")
    };
    let small = CompressedMessage { limit: 1000, ..compressed.clone() };
    assert_eq!(small.decompress().map(|_| ()), Err(CloseReason::TooLarge));
    let Ok(ClientMessage::Binary(bytes)) = compressed.decompress() else { panic!("it is binary") };
    assert_eq!(bytes, payload);
}
