//! Keyed digests that stand on the disk for what must not be there itself.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tricast_core::{ClientId, IdempotencyKey, Tag, Tagger, UserId};

/// Makes tags with the key of a log.
#[derive(Clone)]
pub(crate) struct LogTagger(Hmac<Sha256>);

/// The purposes of tags: those of different purposes have nothing in common.
const CLIENT: u8 = 1;
const USER: u8 = 2;
const IDEMPOTENCY: u8 = 3;

impl LogTagger {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let mac = Hmac::new_from_slice(key);
        Self(mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")))
    }

    fn tag(&self, purpose: u8, bytes: &[u8]) -> Tag {
        let mut mac = self.0.clone();
        mac.update(&[purpose]);
        mac.update(bytes);
        let digest = mac.finalize().into_bytes();
        let mut tag = Tag::default();
        tag.copy_from_slice(&digest[..size_of::<Tag>()]);
        tag
    }

    /// The tag of an idempotency id within its channel and publisher.
    pub(super) fn idempotency(&self, key: &IdempotencyKey) -> Tag {
        self.tag(IDEMPOTENCY, &key.to_bytes())
    }
}

impl Tagger for LogTagger {
    fn client(&self, client: &ClientId) -> Tag {
        self.tag(CLIENT, client.as_str().as_bytes())
    }

    fn user(&self, user: &UserId) -> Tag {
        self.tag(USER, user.as_str().as_bytes())
    }
}

impl std::fmt::Debug for LogTagger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogTagger")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_depends_on_the_key_and_the_purpose() {
        let (one, other) = (LogTagger::new(&[1; 32]), LogTagger::new(&[2; 32]));
        let client: ClientId = "tab-0123456789abcdef".parse().expect("a client id");
        let user: UserId = "tab-0123456789abcdef".parse().expect("a user id");
        assert_eq!(one.client(&client), one.client(&client));
        assert_ne!(one.client(&client), other.client(&client));
        assert_ne!(one.client(&client), one.user(&user));
        assert_eq!(format!("{one:?}"), "LogTagger");
    }
}
