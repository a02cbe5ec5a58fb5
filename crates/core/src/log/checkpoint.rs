//! Presence from one life of the log to the next.

use crate::{
    ChannelName, Seq,
    log::{channel::Channel, ring::Floor, table::Table, tombstones::Tombstone},
    presence::{DirtyUser, PresenceCheckpoint},
    sync::Mutex,
};

/// Channels that are looked at while the lock is held once.
const STEP: usize = 1000;

/// Returns the presence of all channels, as lines. Nothing may be published meanwhile; readers may
/// come and go.
pub(super) fn write(table: &Mutex<Table>) -> Vec<u8> {
    let mut lines = Vec::new();
    let end = table.lock().slots.capacity();
    for from in (0..end).step_by(STEP) {
        let table = table.lock();
        let slots = (from..end.min(from + STEP)).filter_map(|slot| table.slots.get(slot));
        let some: Vec<_> = slots.filter_map(|channel| of_channel(&table, channel)).collect();
        drop(table);
        some.iter().for_each(|checkpoint| checkpoint.write(&mut lines));
    }
    lines
}

/// What is to be kept of a channel with users, and of a presence channel whose users have left.
fn of_channel(table: &Table, channel: &Channel) -> Option<PresenceCheckpoint> {
    if let Some(presence) = channel.presence.as_ref().filter(|one| !one.has_nobody_announced()) {
        return Some(PresenceCheckpoint {
            newest: newest(table, &channel.name.presence_channel()?),
            channel: channel.name.clone(),
            users: presence.announced_after(None).collect(),
            anonymous: presence.anonymous_announced(),
        });
    }
    let observed = channel.name.observed_channel()?;
    let has_users = |slot: usize| table.slots[slot].has_announced_users();
    if table.find(&observed).is_some_and(has_users) {
        return None;
    }
    let newest = Some(newest(table, &channel.name)?);
    Some(PresenceCheckpoint { channel: observed, newest, users: Vec::new(), anonymous: 0 })
}

/// The seq of the last message of a channel, if it is known for sure.
fn newest(table: &Table, name: &ChannelName) -> Option<Seq> {
    let ring = table.find(name).map(|slot| &table.slots[slot].ring);
    match ring.filter(|ring| !ring.is_empty()) {
        Some(ring) => Some(ring.newest()),
        None => Some(table.floor(name)).filter(|floor| floor.certain).map(|floor| floor.seq),
    }
}

/// Begins with the presence that `lines` have; returns how many channels found no room. To be
/// called before the first reader joins.
pub(super) fn restore(table: &mut Table, lines: impl Iterator<Item = PresenceCheckpoint>) -> usize {
    let mut without_room = 0;
    for PresenceCheckpoint { channel, newest, users, anonymous } in lines {
        let Some(presence_channel) = channel.presence_channel() else { continue };
        if let Some(seq) = newest.filter(|seq| *seq <= table.watermark) {
            let floor = Floor { seq, certain: true };
            table.set_tombstone(&presence_channel, Tombstone { floor, ended: None });
        }
        if users.is_empty() && anonymous == 0 {
            continue;
        }
        let Ok(slot) = table.find_or_create(&channel) else {
            without_room += 1;
            continue;
        };
        if let Some(presence) = &mut table.slots[slot].presence {
            let keys = presence.restore(users, anonymous).into_iter();
            table.dirty_users.extend(keys.map(|key| DirtyUser::restored(&channel, key)));
        }
        table.forget_if_empty(slot);
    }
    without_room
}
