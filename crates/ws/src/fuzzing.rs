//! Doors for the fuzz targets in tests/fuzz; there only when those are built.

use tricast_core::{CloseReason, Draft, Publisher};

use crate::{
    command::{self, Command},
    decoder::{Decoded, Decoder},
    deflate,
};

/// What comes in, as a target compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// Everything that is heard up to the peer's close or to what breaks a rule, when the bytes come in pieces.
pub fn hear(bytes: &[u8], piece: usize, limit: usize) -> (Vec<Heard>, Option<CloseReason>) {
    let mut decoder = Decoder::new(limit, false);
    let mut heard = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            heard.push(match decoder.decode_next() {
                Err(reason) => return (heard, Some(reason)),
                Ok(None) => break,
                Ok(Some(Decoded::Text(text))) => Heard::Text(text),
                Ok(Some(Decoded::Binary(bytes))) => Heard::Binary(bytes.to_vec()),
                Ok(Some(Decoded::Compressed(_))) => unreachable!("compression was not negotiated"),
                Ok(Some(Decoded::Ping(payload))) => Heard::Ping(payload.to_vec()),
                Ok(Some(Decoded::Pong)) => Heard::Pong,
                Ok(Some(Decoded::Close(_))) => {
                    heard.push(Heard::Close);
                    return (heard, None);
                }
            });
        }
        assert!(decoder.held() <= 2 * limit + 200, "the decoder keeps {}", decoder.held());
    }
    (heard, None)
}

/// What a command publishes, if it is one that does.
pub fn command(text: &str) -> Option<Draft> {
    let channels = ["only".parse().ok()?];
    match command::parse(text, &channels, &Publisher::default()).ok()?.command {
        Command::Publish(draft) => Some(*draft),
        _ => None,
    }
}

/// Compresses for one of the windows.
pub fn deflate(payload: &[u8], window: u8) -> Option<Vec<u8>> {
    let all = deflate::Window::ALL;
    deflate::deflate(payload, all[usize::from(window) % all.len()])
}

/// Unpacks.
///
/// # Errors
/// As a connection would end.
pub fn inflate(packed: &[u8], limit: usize) -> Result<Vec<u8>, CloseReason> {
    deflate::inflate(packed.to_vec(), limit)
}
