//! The reading side of a session: encodes messages and gaps, with the policy for slow consumers.

use std::task::{Context, Poll};

use bytes::Bytes;

use super::{
    encoder::Encoder,
    fetch::{Fetch, PART},
};
use crate::{
    CloseReason, Control, Gap, ReadLimit, ReadRequest, SlowReader, Subscription,
    log::{
        portion_source::Older,
        read::{Item, ItemKind, Progress},
    },
    metrics::WireMeters,
};

/// How far a read has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// To the head of the log, or the end of all channels.
    CaughtUp,
    /// To its limit: there may be more.
    More,
    /// To messages that the engine is reading from its store.
    Fetching,
}

/// Reads the log from the cursor on, and appends the frames to `out`.
pub(super) fn read(
    subscription: &mut Subscription,
    encoder: &mut Encoder,
    fetch: &mut Option<Box<Fetch>>,
    limit: ReadLimit,
    out: &mut Vec<Bytes>,
) -> Result<Reading, CloseReason> {
    let mut items: Vec<Item> = Vec::new();
    let reading = read_items(subscription, fetch, limit, &mut items);
    let meters = subscription.hub().meters().for_wire(subscription.wire());
    let mut delivered = 0;
    let mut oldest_live = None;
    let mut result = reading;
    for Item { kind, live } in items {
        match kind {
            ItemKind::Message(message) => {
                if live {
                    oldest_live.get_or_insert(message.time);
                }
                delivered += 1;
                encoder.push_message(&message, out);
            }
            ItemKind::Snapshot(snapshot) => {
                delivered += 1;
                meters.snapshots.increment(1);
                encoder.push_message(snapshot.message(), out);
            }
            ItemKind::Gap(gap, policy) => {
                result = push_gap(gap, live.then_some(policy), encoder, meters, out).and(result);
                if result.is_err() {
                    break;
                }
            }
        }
    }
    if delivered > 0 {
        meters.delivered.increment(delivered);
    }
    if let Some(published) = oldest_live {
        meters.record_latency(published);
    }
    result
}

/// Reads at least one item, unless there is none, or the engine has to be waited for. All messages
/// of one read may be hidden from this reader, and nothing would wake it for the next read.
fn read_items(
    subscription: &mut Subscription,
    fetch: &mut Option<Box<Fetch>>,
    limit: ReadLimit,
    items: &mut Vec<Item>,
) -> Result<Reading, CloseReason> {
    loop {
        let portion = match fetch {
            None => None,
            Some(asked) => {
                let waker = subscription.waker();
                match asked.poll(&mut Context::from_waker(&waker)) {
                    Poll::Pending => return Ok(Reading::Fetching),
                    Poll::Ready(Ok(portion)) => portion,
                    // The client comes back with its cursor, and loses nothing.
                    Poll::Ready(Err(_)) => return Err(CloseReason::Overloaded),
                }
            }
        };
        let asked = fetch.as_ref().map(|fetch| &fetch.request);
        let older = asked.zip(portion.as_deref());
        let older = older.map(|(request, portion)| Older { request, portion });
        let part = older.map_or(limit, |_| PART.and(limit));
        let progress = subscription.read(part, older, items);
        if let (Some(portion), Some(fetch)) = (&portion, &mut *fetch)
            && subscription.seq() >= portion.upto()
        {
            fetch.give_back();
        }
        match progress {
            Progress::CaughtUp => {
                *fetch = None;
                return Ok(Reading::CaughtUp);
            }
            Progress::Overtaken => {
                let meters = subscription.hub().meters().for_wire(subscription.wire());
                meters.slow_disconnected.increment(1);
                return Err(CloseReason::Gap);
            }
            Progress::More | Progress::Behind(_) if !items.is_empty() => return Ok(Reading::More),
            Progress::More => {}
            Progress::Behind(request) => {
                let request = ReadRequest { limit, ..request };
                // An answer that brings no reader further would be asked for without end.
                let asks_again = |last: &Fetch| last.request.channels == request.channels;
                if portion.is_some() && fetch.as_deref().is_some_and(asks_again) {
                    return Err(CloseReason::Overloaded);
                }
                let engine = subscription.hub().engine();
                *fetch = Some(Fetch::begin(engine, request, fetch.as_deref()));
            }
        }
    }
}

/// Reports a gap, or ends the stream if the format or the policy for slow consumers requires it. A
/// gap from before the reader joined has no `policy`: the reader was not slow.
fn push_gap(
    gap: Gap,
    policy: Option<SlowReader>,
    encoder: &mut Encoder,
    meters: &WireMeters,
    out: &mut Vec<Bytes>,
) -> Result<(), CloseReason> {
    meters.gaps.increment(1);
    let is_slow = policy.is_some();
    if !encoder.format.reports_gaps() || policy == Some(SlowReader::Disconnect) {
        meters.slow_disconnected.increment(is_slow.into());
        return Err(CloseReason::Gap);
    }
    meters.slow_gaps.increment(is_slow.into());
    encoder.push_control(&Control::Gap(gap), out);
    Ok(())
}
