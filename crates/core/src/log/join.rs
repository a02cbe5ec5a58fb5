//! The join of a reader, and its leave.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    ChannelName, Gap, Identity, NotRecovered, Start, SubscribeError, TooManyChannels, Wire, clock,
    log::{
        channel_cursor::ChannelCursor, cursor::Cursor, member::Member, start::LocatedChannels,
        table::Table,
    },
    notify::waker::WakerSet,
    sync::Mutex,
};

/// A request to subscribe, for [`Hub::join`](crate::Hub::join).
///
/// ```
/// use tricast_core::{Identity, Join, Start, Wire};
///
/// let channels = ["news".parse()?, "weather".parse()?];
/// let join = Join::new(channels, Identity::unverified(None, None), Wire::Sse)
///     .with_start(Start::Newest(10));
/// assert_eq!(join.channels.len(), 2);
/// # Ok::<(), tricast_core::BadChannelName>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a reader joins only when this is given to `Hub::join`"]
#[non_exhaustive]
pub struct Join {
    /// The channels: at least one, each once.
    pub channels: Vec<ChannelName>,
    /// The reader.
    pub identity: Arc<Identity>,
    /// The wire, for the metrics and the online counts; the same as the format's.
    pub wire: Wire,
    /// The point in the log to start from.
    pub start: Start,
    /// Whether the reader is sent changes of the online counts.
    pub online_updates: bool,
    /// Whether the user's own channel, `@user`, is added. Set it only for a verified user.
    pub include_user_channel: bool,
}

impl Join {
    /// Makes a request for new messages of `channels`.
    pub fn new(
        channels: impl IntoIterator<Item = ChannelName>,
        identity: impl Into<Arc<Identity>>,
        wire: Wire,
    ) -> Self {
        Self {
            channels: channels.into_iter().collect(),
            identity: identity.into(),
            wire,
            start: Start::Latest,
            online_updates: false,
            include_user_channel: false,
        }
    }

    /// Sets the point in the log to start from.
    pub fn with_start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// Sets whether the reader is sent changes of the online counts.
    pub fn with_online_updates(mut self, online_updates: bool) -> Self {
        self.online_updates = online_updates;
        self
    }

    /// Sets whether the user's own channel is added. The caller has to check that the user may read
    /// it.
    pub fn with_user_channel(mut self, include_user_channel: bool) -> Self {
        self.include_user_channel = include_user_channel;
        self
    }

    /// Returns the channels asked for, and after them the user's own.
    pub(crate) fn all_channels(&self) -> impl Iterator<Item = ChannelName> {
        let user = self.identity.user.as_ref().filter(|_| self.include_user_channel);
        let own = user.map(ChannelName::of_user).filter(|own| !self.channels.contains(own));
        self.channels.iter().cloned().chain(own)
    }
}

/// The state of the log when a reader joined; the session's hello reports it.
#[derive(Debug)]
#[non_exhaustive]
pub struct JoinInfo {
    /// The channels that the reader asked for.
    pub channels: Vec<ChannelName>,
    /// The reason that the reader does not continue where it left off; `None` if it does.
    pub not_recovered: Option<NotRecovered>,
    /// Losses of unknown extent, if this log has not issued the resume point.
    pub gaps: Vec<Gap>,
    /// Whether the request that opens the stream has published a message too; `None` if it carries
    /// none.
    pub published: Option<bool>,
    /// Online users of each channel, this reader included.
    pub online: BTreeMap<ChannelName, u32>,
    /// Whether the reader asked for changes of the online counts.
    pub(crate) online_updates: bool,
}

/// Adds `member` to the channels that `join` asks for.
pub(super) fn join(
    table: &Mutex<Table>,
    join: &Join,
    located: &LocatedChannels,
    member: &Member,
) -> Result<(Cursor, JoinInfo), SubscribeError> {
    let mut table = table.lock();
    if !table.has_room_for(join.all_channels()) {
        return Err(TooManyChannels.into());
    }
    join.channels.iter().try_for_each(|channel| table.check_subscriber_limit(channel))?;
    let slots = table.pin_all(join.all_channels())?;
    table.note_ends(&slots, located);
    let resolved = join.start.resolve(&table, &slots, located, clock::unix_millis());
    let mut cursors = Vec::with_capacity(slots.len());
    let mut waker_sets: Vec<Arc<WakerSet>> = Vec::new();
    for (index, slot) in slots.into_iter().enumerate() {
        let is_explicit = index < join.channels.len();
        let mut cursor = resolved.channel_cursor(index, slot, &table, is_explicit);
        waker_sets.push(member.enter(&mut table, &mut cursor, join.online_updates));
        cursors.push(cursor);
    }
    let id = table.id(resolved.position);
    let unknown = |name: ChannelName| Gap::unknown(id, name);
    let gaps = match resolved.is_foreign() {
        true => join.all_channels().map(unknown).collect(),
        false => resolved.hidden_gaps(&join.all_channels().collect::<Vec<_>>(), &table),
    };
    let cursor = Cursor::new(resolved.position, cursors);
    let users_of = |cursor: &ChannelCursor| {
        let channel = &table.slots[cursor.slot];
        Some((channel.name.clone(), channel.visible_users()?))
    };
    let join_info = JoinInfo {
        channels: join.channels.clone(),
        not_recovered: resolved.not_recovered,
        gaps,
        published: None,
        online: cursor.explicit().filter_map(users_of).collect(),
        online_updates: join.online_updates,
    };
    // These share the memory of the log's own names.
    member.waker.info.set_channels(cursor.channel_names(&table));
    drop(table);
    waker_sets.iter().for_each(|wakers| wakers.wake_count_watchers());
    Ok((cursor, join_info))
}

/// Removes `member` from all channels of its cursor.
pub(super) fn leave(table: &Mutex<Table>, cursor: &Cursor, member: &Member) {
    let cursors = &cursor.channels;
    let mut table = table.lock();
    let waker_sets: Vec<_> =
        cursors.iter().filter_map(|cursor| member.leave(&mut table, cursor)).collect();
    drop(table);
    waker_sets.iter().for_each(|wakers| wakers.wake_count_watchers());
}
