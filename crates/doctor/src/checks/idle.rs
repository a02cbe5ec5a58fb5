//! Whether silent streams live on.

use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinHandle, time::Instant};

use super::{Examination, format_duration};
use crate::{
    client::{OpenError, Opened},
    diagnosis::{Finding, Verdict},
    probe_stream::{ProbeStream, Received},
    wire::Wire,
};

const WAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// How a stream is silent.
const WITH_HEARTBEATS: &str = "with heartbeats";
const RAW: &str = "raw, without heartbeats";

/// A stream that did not live on.
struct Cut {
    after: Duration,
    /// Why the gateway itself has ended it.
    goodbye: Option<String>,
}

type WatchedStream = (Wire, &'static str, JoinHandle<Result<ProbeStream, Cut>>);

impl Examination {
    pub(super) async fn check_idle(&mut self, watching: &dyn Fn(Duration)) -> anyhow::Result<()> {
        let idle = self.client.options.idle;
        if idle.is_zero() {
            let message = "silent streams were not watched (--idle 3m does)";
            self.add_finding(Finding::new("silence", Verdict::Unknown, message));
            return Ok(());
        }
        watching(idle);
        let mut watched = Vec::new();
        for wire in self.open_wires.clone() {
            let opened = self.client.open(wire, "", &[]).await;
            watched.extend(self.start_watch(wire, WITH_HEARTBEATS, opened, idle));
        }
        if self.open_wires.contains(&Wire::Chunked) {
            let opened = self.client.open(Wire::Chunked, "?format=raw", &[]).await;
            watched.extend(self.start_watch(Wire::Chunked, RAW, opened, idle));
        }
        let mut done = Vec::new();
        for (wire, how, task) in watched {
            done.push((wire, how, task.await?));
        }
        let woken = self.client.publish(&json!({ "doctor": "wakes" })).await;
        for (wire, how, end) in done {
            match end {
                Ok(_) if woken.is_err() => {}
                Ok(stream) => self.report_survivor(wire, how, stream, idle).await,
                Err(cut) => self.report_cut(wire, how, cut, woken.is_err()),
            }
        }
        woken?;
        Ok(())
    }

    /// A stream that is watched from now on, if it has opened.
    fn start_watch(
        &mut self,
        wire: Wire,
        how: &'static str,
        opened: Result<(ProbeStream, Opened), OpenError>,
        idle: Duration,
    ) -> Option<WatchedStream> {
        match opened {
            Ok((stream, _)) => Some((wire, how, tokio::spawn(watch(stream, idle)))),
            Err(refused) => {
                let message = format!("{how}, it was not watched: {}", refused.message());
                self.add_finding(Finding::new("silence", Verdict::Unknown, message).on(wire));
                None
            }
        }
    }

    fn report_cut(&mut self, wire: Wire, how: &str, cut: Cut, gone: bool) {
        let after = format_duration(cut.after);
        let finding = match cut.goodbye {
            Some(reason) => {
                let message =
                    format!("{how}, the gateway itself has ended it after {after} ({reason})");
                Finding::new("silence", Verdict::Unknown, message)
            }
            None if gone => {
                let message = format!("{how}, it was cut after {after}; the gateway is gone too");
                Finding::new("silence", Verdict::Unknown, message)
            }
            None => {
                let message = format!("{how}, it was cut after {after}");
                let verdict = if how == RAW { Verdict::Fair } else { Verdict::Bad };
                Finding::new("silence", verdict, message).advise(self.advice("cut-idle"))
            }
        };
        self.add_finding(finding.on(wire));
    }

    async fn report_survivor(
        &mut self,
        wire: Wire,
        how: &str,
        mut stream: ProbeStream,
        idle: Duration,
    ) {
        let is_alive = is_alive(&mut stream).await;
        let idle = format_duration(idle);
        self.add_finding(match is_alive {
            true => {
                let message = format!("{how}, it is alive after {idle}");
                Finding::new("silence", Verdict::Good, message).on(wire)
            }
            false => {
                let message = format!("{how}, it is silent for ever after {idle}");
                let advice = self.advice("cut-idle");
                Finding::new("silence", Verdict::Bad, message).on(wire).advise(advice)
            }
        });
    }
}

/// Whether the stream brings what was published after its silence, or anything else that was. A `tricast.alive` on the
/// way does not tell: the gateway may have sent it before.
async fn is_alive(stream: &mut ProbeStream) -> bool {
    let end = Instant::now() + WAKE_TIMEOUT;
    loop {
        match stream.next(end.saturating_duration_since(Instant::now())).await {
            Received::Document(document, _) if document["event"] == "tricast.alive" => {}
            Received::Document(..) => return true,
            Received::End | Received::Timeout => return false,
        }
    }
}

/// The stream, after a silence; or when it was cut.
async fn watch(mut stream: ProbeStream, idle: Duration) -> Result<ProbeStream, Cut> {
    let begin = Instant::now();
    let mut goodbye = None;
    loop {
        match stream.next(idle.saturating_sub(begin.elapsed())).await {
            Received::Document(document, _) if document["event"] == "tricast.goodbye" => {
                goodbye = document["reason"].as_str().map(str::to_owned);
            }
            Received::Document(..) => {}
            Received::End => return Err(Cut { after: begin.elapsed(), goodbye }),
            Received::Timeout => return Ok(stream),
        }
    }
}
