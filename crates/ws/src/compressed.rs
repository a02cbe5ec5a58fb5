//! A message that has come in whole: as it is, or still compressed.

use tricast_core::CloseReason;

use crate::{command_handler::ClientMessage, deflate::inflate};

/// A compressed message, of which little may become much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompressedMessage {
    pub(crate) text: bool,
    pub(crate) data: Vec<u8>,
    pub(crate) limit: usize,
}

/// What has so many bytes at most is unpacked at once: a thousand times as many take a tenth of a millisecond.
pub(crate) const INLINE_INFLATE_BYTES: usize = 256;

impl CompressedMessage {
    /// Unpacks it.
    ///
    /// # Errors
    /// When it is not well packed, too large, or text that is not UTF-8.
    pub(crate) fn decompress(self) -> Result<ClientMessage, CloseReason> {
        to_client_message(inflate(self.data, self.limit)?, self.text)
    }
}

/// A whole message, unpacked.
pub(crate) fn to_client_message(
    mut data: Vec<u8>,
    text: bool,
) -> Result<ClientMessage, CloseReason> {
    // The log counts what a message holds, not the room that it grew in.
    data.shrink_to_fit();
    if !text {
        return Ok(ClientMessage::Binary(data.into()));
    }
    String::from_utf8(data).map(ClientMessage::Text).map_err(|_| CloseReason::Malformed)
}
