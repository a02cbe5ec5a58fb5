//! The reading side of a session: encodes messages and gaps, with the policy for slow consumers.

use bytes::Bytes;

use super::encoder::Encoder;
use crate::{
    CloseReason, Control, Gap, ReadLimit, SlowReader, Subscription,
    log::read::{Item, ItemKind, Progress},
    metrics::WireMeters,
};

/// Reads the log from the cursor on, and appends the frames to `out`.
pub(super) fn read(
    subscription: &mut Subscription,
    encoder: &mut Encoder,
    limit: ReadLimit,
    out: &mut Vec<Bytes>,
) -> Result<Progress, CloseReason> {
    let mut items: Vec<Item> = Vec::new();
    // All messages of one read may be hidden from this reader, and nothing would wake it for the
    // next read.
    let progress = loop {
        let progress = subscription.read(limit, &mut items);
        if progress == Progress::CaughtUp || !items.is_empty() {
            break progress;
        }
    };
    let meters = subscription.hub().meters().for_wire(subscription.wire());
    let mut delivered = 0;
    let mut oldest_live = None;
    let mut result = Ok(progress);
    for Item { kind, live } in items {
        match kind {
            ItemKind::Message(message) => {
                if live {
                    oldest_live.get_or_insert(message.time);
                }
                delivered += 1;
                encoder.push_message(&message, out);
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
