//! Encodes frames as a server sends them: complete, final and unmasked (RFC 6455 §5.2).

use bytes::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::deflate::{Window, deflate};

/// The bit that marks a compressed message (RFC 7692 §6).
const RSV1: u8 = 0x40;

/// Encodes a data frame. `write` appends the payload.
pub(crate) fn data(opcode: Data, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    frame(u8::from(OpCode::Data(opcode)), write)
}

/// Encodes a data frame, compressed if that makes it shorter.
pub(crate) fn deflated(opcode: Data, window: Window, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut payload = Vec::new();
    write(&mut payload);
    match deflate(&payload, window) {
        Some(compressed) => {
            let first = RSV1 | u8::from(OpCode::Data(opcode));
            frame(first, |bytes| bytes.extend_from_slice(&compressed))
        }
        None => data(opcode, |bytes| bytes.extend_from_slice(&payload)),
    }
}

fn control(opcode: Control, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    frame(u8::from(OpCode::Control(opcode)), write)
}

/// Encodes header and payload into one buffer.
fn frame(first: u8, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    // The header's length depends on the payload's: leave room for the longest header, then cut.
    const MAX_HEADER_BYTES: usize = 10;
    let mut bytes = vec![0; MAX_HEADER_BYTES];
    write(&mut bytes);
    let length = bytes.len() - MAX_HEADER_BYTES;
    let first = 0x80 | first;
    let start = if length < 126 {
        bytes[8..10].copy_from_slice(&[first, length as u8]);
        8
    } else if let Ok(length) = u16::try_from(length) {
        bytes[6..8].copy_from_slice(&[first, 126]);
        bytes[8..10].copy_from_slice(&length.to_be_bytes());
        6
    } else {
        bytes[..2].copy_from_slice(&[first, 127]);
        bytes[2..10].copy_from_slice(&(length as u64).to_be_bytes());
        0
    };
    Bytes::from(bytes).slice(start..)
}

pub(crate) fn ping(payload: &str) -> Bytes {
    control(Control::Ping, |bytes| bytes.extend_from_slice(payload.as_bytes()))
}

pub(crate) fn pong(payload: &[u8]) -> Bytes {
    control(Control::Pong, |bytes| bytes.extend_from_slice(payload))
}

/// Encodes a close frame: a code, and its reason in words (RFC 6455 §5.5.1).
pub(crate) fn close(code: u16, reason: &str) -> Bytes {
    control(Control::Close, |bytes| {
        bytes.extend_from_slice(&code.to_be_bytes());
        bytes.extend_from_slice(reason.as_bytes());
    })
}

/// Encodes the reply to a close frame with this code.
pub(crate) fn close_reply(code: Option<u16>) -> Bytes {
    control(Control::Close, |bytes| {
        bytes.extend(code.iter().flat_map(|code| code.to_be_bytes()));
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_lengths_of_a_header() {
        let of = |length: usize| data(Data::Binary, |bytes| bytes.resize(bytes.len() + length, 7));
        assert_eq!(of(125)[..2], [0x82, 125]);
        assert_eq!(of(126)[..4], [0x82, 126, 0, 126]);
        assert_eq!(of(65_535)[..4], [0x82, 126, 0xff, 0xff]);
        assert_eq!(of(65_536)[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
        for length in [0, 125, 126, 65_535, 65_536] {
            assert!(of(length).ends_with(&vec![7; length]));
        }
        assert_eq!(data(Data::Text, |bytes| bytes.extend(b"hi")), &b"\x81\x02hi"[..]);
        assert_eq!(ping("k7-1"), &b"\x89\x04k7-1"[..]);
    }
}
