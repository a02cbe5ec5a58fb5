//! Idempotency: a bounded table of the receipts of recent publishes, by idempotency id.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use crate::{ChannelName, ClientId, Draft, Kind, Problem, Receipt, Trust, UserId};

/// The error for a text that is no valid idempotency id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency id is 1 to 128 printable ASCII characters without spaces")]
pub struct BadIdempotencyId;

impl Problem for BadIdempotencyId {
    fn kind(&self) -> Kind {
        Kind::BadIdempotencyId
    }
}

/// Validates an idempotency id.
///
/// # Errors
/// When it is empty, too long, or has other characters than printable ASCII.
pub fn idempotency_id(text: &str) -> Result<Arc<str>, BadIdempotencyId> {
    let fits = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if fits { Ok(text.into()) } else { Err(BadIdempotencyId) }
}

/// An idempotency id within its scope: the channel and the publisher.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    channel: ChannelName,
    /// The publisher. A user is one publisher on all its devices; a client id counts only without a
    /// user.
    user: Option<UserId>,
    client: Option<ClientId>,
    /// The name of the API key; each key has ids of its own.
    api_key: Option<Arc<str>>,
    id: Arc<str>,
}

impl IdempotencyKey {
    /// Returns the key of a message; `None` if it has no idempotency id.
    pub fn of(draft: &Draft) -> Option<Self> {
        let id = draft.idempotency.clone()?;
        let user = draft.publisher.user.clone();
        let client = if user.is_none() { draft.publisher.client.clone() } else { None };
        let api_key = match &draft.publisher.trust {
            Trust::ApiKey(name) => Some(name.clone()),
            Trust::Unverified | Trust::Anonymous | Trust::Verified => None,
        };
        Some(Self { channel: draft.channel.clone(), user, client, api_key, id })
    }

    /// Returns bytes that are the same for equal keys alone, from which a store makes its tag.
    pub fn to_bytes(&self) -> Vec<u8> {
        let user = self.user.as_ref().map(UserId::as_str);
        let client = self.client.as_ref().map(ClientId::as_str);
        let parts = [Some(self.channel.as_str()), user, client, self.api_key.as_deref()];
        let mut bytes = Vec::new();
        for part in parts.into_iter().chain([Some(&*self.id)]) {
            let length = part.map_or(u32::MAX, |part| part.len() as u32);
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(part.unwrap_or_default().as_bytes());
        }
        bytes
    }
}

#[derive(Debug)]
pub(crate) struct Idempotency {
    receipts: HashMap<IdempotencyKey, Receipt>,
    oldest_first: VecDeque<(u64, IdempotencyKey)>,
    window: Duration,
    entries: usize,
}

impl Idempotency {
    pub(crate) fn new(window: Duration, entries: usize) -> Self {
        Self { receipts: HashMap::new(), oldest_first: VecDeque::new(), window, entries }
    }

    pub(crate) fn find(&mut self, key: &IdempotencyKey, now: u64) -> Option<Receipt> {
        let window = self.window.as_millis() as u64;
        while self.oldest_first.front().is_some_and(|(time, _)| time + window < now) {
            self.remove_oldest();
        }
        self.receipts.get(key).copied()
    }

    pub(crate) fn insert(&mut self, key: IdempotencyKey, receipt: Receipt, now: u64) {
        while self.oldest_first.len() >= self.entries.max(1) {
            self.remove_oldest();
        }
        self.receipts.insert(key.clone(), receipt);
        self.oldest_first.push_back((now, key));
    }

    fn remove_oldest(&mut self) {
        if let Some((_, key)) = self.oldest_first.pop_front() {
            self.receipts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Data, Epoch, MessageId, Publisher};

    fn key(id: &str, client: Option<&str>) -> IdempotencyKey {
        let publisher =
            Publisher { client: client.and_then(|c| c.parse().ok()), ..Publisher::default() };
        let draft = Draft::new("a".parse().expect("fits"), Data::Text(String::new()))
            .with_publisher(publisher)
            .with_idempotency(Arc::from(id));
        IdempotencyKey::of(&draft).expect("has an id")
    }

    fn receipt(seq: u64) -> Receipt {
        let epoch = Epoch::begin(0);
        Receipt { id: MessageId { epoch, seq }, subscribers: 0, duplicate: false }
    }

    #[test]
    fn a_receipt_is_kept_for_its_window_and_publisher() {
        let mut seen = Idempotency::new(Duration::from_millis(100), 10);
        seen.insert(key("x", None), receipt(1), 1000);
        assert_eq!(seen.find(&key("x", None), 1100).map(|r| r.id.seq), Some(1));
        assert_eq!(seen.find(&key("x", Some("tab-0123456789abcdef")), 1100), None);
        assert_eq!(seen.find(&key("x", None), 1101), None);
        assert!(seen.receipts.is_empty());
    }

    #[test]
    fn the_table_is_bounded() {
        let mut seen = Idempotency::new(Duration::from_secs(1000), 3);
        for n in 0..10 {
            seen.insert(key(&n.to_string(), None), receipt(n), n);
        }
        assert_eq!(seen.receipts.len(), 3);
        assert!(seen.find(&key("9", None), 10).is_some());
        assert!(seen.find(&key("6", None), 10).is_none());
    }

    #[test]
    fn the_bytes_of_a_key_are_those_of_no_other() {
        let keys =
            [key("ab", None), key("a", None), key("b", Some("client-0000000000")), key("b", None)];
        for (n, key) in keys.iter().enumerate() {
            for (m, other) in keys.iter().enumerate() {
                assert_eq!(key.to_bytes() == other.to_bytes(), n == m);
            }
        }
    }
}
