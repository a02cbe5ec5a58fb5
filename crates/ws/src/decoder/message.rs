//! Assembles messages from the payloads of their frames.

use tricast_core::CloseReason;

use super::Decoded;
use crate::{
    command_handler::ClientMessage,
    compressed::{CompressedMessage, INLINE_INFLATE_BYTES, to_client_message},
};

/// A message of which not all frames have arrived.
#[derive(Debug)]
pub(super) struct PartialMessage {
    text: bool,
    pub(super) compressed: bool,
    data: Vec<u8>,
    /// The length of the prefix of `data` that is known to be UTF-8.
    utf8_checked: usize,
}

impl PartialMessage {
    pub(super) fn new(text: bool, compressed: bool) -> Self {
        Self { text, compressed, data: Vec::new(), utf8_checked: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.data.len()
    }

    /// Adds a part of the payload.
    ///
    /// # Errors
    /// If a text is not UTF-8.
    pub(super) fn extend(&mut self, unmasked: impl Iterator<Item = u8>) -> Result<(), CloseReason> {
        self.data.extend(unmasked);
        self.check_utf8()
    }

    /// Checks text as it arrives (RFC 6455 §8.1). The last character may still be incomplete.
    fn check_utf8(&mut self) -> Result<(), CloseReason> {
        if !self.text || self.compressed {
            return Ok(());
        }
        match std::str::from_utf8(&self.data[self.utf8_checked..]) {
            Ok(_) => self.utf8_checked = self.data.len(),
            Err(error) if error.error_len().is_none() => self.utf8_checked += error.valid_up_to(),
            Err(_) => return Err(CloseReason::Malformed),
        }
        Ok(())
    }

    /// Makes the message of all its payload. A short compressed message is decompressed at once.
    pub(super) fn finish(self, limit: usize) -> Result<Decoded, CloseReason> {
        let Self { text, compressed, data, .. } = self;
        let long = data.len() > INLINE_INFLATE_BYTES;
        let message = match compressed {
            false => to_client_message(data, text)?,
            true if long => ClientMessage::Compressed(CompressedMessage { text, data, limit }),
            true => CompressedMessage { text, data, limit }.decompress()?,
        };
        Ok(match message {
            ClientMessage::Text(text) => Decoded::Text(text),
            ClientMessage::Binary(bytes) => Decoded::Binary(bytes),
            ClientMessage::Compressed(compressed) => Decoded::Compressed(compressed),
        })
    }
}
