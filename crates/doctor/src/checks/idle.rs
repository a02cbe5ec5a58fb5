//! Checks whether silent streams stay open (idle timeouts).

use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinHandle, time::Instant};

use super::{Examination, format_duration};
use crate::{
    client::{OpenError, Opened},
    diagnosis::{Finding, Verdict},
    observer::Event,
    probe_stream::{ProbeStream, Received},
    wire::Wire,
};

const WAKE_TIMEOUT: Duration = Duration::from_secs(3);

/// The two kinds of silent streams.
const WITH_HEARTBEATS: &str = "with heartbeats";
const RAW: &str = "raw, without heartbeats";

/// A stream that was cut while it was silent.
struct Cut {
    after: Duration,
    /// How long it had been silent before.
    silent: Duration,
    /// The reason, if the gateway itself has closed it.
    goodbye: Option<String>,
}

type WatchedStream = (Wire, &'static str, JoinHandle<Result<ProbeStream, Cut>>);

impl Examination<'_> {
    pub(super) async fn check_idle(&mut self) -> anyhow::Result<()> {
        let idle = self.client.options.idle;
        if idle.is_zero() {
            let message = "silent streams were not watched (pass --idle 3m)";
            self.add_finding(Finding::new("silence", Verdict::Unknown, message));
            return Ok(());
        }
        (self.observe)(Event::Watches(idle));
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

    /// Starts to watch a stream, if it has opened.
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
                let message = format!("{how}: not watched, {}", refused.message());
                self.add_finding(Finding::new("silence", Verdict::Unknown, message).on(wire));
                None
            }
        }
    }

    fn report_cut(&mut self, wire: Wire, how: &str, cut: Cut, gone: bool) {
        let after = format_duration(cut.after);
        let finding = match cut.goodbye {
            Some(reason) => {
                let message = format!("{how}: closed by the gateway after {after} ({reason})");
                Finding::new("silence", Verdict::Unknown, message)
            }
            None if gone => {
                let message = format!("{how}: cut after {after}, but the gateway is gone too");
                Finding::new("silence", Verdict::Unknown, message)
            }
            None => {
                let silent = format_duration(cut.silent);
                let message = format!("{how}: cut after {after}, {silent} after its last byte");
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
                let message = format!("{how}: still open after {idle}");
                Finding::new("silence", Verdict::Good, message).on(wire)
            }
            false => {
                let message = format!("{how}: nothing arrives any more after {idle}");
                let advice = self.advice("cut-idle");
                Finding::new("silence", Verdict::Bad, message).on(wire).advise(advice)
            }
        });
    }
}

/// Whether the stream brings the message that was published after the silence, or another one. A
/// `tricast.alive` proves nothing: the gateway may have sent it before the stream was cut.
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

/// Watches a stream while it is silent, and returns it unless it was cut.
async fn watch(mut stream: ProbeStream, idle: Duration) -> Result<ProbeStream, Cut> {
    let begin = Instant::now();
    let mut goodbye = None;
    loop {
        match stream.next(idle.saturating_sub(begin.elapsed())).await {
            Received::Document(document, _) if document["event"] == "tricast.goodbye" => {
                goodbye = document["reason"].as_str().map(str::to_owned);
            }
            Received::Document(..) => {}
            Received::End => {
                let silent = stream.silent();
                return Err(Cut { after: begin.elapsed(), silent, goodbye });
            }
            Received::Timeout => return Ok(stream),
        }
    }
}
