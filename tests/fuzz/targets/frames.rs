//! Inbound frames: the result is the same for any fragmentation, and the same as another library's.
#![no_main]

use std::io::{self, Read, Write};

use libfuzzer_sys::fuzz_target;
use tricast_core::CloseReason;
use tricast_ws::fuzzing::{self, Heard};
use tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

const LIMIT: usize = 300;

/// The bytes of a client, and a sink for the answers.
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

/// The result of the other library, and whether it found an error.
fn other(bytes: &[u8]) -> (Vec<Heard>, bool) {
    // Small buffers: to clear large ones would be most of the work.
    let config = WebSocketConfig::default()
        .read_buffer_size(512)
        .write_buffer_size(0)
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let mut socket = WebSocket::from_raw_socket(Wire(bytes), Role::Server, Some(config));
    let mut heard = Vec::new();
    loop {
        heard.push(match socket.read() {
            Ok(Message::Text(text)) => Heard::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Heard::Binary(bytes.to_vec()),
            Ok(Message::Ping(payload)) => Heard::Ping(payload.to_vec()),
            Ok(Message::Pong(_)) => Heard::Pong,
            Ok(Message::Close(_)) => {
                heard.push(Heard::Close);
                return (heard, false);
            }
            Ok(Message::Frame(_)) => continue,
            Err(Error::Protocol(
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
            )) => {
                return (heard, false);
            }
            Err(_) => return (heard, true),
        });
    }
}

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let whole = fuzzing::hear(bytes, bytes.len().max(1), LIMIT);
    // In pieces, a bad byte may be noticed before the bytes after it, and never later.
    let pieces = fuzzing::hear(bytes, usize::from(cut).max(1), LIMIT);
    assert_eq!(whole, pieces);

    let (heard, reason) = whole;
    let (others, wrong) = other(bytes);
    let same = heard.iter().zip(&others).all(|(ours, theirs)| ours == theirs);
    assert!(same, "{heard:?}\n{others:?}");
    match reason {
        // A bad byte of text is refused at once here, and at the end of its frame there. Close
        // codes that may not be sent are refused here, and answered there.
        Some(CloseReason::Malformed | CloseReason::Protocol) => {
            assert!(heard.len() <= others.len())
        }
        Some(_) => assert!(wrong || heard.len() == others.len(), "{reason:?} {others:?}"),
        None => {
            assert!(!wrong, "they refuse what we take: {heard:?}\n{others:?}");
            assert_eq!(heard.len(), others.len(), "{heard:?}\n{others:?}");
        }
    }
});
