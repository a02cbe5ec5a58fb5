//! The entry points of the fuzz targets in tests/fuzz. They exist only under `cfg(fuzzing)`.

use tricast_core::{CloseReason, Draft, Publisher};

use crate::{
    command::{self, Command},
    decoder::{Compression, Decoded, Decoder},
    deflate,
};

/// A decoded message or control frame, as a target compares it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Received {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// Decodes `bytes` in pieces, up to the peer's close or the first broken rule.
pub fn decode(bytes: &[u8], piece: usize, limit: usize) -> (Vec<Received>, Option<CloseReason>) {
    let mut decoder = Decoder::new(limit, Compression::Off);
    let mut received = Vec::new();
    for piece in bytes.chunks(piece) {
        decoder.push(piece);
        loop {
            received.push(match decoder.decode_next() {
                Err(reason) => return (received, Some(reason)),
                Ok(None) => break,
                Ok(Some(Decoded::Text(text))) => Received::Text(text),
                Ok(Some(Decoded::Binary(bytes))) => Received::Binary(bytes.to_vec()),
                Ok(Some(Decoded::Compressed(_))) => unreachable!("compression was not negotiated"),
                Ok(Some(Decoded::Ping(payload))) => Received::Ping(payload.to_vec()),
                Ok(Some(Decoded::Pong)) => Received::Pong,
                Ok(Some(Decoded::Close(_))) => {
                    received.push(Received::Close);
                    return (received, None);
                }
            });
        }
        assert!(
            decoder.buffered_bytes() <= 2 * limit + 200,
            "the decoder holds {}",
            decoder.buffered_bytes()
        );
    }
    (received, None)
}

/// Parses a command, and returns what it publishes.
pub fn command(text: &str) -> Option<Draft> {
    let channels = ["only".parse().ok()?];
    match command::parse(text, &channels, &Publisher::default()).ok()?.command {
        Command::Publish(draft) => Some(*draft),
        _ => None,
    }
}

/// Compresses a payload for one of the windows.
pub fn deflate(payload: &[u8], window: u8) -> Option<Vec<u8>> {
    let all = deflate::Window::ALL;
    deflate::deflate(payload, all[usize::from(window) % all.len()])
}

/// Decompresses a payload.
///
/// # Errors
/// The reason with which a connection would end.
pub fn inflate(compressed: &[u8], limit: usize) -> Result<Vec<u8>, CloseReason> {
    deflate::inflate(compressed.to_vec(), limit)
}
