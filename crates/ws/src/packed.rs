//! A message that has come in whole: as it is, or still compressed.

use tricast_core::CloseReason;

use crate::{deflate::inflate, speaker::Saying};

/// A compressed message, of which little may become much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) text: bool,
    pub(crate) data: Vec<u8>,
    pub(crate) limit: usize,
}

/// What has so many bytes at most is unpacked at once: a thousand times as many take a tenth of a millisecond.
pub(crate) const LITTLE: usize = 256;

impl Packed {
    /// Unpacks it.
    ///
    /// # Errors
    /// When it is not well packed, too large, or text that is not UTF-8.
    pub(crate) fn unpack(self) -> Result<Saying, CloseReason> {
        whole(inflate(self.data, self.limit)?, self.text)
    }
}

/// A whole message, unpacked.
pub(crate) fn whole(mut data: Vec<u8>, text: bool) -> Result<Saying, CloseReason> {
    // The log counts what a message holds, not the room that it grew in.
    data.shrink_to_fit();
    if !text {
        return Ok(Saying::Binary(data.into()));
    }
    String::from_utf8(data).map(Saying::Text).map_err(|_| CloseReason::Malformed)
}
