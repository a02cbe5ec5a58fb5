//! Metrics for Prometheus: those that are counted as things happen, and those that are read at a
//! scrape.

use std::sync::{Arc, OnceLock};

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use metrics_process::Collector;
use parking_lot::Mutex;
use tricast_admission::HookMeters;
use tricast_core::{Hub, LATENCY, Meters, PerWire};
use tricast_disk::{APPEND_SECONDS, DiskEngine, DiskMeters, FSYNC_SECONDS, READ_WAIT_SECONDS};
use tricast_llm::FIRST_TOKEN;
use tricast_net::SocketMeters;

use crate::{
    admin::disk_gauges::DiskGauges,
    http::kinds,
    lifecycle::load::{DELIVERY_LAG, LoadMeters, RUNTIME_LAG},
    settings::Settings,
    webhook::EventMeters,
};

/// Upper bounds of the buckets of all histograms, in seconds.
const BUCKETS: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0, 30.0];

/// Label of channels that match no namespace. No pattern can look like this.
const NO_NAMESPACE_LABEL: &str = "(none)";

/// The metrics that other parts of the gateway update.
#[derive(Debug)]
pub(crate) struct AllMeters {
    pub(crate) hub: Meters,
    pub(crate) sockets: SocketMeters,
    pub(crate) hook: HookMeters,
    pub(crate) events: EventMeters,
    pub(crate) load: LoadMeters,
    /// Only with a log on disk.
    pub(crate) disk: Option<DiskMeters>,
}

/// The metrics of one gateway. The recorder is its own, so that one process can run several
/// gateways.
pub(crate) struct MetricsExporter {
    recorder: PrometheusRecorder,
    log: LogMeters,
    disk: OnceLock<(Arc<DiskEngine>, DiskGauges)>,
    process: Collector,
}

impl MetricsExporter {
    /// Creates all metrics of a gateway with these `settings` and a limit of `connections` streams.
    ///
    /// # Errors
    /// When a histogram has no buckets.
    pub(crate) fn new(
        settings: &Settings,
        connections: usize,
    ) -> anyhow::Result<(AllMeters, Arc<Self>)> {
        let mut builder = PrometheusBuilder::new();
        for name in [
            LATENCY,
            RUNTIME_LAG,
            DELIVERY_LAG,
            APPEND_SECONDS,
            FSYNC_SECONDS,
            READ_WAIT_SECONDS,
            FIRST_TOKEN,
        ] {
            builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &BUCKETS)?;
        }
        let recorder = builder.build_recorder();
        let process = Collector::default();
        let (meters, log) = metrics::with_local_recorder(&recorder, || {
            process.describe();
            set_build_info();
            let meters = AllMeters {
                hub: Meters::new().with_kinds(kinds::ALL).with_kinds(tricast_ws::KINDS),
                sockets: SocketMeters::new(),
                hook: HookMeters::new(),
                events: EventMeters::new(),
                load: LoadMeters::new(),
                disk: settings.log.is_on_disk().then(DiskMeters::new),
            };
            (meters, LogMeters::new(settings))
        });
        let exporter = Self { recorder, log, disk: OnceLock::new(), process };
        exporter.set_namespaces(settings, connections);
        Ok((meters, Arc::new(exporter)))
    }

    /// Counts by the namespaces of `settings` from now on.
    pub(crate) fn set_namespaces(&self, settings: &Settings, connections: usize) {
        metrics::with_local_recorder(&self.recorder, || {
            self.log.set_namespaces(settings, connections);
        });
    }

    /// Calls `register`, whose metrics are those of this gateway.
    pub(crate) fn registering<T>(&self, register: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&self.recorder, register)
    }

    /// Shows the state of the log on disk from now on.
    pub(crate) fn show_disk(&self, engine: Arc<DiskEngine>) {
        let gauges = metrics::with_local_recorder(&self.recorder, DiskGauges::new);
        // A gateway has one log.
        let _ = self.disk.set((engine, gauges));
    }

    /// Returns all metrics in the Prometheus text format.
    pub(crate) fn render(&self, hub: &Hub) -> String {
        self.log.update(hub);
        if let Some((engine, gauges)) = self.disk.get() {
            gauges.update(&engine.stats());
        }
        metrics::with_local_recorder(&self.recorder, || self.process.collect());
        self.recorder.handle().render()
    }

    /// Moves samples out of the histograms' buffers, which grow while nobody scrapes.
    pub(crate) fn run_upkeep(&self) {
        self.recorder.handle().run_upkeep();
    }
}

