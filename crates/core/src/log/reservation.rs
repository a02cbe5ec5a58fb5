//! A reservation: the place of a message in the table, held from its seq until it is visible.

use std::sync::Arc;

use crate::{ChannelName, Draft, Log, NotAccepted, TooManyChannels, log::table::Table};

/// The place that a message has in the log from the moment it gets its seq. With it, nothing can
/// refuse the message any more. Dropping it gives the place back.
#[derive(Debug)]
#[must_use = "a reservation that is dropped is given back"]
pub struct Reservation {
    log: Arc<Log>,
    /// `None` once the message has taken its place.
    pinned: Option<Pinned>,
    /// Users online at that moment, where readers may see it.
    pub online: Option<u32>,
}

/// Pinned slots.
#[derive(Debug)]
pub(super) struct Pinned {
    /// The channel of the message.
    pub(super) slot: usize,
    /// The channel that a presence channel observes.
    pub(super) observed: Option<usize>,
}

impl Reservation {
    pub(super) fn new(log: Arc<Log>, draft: &Draft) -> Result<Self, NotAccepted> {
        let observed = draft.channel.observed_channel();
        let observed = observed.filter(|observed| log.has_presence_channel(observed));
        let mut table = log.table.lock();
        let least = draft.min_subscribers;
        if least > 0 && table.subscriber_count(&draft.channel) < least {
            return Err(NotAccepted::NobodyOnline);
        }
        let pinned = Pinned::new(&mut table, &draft.channel, observed.as_ref())?;
        let online = table.slots[pinned.slot].visible_users();
        drop(table);
        Ok(Self { log, pinned: Some(pinned), online })
    }

    /// Returns the pinned slots; the caller unpins them.
    pub(super) fn take(mut self) -> Option<Pinned> {
        self.pinned.take()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(pinned) = self.pinned.take() {
            pinned.unpin(&mut self.log.table.lock());
        }
    }
}

impl Pinned {
    /// Pins `channel`, after the channel that it observes, if it is a presence channel: once that
    /// is there, its presence channel can be created even at the limit. The observed channel may be
    /// gone, because its users may have left while the change was on its way.
    pub(super) fn new(
        table: &mut Table,
        channel: &ChannelName,
        observed: Option<&ChannelName>,
    ) -> Result<Self, TooManyChannels> {
        let observed = observed.map(|observed| table.pin(observed)).transpose()?;
        match table.pin(channel) {
            Ok(slot) => Ok(Self { slot, observed }),
            Err(error) => {
                observed.into_iter().for_each(|slot| table.unpin(slot));
                Err(error)
            }
        }
    }

    pub(super) fn unpin(self, table: &mut Table) {
        table.unpin(self.slot);
        self.observed.into_iter().for_each(|slot| table.unpin(slot));
    }
}
