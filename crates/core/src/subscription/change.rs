//! A reader that changes what it listens to while its stream is open.

use std::sync::Arc;

use serde_json::value::RawValue;

use crate::{
    Access, Ack, Act, ChannelFull, ChannelName, CommandError, Control, Done, EngineError, Gap, Hub,
    Kind, Problem, Start, Subscribed, Subscription, TooManyChannels,
    hub::Interest,
    log::{Log, start::AheadOfLog},
};

/// A change that waits for whoever drives the stream.
#[derive(Debug)]
pub struct Change {
    wish: Wish,
    reference: Option<Box<RawValue>>,
}

#[derive(Debug)]
enum Wish {
    Subscribe { channel: ChannelName, start: Start, interest: Interest },
    Unsubscribe(ChannelName),
    Renew(Arc<dyn Access>),
}

/// A change was refused.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It listens there.
    #[error("this connection listens to {0} already")]
    AlreadySubscribed(ChannelName),
    /// It does not listen there.
    #[error("this connection does not listen to {0}")]
    NotSubscribed(ChannelName),
    /// As many channels as one connection may have.
    #[error("one connection takes at most {0} channels; leave one, or open another connection")]
    ConnectionFull(usize),
    /// As many channels as the gateway may have.
    #[error(transparent)]
    TooManyChannels(#[from] TooManyChannels),
    /// As many subscribers as the channel may have.
    #[error(transparent)]
    ChannelFull(#[from] ChannelFull),
    /// The resume point cannot have come from here.
    #[error(transparent)]
    AheadOfLog(#[from] AheadOfLog),
}

impl Problem for ChangeError {
    fn kind(&self) -> Kind {
        match self {
            ChangeError::AlreadySubscribed(_) => Kind::AlreadySubscribed,
            ChangeError::NotSubscribed(_) => Kind::NotSubscribed,
            ChangeError::ConnectionFull(_) => Kind::BadChannel,
            ChangeError::TooManyChannels(error) => error.kind(),
            ChangeError::ChannelFull(error) => error.kind(),
            ChangeError::AheadOfLog(error) => error.kind(),
        }
    }
}

impl Change {
    /// Listens to `channel` too, from `start` on. Done once the engine feeds it.
    ///
    /// # Errors
    /// When the engine cannot.
    pub async fn subscribe(
        hub: &Arc<Hub>,
        channel: ChannelName,
        start: Start,
        reference: Option<Box<RawValue>>,
    ) -> Result<Self, EngineError> {
        let interest = Interest::begin(hub, [channel.clone()], start).await?;
        Ok(Self { wish: Wish::Subscribe { channel, start, interest }, reference })
    }

    /// Listens to `channel` no more.
    pub fn unsubscribe(channel: ChannelName, reference: Option<Box<RawValue>>) -> Self {
        Self { wish: Wish::Unsubscribe(channel), reference }
    }

    /// Has `access` instead of what it came with, and leaves what that does not allow.
    pub fn renew(access: Arc<dyn Access>, reference: Option<Box<RawValue>>) -> Self {
        Self { wish: Wish::Renew(access), reference }
    }

    /// What the reader may do from now on, if that changes.
    pub(crate) fn access(&self) -> Option<&Arc<dyn Access>> {
        match &self.wish {
            Wish::Renew(access) => Some(access),
            Wish::Subscribe { .. } | Wish::Unsubscribe(_) => None,
        }
    }

    /// Makes it; gives the answer, and the losses to tell behind it.
    pub(crate) fn make(self, reader: &mut Subscription, rules: Rules) -> (Control, Vec<Gap>) {
        let (done, gaps) = match self.wish {
            Wish::Subscribe { channel, start, interest } => {
                match reader.add(channel, start, rules) {
                    Ok((done, gaps)) => {
                        interest.keep();
                        (Ok(Done::Subscribed(Box::new(done))), gaps)
                    }
                    Err(error) => (Err(error), Vec::new()),
                }
            }
            Wish::Unsubscribe(channel) => {
                let left = reader.remove(&channel);
                (left.map(|()| Done::Unsubscribed { unsubscribed: channel }), Vec::new())
            }
            Wish::Renew(access) => {
                let mut left = reader.channels();
                left.retain(|channel| access.permits(Act::Subscribe, channel).is_err());
                let done = left.iter().try_for_each(|channel| reader.remove(channel));
                (done.map(|()| Done::Renewed { expires: access.expires(), left }), Vec::new())
            }
        };
        let reference = self.reference;
        let control = match done {
            Ok(done) => Control::Ack(Ack { reference, done }),
            Err(error) => Control::Error(CommandError::new(reference, &error)),
        };
        (control, gaps)
    }
}

/// What holds for a reader that changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The most channels that it may ask for.
    pub(crate) channels: usize,
    /// It is told changes of the online counts.
    pub(crate) online: bool,
}

impl Subscription {
    fn add(
        &mut self,
        channel: ChannelName,
        start: Start,
        rules: Rules,
    ) -> Result<(Subscribed, Vec<Gap>), ChangeError> {
        let hub = self.hub().clone();
        let added = hub.log().add(self, channel, start, rules)?;
        self.tell_place();
        Ok(added)
    }

    fn remove(&mut self, channel: &ChannelName) -> Result<(), ChangeError> {
        let hub = self.hub().clone();
        hub.log().remove(self, channel)?;
        hub.engine().unlisten(channel);
        self.tell_place();
        Ok(())
    }
}

impl Log {
    /// Puts a reader into one more channel: from here on it is counted and misses nothing.
    fn add(
        &self,
        reader: &mut Subscription,
        channel: ChannelName,
        start: Start,
        rules: Rules,
    ) -> Result<(Subscribed, Vec<Gap>), ChangeError> {
        let mut table = self.table.lock();
        start.check(self.epoch(), table.watermark)?;
        if reader.tap_of(&table, &channel).is_some() {
            return Err(ChangeError::AlreadySubscribed(channel));
        }
        if reader.cursor.taps.iter().filter(|tap| tap.asked).count() >= rules.channels {
            return Err(ChangeError::ConnectionFull(rules.channels));
        }
        if !table.has_room_for(std::iter::once(channel.clone())) {
            return Err(TooManyChannels.into());
        }
        table.check_crowd(&channel)?;
        let slots = table.pin_all(std::iter::once(channel.clone()))?;
        let begin = start.begin(self.epoch(), &table, &slots);
        let mut tap = begin.tap(0, slots[0], &table, true);
        let belfry = table.let_in(&mut tap, &reader.sitter(rules.online));
        let done = Subscribed {
            id: self.id(reader.seq().min(begin.cursor)),
            subscribed: channel.clone(),
            from: self.id(begin.cursor),
            to: self.id(table.watermark),
            recovered: begin.not_recovered.is_none(),
            reason: begin.not_recovered,
            online: table.slots[tap.slot]
                .users()
                .map(|users| (channel.clone(), users))
                .into_iter()
                .collect(),
        };
        drop(table);
        reader.cursor.add(tap, begin.cursor);
        belfry.ring_watchers();
        // Not an id above the cursor: whoever is cut behind this gap resumes from it.
        let gap = begin.foreign.then(|| Gap::unknown(done.id, channel));
        Ok((done, gap.into_iter().collect()))
    }

    /// Takes a reader out of one of the channels that it has asked for.
    fn remove(&self, reader: &mut Subscription, channel: &ChannelName) -> Result<(), ChangeError> {
        let mut table = self.table.lock();
        let index = reader.tap_of(&table, channel).filter(|at| reader.cursor.taps[*at].asked);
        let index = index.ok_or_else(|| ChangeError::NotSubscribed(channel.clone()))?;
        let tap = reader.cursor.remove(index);
        let belfry = table.let_out(&tap, &reader.sitter(false));
        drop(table);
        belfry.iter().for_each(|belfry| belfry.ring_watchers());
        Ok(())
    }
}
