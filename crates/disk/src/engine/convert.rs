//! Messages as records, and records as messages.

use std::sync::Arc;

use bytes::Bytes;
use tricast_core::{Data, Draft, EventName, Publisher, PublisherTags, Stored, Tag, Tagger, Trust};

use crate::{DataKind, Record, record::RecordView};

/// Makes the record of a message. `idempotency` is the tag of its idempotency id.
pub(super) fn record_of<'m>(
    stored: &'m Stored,
    skipped: u64,
    idempotency: Option<Tag>,
    tagger: &Arc<dyn Tagger>,
) -> RecordView<'m> {
    let draft = &stored.draft;
    let mut record = RecordView {
        seq: stored.seq,
        skipped,
        time: stored.time,
        end: draft.end,
        skip_self: draft.skip_self,
        standing: 0,
        channel: &draft.channel,
        event: draft.event.as_ref().map(|event| event.as_str()),
        online: stored.online,
        subscribers: None,
        idempotency,
        client: None,
        user: None,
        erases: None,
        kind: match &draft.data {
            Data::Json(_) => DataKind::Json,
            Data::Text(_) => DataKind::Text,
            Data::Bytes(_) => DataKind::Bytes,
        },
        data: draft.data.as_bytes(),
    };
    // Skip-self alone needs to know who published.
    if draft.skip_self
        && let Some(tags) = draft.publisher.to_tags(tagger)
    {
        record.client = Some(tags.client);
        record.user = tags.user;
        record.standing = standing_of(&draft.publisher.trust);
    }
    record
}

/// Makes the message of a record; `None` if it holds what no publisher can send.
pub(super) fn stored_of(record: Record, tagger: &Arc<dyn Tagger>) -> Option<Stored> {
    let text = |data: Bytes| String::from_utf8(data.into()).ok();
    let data = match record.kind {
        DataKind::Json => Data::Json(text(record.data)?),
        DataKind::Text => Data::Text(text(record.data)?),
        DataKind::Bytes => Data::Bytes(record.data),
    };
    let event = record.event.map(|event| EventName::from_log(&event)).transpose().ok()?;
    let mut publisher = Publisher::default();
    if let Some(client) = record.client {
        let tags = PublisherTags { client, user: record.user, tagger: tagger.clone() };
        publisher.tags = Some(Arc::new(tags));
        publisher.trust = trust_of(record.standing)?;
    }
    let draft = Draft::new(record.channel, data)
        .with_event(event)
        .with_publisher(publisher)
        .with_skip_self(record.skip_self)
        .with_end(record.end);
    Some(Stored { seq: record.seq, time: record.time, online: record.online, draft })
}

fn standing_of(trust: &Trust) -> u8 {
    match trust {
        Trust::Unverified => 0,
        Trust::Anonymous => 1,
        Trust::Verified => 2,
        Trust::ApiKey(_) => 3,
    }
}

/// The name of an API key is not kept: skip-self does not ask for it.
fn trust_of(standing: u8) -> Option<Trust> {
    Some(match standing {
        0 => Trust::Unverified,
        1 => Trust::Anonymous,
        2 => Trust::Verified,
        3 => Trust::ApiKey("".into()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tricast_core::{ClientId, Identity, UserId};

    use super::*;
    use crate::{engine::tags::LogTagger, head::Head};

    #[test]
    fn a_record_has_no_name_of_its_publisher_and_skip_self_still_works() {
        let tagger: Arc<dyn Tagger> = Arc::new(LogTagger::new(&[7; 32]));
        let client: ClientId = "tab-0123456789abcdef".parse().expect("a client id");
        let user = || "alice".parse::<UserId>().ok();
        let publisher =
            Publisher { client: Some(client.clone()), user: user(), ..Publisher::default() };
        let draft = Draft::new("a".parse().expect("a name"), Data::Text("x".into()))
            .with_publisher(publisher)
            .with_idempotency(Arc::from("once"))
            .with_skip_self(true);
        let stored = Stored { seq: 1, time: 5, online: Some(2), draft };
        let record = record_of(&stored, 0, Some([9; 16]), &tagger);
        let text = format!("{record:?}");
        for secret in ["alice", "tab-0123456789abcdef", "once"] {
            assert!(!text.contains(secret), "{text}");
        }
        let mut bytes = Vec::new();
        record.encode(0, 1, &mut bytes);
        let record = Head::parse(&bytes).and_then(|head| head.record(None)).expect("reads");
        let again = stored_of(record, &tagger).expect("a message");
        assert_eq!((again.seq, again.time, again.online), (1, 5, Some(2)));
        let reader = |client: ClientId| Identity::unverified(Some(client), user());
        assert!(again.draft.publisher.is_self(&reader(client)));
        let other = "tab-fedcba9876543210".parse().expect("a client id");
        assert!(!again.draft.publisher.is_self(&reader(other)));
    }

    #[test]
    fn without_skip_self_nothing_of_the_publisher_is_kept() {
        let tagger: Arc<dyn Tagger> = Arc::new(LogTagger::new(&[7; 32]));
        let client: ClientId = "tab-0123456789abcdef".parse().expect("a client id");
        let publisher = Publisher { client: Some(client), ..Publisher::default() };
        let draft = Draft::new("a".parse().expect("a name"), Data::Text("x".into()))
            .with_publisher(publisher);
        let stored = Stored { seq: 1, time: 5, online: None, draft };
        let record = record_of(&stored, 0, None, &tagger);
        assert_eq!((record.client, record.user, record.standing), (None, None, 0));
    }
}
