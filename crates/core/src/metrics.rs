//! The metrics of a hub. Their handles are kept, so that counting costs one atomic addition.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::{Kind, PerWire, StreamEnd, Wire, clock};

/// The name of the publish-to-socket latency histogram, in seconds.
pub const LATENCY: &str = "tricast_delivery_latency_seconds";

/// The metrics of a hub, reported through the `metrics` crate.
pub struct Meters {
    /// Messages accepted.
    pub published: Counter,
    /// Bytes of their data.
    pub published_bytes: Counter,
    /// Publishes that repeated an idempotency id.
    pub duplicates: Counter,
    by_wire: PerWire<WireMeters>,
    refusals: HashMap<Kind, Counter>,
}

/// The metrics of one wire.
pub struct WireMeters {
    /// Streams open now.
    pub connections: Gauge,
    /// Streams begun.
    pub opened: Counter,
    /// Streams ended, by the index of their end.
    closed: [Counter; StreamEnd::ALL.len()],
    /// Messages handed to a socket.
    pub delivered: Counter,
    /// Bytes handed to a socket, framing and control frames included.
    pub sent_bytes: Counter,
    /// Gaps reported to readers.
    pub gaps: Counter,
    /// Snapshots sent to readers in place of parts that they have missed.
    pub snapshots: Counter,
    /// Resumes without a gap.
    pub resumed: Counter,
    /// Resumes with a gap.
    pub not_resumed: Counter,
    /// Slow consumers that were disconnected: the history overtook them.
    pub slow_disconnected: Counter,
    /// Slow consumers that were sent a gap: the history overtook them.
    pub slow_gaps: Counter,
    latency: Histogram,
    last_sample: AtomicU64,
}

impl Meters {
    /// Registers the metrics with the recorder that is installed at this moment: the global one,
    /// or that of an enclosing `metrics::with_local_recorder`. Install the recorder first: metrics
    /// that are registered without one count nothing, then and later, and that is no error.
    pub fn new() -> Self {
        describe();
        Self {
            published: counter!("tricast_published_messages_total"),
            published_bytes: counter!("tricast_published_bytes_total"),
            duplicates: counter!("tricast_published_duplicates_total"),
            by_wire: PerWire::from_fn(WireMeters::new),
            refusals: Kind::ALL.iter().map(refusal_counter).collect(),
        }
    }

    /// Registers the kinds of problems that only one transport has, so that they are shown before
    /// the first of them occurs.
    pub fn with_kinds(mut self, kinds: &[Kind]) -> Self {
        self.refusals.extend(kinds.iter().map(refusal_counter));
        self
    }

    /// Counts a refusal.
    pub fn count_refusal(&self, kind: Kind) {
        match self.refusals.get(&kind) {
            Some(counter) => counter.increment(1),
            None => refusal_counter(&kind).1.increment(1),
        }
    }

    /// Returns the metrics of `wire`.
    pub fn for_wire(&self, wire: Wire) -> &WireMeters {
        &self.by_wire[wire]
    }
}

fn refusal_counter(kind: &Kind) -> (Kind, Counter) {
    (*kind, counter!("tricast_refusals_total", "reason" => kind.name()))
}

fn closed_counter(wire: &'static str, end: StreamEnd) -> Counter {
    counter!("tricast_connections_closed_total", "wire" => wire, "reason" => end.name())
}

fn slow_reader_counter(wire: &'static str, action: &'static str) -> Counter {
    counter!("tricast_slow_readers_total", "wire" => wire, "action" => action)
}

fn describe() {
    describe_counter!(
        "tricast_refusals_total",
        "Requests and WebSocket commands refused, by the kind of problem."
    );
    describe_counter!("tricast_published_messages_total", "Messages accepted.");
    describe_counter!("tricast_published_bytes_total", Unit::Bytes, "Bytes of their data.");
    describe_counter!(
        "tricast_published_duplicates_total",
        "Publishes that repeated an idempotency id and were not published again."
    );
    describe_gauge!("tricast_connections", "Streams open now.");
    describe_counter!("tricast_connections_opened_total", "Streams begun.");
    describe_counter!("tricast_connections_closed_total", "Streams ended, by the reason.");
    describe_counter!("tricast_delivered_messages_total", "Messages handed to a socket.");
    describe_counter!(
        "tricast_sent_bytes_total",
        Unit::Bytes,
        "Bytes of frames handed to a socket, control frames and heartbeats included."
    );
    describe_counter!("tricast_gaps_total", "Gaps reported to readers.");
    describe_counter!(
        "tricast_snapshots_total",
        "Snapshots of what is under way that were sent to readers."
    );
    describe_counter!(
        "tricast_resumes_total",
        "Streams begun with a resume point: complete, or with a gap."
    );
    describe_counter!(
        "tricast_slow_readers_total",
        "Slow consumers, overtaken by the history: sent a gap (told), or disconnected (cut)."
    );
    describe_histogram!(
        LATENCY,
        Unit::Seconds,
        "From publishing to handing a live message to a socket; at most one sample for each \
         millisecond and wire."
    );
}

impl Default for Meters {
    fn default() -> Self {
        Self::new()
    }
}

impl WireMeters {
    fn new(wire: Wire) -> Self {
        let wire = wire.name();
        Self {
            connections: gauge!("tricast_connections", "wire" => wire),
            opened: counter!("tricast_connections_opened_total", "wire" => wire),
            closed: StreamEnd::ALL.map(|end| closed_counter(wire, end)),
            delivered: counter!("tricast_delivered_messages_total", "wire" => wire),
            sent_bytes: counter!("tricast_sent_bytes_total", "wire" => wire),
            gaps: counter!("tricast_gaps_total", "wire" => wire),
            snapshots: counter!("tricast_snapshots_total", "wire" => wire),
            resumed: counter!("tricast_resumes_total", "wire" => wire, "result" => "complete"),
            not_resumed: counter!("tricast_resumes_total", "wire" => wire, "result" => "gap"),
            slow_disconnected: slow_reader_counter(wire, "cut"),
            slow_gaps: slow_reader_counter(wire, "told"),
            latency: histogram!(LATENCY, "wire" => wire),
            last_sample: AtomicU64::new(0),
        }
    }

    pub(crate) fn count_closed(&self, end: StreamEnd) {
        self.closed[end.index()].increment(1);
    }

    /// Records the time since `published` (milliseconds since 1970). At most one sample for each
    /// millisecond and wire is kept: a fan-out to thousands would otherwise cost more to measure
    /// than to send.
    pub fn record_latency(&self, published: u64) {
        let now = clock::unix_millis();
        if self.last_sample.swap(now, Ordering::Relaxed) != now {
            self.latency.record(Duration::from_millis(now.saturating_sub(published)));
        }
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}
