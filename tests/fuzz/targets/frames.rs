//! Inbound frames: however the bytes are split, the same is decoded, and another library decodes
//! the same.
#![no_main]

use std::io::{self, Read, Write};

use libfuzzer_sys::fuzz_target;
use tricast_core::CloseReason;
use tricast_ws::fuzzing::{self, Received};
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

const LIMIT: usize = 300;

/// Bytes that a client sends; it ignores the replies.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Decodes by the other library; returns also whether that found an error.
fn other(bytes: &[u8]) -> (Vec<Received>, bool) {
    // Small buffers: to clear large ones would be most of the work.
    let config = WebSocketConfig::default()
        .read_buffer_size(512)
        .write_buffer_size(0)
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Wire(bytes), Role::Server, Some(config));
    let mut received = Vec::new();
    loop {
        received.push(match socket.read() {
            Ok(Message::Text(text)) => Received::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Received::Binary(bytes.to_vec()),
            Ok(Message::Ping(payload)) => Received::Ping(payload.to_vec()),
            Ok(Message::Pong(_)) => Received::Pong,
            Ok(Message::Close(_)) => {
                received.push(Received::Close);
                return (received, false);
            }
            Ok(Message::Frame(_)) => continue,
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => {
                return (received, false);
            }
            Err(_) => return (received, true),
        });
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let whole = fuzzing::decode(bytes, bytes.len().max(1), LIMIT);
    // In pieces, a bad byte may be found before the bytes after it have arrived, and never later.
    let pieces = fuzzing::decode(bytes, usize::from(cut).max(1), LIMIT);
    assert_eq!(whole, pieces);

    let (received, reason) = whole;
    let (others, wrong) = other(bytes);
    let same = received.iter().zip(&others).all(|(ours, theirs)| ours == theirs);
    assert!(same, "{received:?}\n{others:?}");
    match reason {
        // We refuse a bad byte of text at once, and they at the end of its frame. We refuse close
        // codes that may not be sent, and they reply to them.
        Some(CloseReason::Malformed | CloseReason::Protocol) => {
            assert!(received.len() <= others.len())
        }
        Some(_) => assert!(wrong || received.len() == others.len(), "{reason:?} {others:?}"),
        None => {
            assert!(!wrong, "they refuse what we accept: {received:?}\n{others:?}");
            assert_eq!(received.len(), others.len(), "{received:?}\n{others:?}");
        }
    }
});
