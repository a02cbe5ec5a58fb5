//! The change of an open connection: it enters another channel, or leaves one.

use std::collections::BTreeMap;

use crate::{
    ChannelName, Gap, Kind, MessageId, NotRecovered, Problem, Start, SubscribeError,
    TooManyChannels, clock,
    log::{cursor::Cursor, member::Member, start::LocatedChannels, table::Table},
    sync::Mutex,
};

/// A channel that was added to an open connection.
#[derive(Debug)]
pub struct Subscribed {
    /// The connection's cursor after this; it moves back to `from` if it was ahead of that.
    pub id: MessageId,
    /// The channel.
    pub channel: ChannelName,
    /// The position after which the channel's messages begin.
    pub from: MessageId,
    /// The head of the log at that moment: messages up to it are history.
    pub to: MessageId,
    /// The reason that they do not begin where the client left off; `None` if they do.
    pub not_recovered: Option<NotRecovered>,
    /// Online users of the channel.
    pub online: BTreeMap<ChannelName, u32>,
}

/// The error of a change that was refused.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The connection is subscribed to the channel.
    #[error("this connection is already subscribed to {0}")]
    AlreadySubscribed(ChannelName),
    /// The connection is not subscribed to the channel.
    #[error("this connection is not subscribed to {0}")]
    NotSubscribed(ChannelName),
    /// The connection has as many channels as it may have.
    #[error(
        "one connection can have at most {0} channels; unsubscribe from one, or open another \
             connection"
    )]
    ConnectionFull(usize),
    /// The log refuses the subscription.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
}

impl Problem for ChangeError {
    fn kind(&self) -> Kind {
        match self {
            ChangeError::AlreadySubscribed(_) => Kind::AlreadySubscribed,
            ChangeError::NotSubscribed(_) => Kind::NotSubscribed,
            ChangeError::ConnectionFull(_) => Kind::BadChannel,
            ChangeError::Subscribe(error) => error.kind(),
        }
    }
}

/// One more channel for an open connection.
#[derive(Debug)]
pub(crate) struct Addition {
    pub(crate) channel: ChannelName,
    pub(crate) start: Start,
    pub(crate) located: LocatedChannels,
}

/// The limits of a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChangeLimits {
    /// The most channels that the reader may ask for.
    pub(crate) max_channels: usize,
    /// Whether the reader is sent changes of the online counts.
    pub(crate) online_updates: bool,
}

/// Adds a reader to one more channel. From here on it is counted there and misses nothing. Returns
/// the gap to report after the reply.
pub(super) fn add_channel(
    table: &Mutex<Table>,
    cursor: &mut Cursor,
    member: &Member,
    Addition { channel, start, located }: Addition,
    limits: ChangeLimits,
) -> Result<(Subscribed, Option<Gap>), ChangeError> {
    let mut table = table.lock();
    if cursor.index_of(&table, &channel).is_some() {
        return Err(ChangeError::AlreadySubscribed(channel));
    }
    if cursor.explicit().count() >= limits.max_channels {
        return Err(ChangeError::ConnectionFull(limits.max_channels));
    }
    let slots = pin(&mut table, &channel)?;
    table.note_ends(&slots, &located);
    let resolved = start.resolve(&table, &slots, &located, clock::unix_millis());
    let mut added = resolved.channel_cursor(0, slots[0], &table, true);
    let wakers = member.enter(&mut table, &mut added, limits.online_updates);
    let users = table.slots[added.slot].visible_users();
    let hidden = resolved.hidden_gaps(std::slice::from_ref(&channel), &table).pop();
    let subscribed = Subscribed {
        id: table.id(cursor.position.min(resolved.position)),
        channel: channel.clone(),
        from: table.id(resolved.position),
        to: table.head(),
        not_recovered: resolved.not_recovered,
        online: users.map(|users| (channel.clone(), users)).into_iter().collect(),
    };
    drop(table);
    cursor.add_channel(added, resolved.position);
    wakers.wake_count_watchers();
    // The id is not above the cursor: a client that is disconnected after this gap resumes from it.
    let hidden = hidden.map(|gap| Gap { id: subscribed.id, ..gap });
    let gap = match resolved.is_foreign() {
        true => Some(Gap::unknown(subscribed.id, channel)),
        false => hidden,
    };
    Ok((subscribed, gap))
}

fn pin(table: &mut Table, channel: &ChannelName) -> Result<Vec<usize>, SubscribeError> {
    let names = || std::iter::once(channel.clone());
    if !table.has_room_for(names()) {
        return Err(TooManyChannels.into());
    }
    table.check_subscriber_limit(channel)?;
    Ok(table.pin_all(names())?)
}

/// Removes a reader from one of the channels that it asked for.
pub(super) fn remove_channel(
    table: &Mutex<Table>,
    cursor: &mut Cursor,
    member: &Member,
    channel: &ChannelName,
) -> Result<(), ChangeError> {
    let mut table = table.lock();
    let index = cursor.index_of(&table, channel).filter(|at| cursor.channels[*at].explicit);
    let index = index.ok_or_else(|| ChangeError::NotSubscribed(channel.clone()))?;
    let removed = cursor.remove_channel(index);
    let wakers = member.leave(&mut table, &removed);
    drop(table);
    wakers.iter().for_each(|wakers| wakers.wake_count_watchers());
    Ok(())
}