impl std::fmt::Debug for MetricsExporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MetricsExporter")
    }
}

fn set_build_info() {
    describe_gauge!("tricast_build_info", "1, labelled with the version that runs.");
    gauge!("tricast_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
}

/// Metrics of the log and its subscriptions, read at a scrape.
struct LogMeters {
    channels: Gauge,
    messages: Gauge,
    bytes: Gauge,
    answers: Gauge,
    evicted: Counter,
    draining: Gauge,
    /// Gauges by namespace and wire, as in [`tricast_core::LogStats::subscriptions`].
    subscriptions: Mutex<Vec<PerWire<Gauge>>>,
    limit: Gauge,
}

impl LogMeters {
    fn new(settings: &Settings) -> Self {
        describe_gauge!("tricast_log_channels", "Channels held.");
        describe_gauge!("tricast_log_messages", "Messages held.");
        describe_gauge!(
            "tricast_log_bytes",
            Unit::Bytes,
            "Bytes of the messages held, encodings included."
        );
        describe_gauge!(
            "tricast_answer_bytes",
            Unit::Bytes,
            "Bytes of whole responses, such as pages of history, that clients have not read yet."
        );
        describe_gauge!(
            "tricast_answer_limit_bytes",
            Unit::Bytes,
            "Limit of tricast_answer_bytes: limits.answer_memory."
        );
        describe_counter!(
            "tricast_log_evicted_messages_total",
            "Messages that were evicted from history by count, bytes, age or memory."
        );
        describe_gauge!("tricast_draining", "1 while the gateway drains its connections.");
        describe_gauge!(
            "tricast_subscriptions",
            "Subscriptions: the channels of all streams, by namespace of the channel."
        );
        describe_gauge!("tricast_connections_limit", "Limit of open streams.");
        describe_gauge!(
            "tricast_log_channels_limit",
            "Limit of tricast_log_channels: limits.channels."
        );
        describe_gauge!(
            "tricast_log_limit_bytes",
            Unit::Bytes,
            "Limit of tricast_log_bytes: history.memory."
        );
        gauge!("tricast_log_channels_limit").set(settings.limits.channels as f64);
        gauge!("tricast_answer_limit_bytes").set(settings.limits.answer_memory.as_u64() as f64);
        gauge!("tricast_log_limit_bytes").set(settings.history.memory.as_u64() as f64);
        Self {
            channels: gauge!("tricast_log_channels"),
            messages: gauge!("tricast_log_messages"),
            bytes: gauge!("tricast_log_bytes"),
            answers: gauge!("tricast_answer_bytes"),
            evicted: counter!("tricast_log_evicted_messages_total"),
            draining: gauge!("tricast_draining"),
            limit: gauge!("tricast_connections_limit"),
            subscriptions: Mutex::default(),
        }
    }

    fn set_namespaces(&self, settings: &Settings, connections: usize) {
        self.limit.set(connections as f64);
        let patterns = settings.namespace.iter().map(|namespace| namespace.pattern.to_string());
        let of_namespace = |name: String| {
            PerWire::from_fn(|wire| {
                let labels = [("wire", wire.name().to_owned()), ("namespace", name.clone())];
                gauge!("tricast_subscriptions", &labels)
            })
        };
        let mut subscriptions = self.subscriptions.lock();
        // A namespace that was removed has no subscriptions.
        let gauges = subscriptions.iter().flat_map(PerWire::iter);
        gauges.for_each(|(_, gauge)| gauge.set(0.0));
        *subscriptions =
            patterns.chain([NO_NAMESPACE_LABEL.to_owned()]).map(of_namespace).collect();
    }

    fn update(&self, hub: &Hub) {
        let stats = hub.log().stats();
        self.channels.set(stats.channels as f64);
        self.messages.set(stats.messages as f64);
        self.bytes.set(stats.bytes as f64);
        self.answers.set(hub.answer_memory().used() as f64);
        self.evicted.absolute(stats.evicted);
        self.draining.set(f64::from(u8::from(hub.is_draining())));
        for (gauges, counts) in self.subscriptions.lock().iter().zip(stats.subscriptions) {
            gauges.iter().for_each(|(wire, gauge)| gauge.set(f64::from(counts[wire])));
        }
    }
}
