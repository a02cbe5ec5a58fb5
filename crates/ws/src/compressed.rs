//! Complete messages, plain or still compressed.

use tricast_core::CloseReason;

use crate::{command_handler::ClientMessage, deflate::inflate};

/// A compressed message. A few bytes may become many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CompressedMessage {
    pub(crate) text: bool,
    pub(crate) data: Vec<u8>,
    pub(crate) limit: usize,
}

/// The most bytes that are decompressed at once. They become at most a thousand times as many, in a
/// tenth of a millisecond.
pub(crate) const INLINE_INFLATE_BYTES: usize = 256;

impl CompressedMessage {
    /// Decompresses the message.
    ///
    /// # Errors
    /// If it is no deflated data, too large, or text that is not UTF-8.
    pub(crate) fn decompress(self) -> Result<ClientMessage, CloseReason> {
        to_client_message(inflate(self.data, self.limit)?, self.text)
    }
}

/// Makes a message of its decompressed data.
pub(crate) fn to_client_message(
    mut data: Vec<u8>,
    text: bool,
) -> Result<ClientMessage, CloseReason> {
    // The log counts the length of the data, not its capacity.
    data.shrink_to_fit();
    if !text {
        return Ok(ClientMessage::Binary(data.into()));
    }
    String::from_utf8(data).map(ClientMessage::Text).map_err(|_| CloseReason::Malformed)
}
