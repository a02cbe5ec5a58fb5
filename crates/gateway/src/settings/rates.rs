//! Rate limits for publishing.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use tricast_admission::Rate;

use crate::settings::range::size_text;

/// `[rates]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Rates {
    pub messages_per_user: u32,
    pub messages_per_key: u32,
    pub messages_per_address: u32,
    pub messages_per_channel: u32,
    pub bytes_per_user: ByteSize,
    pub bytes_per_key: ByteSize,
    pub bytes_per_address: ByteSize,
}

classify!(Rates {
    live: messages_per_user, messages_per_key, messages_per_address, messages_per_channel,
        bytes_per_user, bytes_per_key, bytes_per_address;
});

impl Rates {
    pub(super) fn check(&self, message_bytes: ByteSize) -> anyhow::Result<()> {
        let message = message_bytes.as_u64();
        for (key, size) in [
            ("rates.bytes_per_user", self.bytes_per_user),
            ("rates.bytes_per_key", self.bytes_per_key),
            ("rates.bytes_per_address", self.bytes_per_address),
        ] {
            let size = size.as_u64();
            anyhow::ensure!(
                size == 0 || (message..=u32::MAX.into()).contains(&size),
                "{key}: 0, or from {} (limits.message_bytes) to 4GiB, not {}",
                size_text(message),
                size_text(size)
            );
        }
        Ok(())
    }

    /// Returns the rates of each user, each API key, and each address.
    pub fn publisher_rates(&self) -> [Rate; 3] {
        let rate = |messages, bytes: ByteSize| Rate {
            messages,
            bytes: u32::try_from(bytes.as_u64()).unwrap_or(u32::MAX),
        };
        [
            rate(self.messages_per_user, self.bytes_per_user),
            rate(self.messages_per_key, self.bytes_per_key),
            rate(self.messages_per_address, self.bytes_per_address),
        ]
    }
}
