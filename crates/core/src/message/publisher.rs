//! The publisher of a message, by its names or by the tags that a store keeps of them.

use std::sync::Arc;

use crate::{ClientId, Identity, Trust, UserId};

/// The publisher of a message. It stays with the message, and is never shown to readers.
#[derive(Clone, Debug, Default)]
pub struct Publisher {
    /// The client id, if the client sent one.
    pub client: Option<ClientId>,
    /// Its user, if known.
    pub user: Option<UserId>,
    /// The authority that vouches for the user.
    pub trust: Trust,
    /// What a store has kept in place of the client id and the user.
    pub tags: Option<Arc<PublisherTags>>,
}

/// Sixteen bytes that stand for a name: the same for the same name and key, and of no use to anyone
/// without the key.
pub type Tag = [u8; 16];

/// Makes tags with a key.
pub trait Tagger: Send + Sync + std::fmt::Debug {
    /// Returns the tag of a client id.
    fn client(&self, client: &ClientId) -> Tag;

    /// Returns the tag of a user.
    fn user(&self, user: &UserId) -> Tag;
}

/// The tags of a publisher. They can be compared with those of a reader, and tell nothing else.
#[derive(Clone, Debug)]
pub struct PublisherTags {
    /// That of the client id.
    pub client: Tag,
    /// That of the user, if it was known.
    pub user: Option<Tag>,
    /// What made them.
    pub tagger: Arc<dyn Tagger>,
}

impl Publisher {
    /// Whether `reader` is the client that published. The publisher's user, if there is one, has to
    /// be the reader's. Where users are verified, the same holds for a publisher without a user: a
    /// client id alone does not identify a user's client.
    pub fn is_self(&self, reader: &Identity) -> bool {
        let (has_user, is_client, is_user) = match &self.tags {
            None => {
                let is_client = self.client.as_ref() == Some(&reader.client);
                (self.user.is_some(), is_client, self.user == reader.user)
            }
            Some(tags) => {
                let user = reader.user.as_ref().map(|user| tags.tagger.user(user));
                let is_client = tags.client == tags.tagger.client(&reader.client);
                (tags.user.is_some(), is_client, tags.user == user)
            }
        };
        let any_user = !has_user
            && match self.trust {
                Trust::Unverified | Trust::ApiKey(_) => true,
                Trust::Anonymous | Trust::Verified => false,
            };
        is_client && (any_user || is_user)
    }

    /// Returns the tags for a store to keep in place of the names; `None` without a client id, with
    /// which skip-self hides nothing.
    pub fn to_tags(&self, tagger: &Arc<dyn Tagger>) -> Option<PublisherTags> {
        if let Some(tags) = &self.tags {
            return Some(PublisherTags::clone(tags));
        }
        let client = tagger.client(self.client.as_ref()?);
        let user = self.user.as_ref().map(|user| tagger.user(user));
        Some(PublisherTags { client, user, tagger: tagger.clone() })
    }
}

impl From<&Identity> for Publisher {
    fn from(identity: &Identity) -> Self {
        let Identity { client, user, trust, .. } = identity.clone();
        Self { client: Some(client), user, trust, tags: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tags that a test can read.
    #[derive(Debug)]
    struct Plain;

    fn plain(kind: u8, name: &str) -> Tag {
        let mut tag = [kind; 16];
        tag.iter_mut().skip(1).zip(name.bytes()).for_each(|(to, byte)| *to = byte);
        tag
    }

    impl Tagger for Plain {
        fn client(&self, client: &ClientId) -> Tag {
            plain(b'c', client.as_str())
        }

        fn user(&self, user: &UserId) -> Tag {
            plain(b'u', user.as_str())
        }
    }

    #[test]
    fn a_client_id_of_another_user_is_not_the_publisher() {
        let stored = |publisher: Publisher| {
            let tagger: Arc<dyn Tagger> = Arc::new(Plain);
            let tags = publisher.to_tags(&tagger).map(Arc::new);
            Publisher { tags, client: None, user: None, ..publisher }
        };
        check_is_self(|publisher| publisher);
        check_is_self(|publisher| match publisher.client {
            Some(_) => stored(publisher),
            None => publisher,
        });
    }

    fn check_is_self(kept: impl Fn(Publisher) -> Publisher) {
        let client: ClientId = "tab-0123456789abcdef".parse().expect("a client id");
        let alice = || "alice".parse::<UserId>().ok();
        let reader = Identity::unverified(Some(client.clone()), alice());
        let by = |user: Option<&str>| Publisher {
            client: Some(client.clone()),
            user: user.and_then(|u| u.parse().ok()),
            trust: Trust::Unverified,
            tags: None,
        };
        assert!(kept(by(Some("alice"))).is_self(&reader));
        assert!(kept(by(None)).is_self(&reader));
        assert!(!kept(by(Some("mallory"))).is_self(&reader));
        assert!(!kept(Publisher { client: None, ..by(Some("alice")) }).is_self(&reader));
        let verified = |user| Publisher { trust: Trust::Verified, ..by(user) };
        assert!(kept(verified(Some("alice"))).is_self(&reader));
        assert!(!kept(verified(None)).is_self(&reader), "no user, with alice's client id");
        let anonymous = Publisher { trust: Trust::Anonymous, ..by(None) };
        assert!(!kept(anonymous).is_self(&reader), "no user where users are verified");
        let backend = Trust::ApiKey("shop".into());
        assert!(kept(Publisher { trust: backend, ..by(None) }).is_self(&reader));
    }
}
