//! What was measured, as JSON and as a table.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde::Serialize;

/// One round of one target.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// KiB for each idle connection: slope from few to all.
    pub(crate) idle_kib: f64,
    /// The same after a crowd of twice as many came at once and half of it left.
    pub(crate) storm_kib: Option<f64>,
    /// Connections answered in a second, in the storm or without one.
    pub(crate) connects_per_second: f64,
    /// Microseconds of the server's CPU for each delivered message.
    pub(crate) cpu_us: f64,
    /// The same for messages of a burst.
    pub(crate) burst_cpu_us: Option<f64>,
    /// Milliseconds from before the publish to the read.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
    pub(crate) delivered: u64,
    pub(crate) undelivered: u64,
    pub(crate) duplicates: u64,
    pub(crate) out_of_order: u64,
}

/// The latency of one round, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

impl Latency {
    /// Of a histogram of microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self { p50: at(0.5), p99: at(0.99) }
    }
}

/// All rounds of one target, or the reason why it was not measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) server: String,
    pub(crate) wire: String,
    pub(crate) rounds: Vec<Figures>,
    pub(crate) failed: Option<String>,
}

/// Medians, with ratios taken round by round to `floor`: the machine's own speed drifts.
pub(crate) fn table(rows: &[Row], floor: &[Figures]) -> String {
    let mut table = String::from(
        "| server | wire | CPU for each delivery, µs | to the floor | in a burst, to the floor | \
         idle connection, KiB | after a storm, KiB | connects a second | \
         latency p50 / p99 / p99.9 / max, ms | p99 to the floor | \
         undelivered / twice / out of order |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for Row { server, wire, rounds, failed } in rows {
        let _ = write!(table, "| {server} | {wire} | ");
        if let Some(error) = failed {
            let _ = writeln!(table, "not measured: {} | | | | | | | | |", error.replace('\n', " "));
            continue;
        }
        let of = |figure: &dyn Fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
        let to_floor = |figure: &dyn Fn(&Figures) -> f64, base: &dyn Fn(&Figures) -> f64| {
            median(rounds.iter().zip(floor).map(|(one, floor)| figure(one) / base(floor)).collect())
        };
        let maybe = |figure: fn(&Figures) -> Option<f64>, base: Option<fn(&Figures) -> f64>| {
            let known = rounds.iter().all(|round| figure(round).is_some());
            let value = |round: &Figures| figure(round).unwrap_or_default();
            match base {
                _ if !known => "–".to_owned(),
                None => format!("{:.2}", of(&value)),
                Some(base) => format!("{:.3}", to_floor(&value, &base)),
            }
        };
        let _ = writeln!(
            table,
            "{:.2} | {:.2} | {} | {:.2} | {} | {:.0} | \
             {:.1} / {:.1} / {:.1} / {:.1} | {:.2} | {} / {} / {} |",
            of(&|f| f.cpu_us),
            to_floor(&|f| f.cpu_us, &|f| f.cpu_us),
            maybe(|f| f.burst_cpu_us, Some(|f| f.cpu_us)),
            of(&|f| f.idle_kib),
            maybe(|f| f.storm_kib, None),
            of(&|f| f.connects_per_second),
            of(&|f| f.p50_ms),
            of(&|f| f.p99_ms),
            of(&|f| f.p999_ms),
            of(&|f| f.max_ms),
            to_floor(&|f| f.p99_ms, &|f| f.p99_ms),
            rounds.iter().map(|f| f.undelivered).sum::<u64>(),
            rounds.iter().map(|f| f.duplicates).sum::<u64>(),
            rounds.iter().map(|f| f.out_of_order).sum::<u64>(),
        );
    }
    table
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
