//! Whether silent streams live on.

use std::time::Duration;

use serde_json::json;
use tokio::{task::JoinHandle, time::Instant};

use super::{Examination, said};
use crate::{
    ask::{Opened, Refused},
    diagnosis::{Finding, Verdict},
    line::{Came, Line},
    wire::Wire,
};

const SOON: Duration = Duration::from_secs(3);

/// How a stream is silent.
const WITH_HEARTBEATS: &str = "with heartbeats";
const RAW: &str = "raw, without heartbeats";

/// A stream that did not live on.
struct Cut {
    after: Duration,
    /// Why the gateway itself has ended it.
    goodbye: Option<String>,
}

type Watched = (Wire, &'static str, JoinHandle<Result<Line, Cut>>);

impl Examination {
    pub(super) async fn look_at_silence(
        &mut self,
        watching: &dyn Fn(Duration),
    ) -> anyhow::Result<()> {
        let idle = self.client.visit.idle;
        if idle.is_zero() {
            let said = "silent streams were not watched (--idle 3m does)";
            self.found(Finding::new("silence", Verdict::Unknown, said));
            return Ok(());
        }
        watching(idle);
        let mut watched = Vec::new();
        for wire in self.open.clone() {
            let opened = self.client.open(wire, "", &[]).await;
            watched.extend(self.watched(wire, WITH_HEARTBEATS, opened, idle));
        }
        if self.open.contains(&Wire::Chunked) {
            let opened = self.client.open(Wire::Chunked, "?format=raw", &[]).await;
            watched.extend(self.watched(Wire::Chunked, RAW, opened, idle));
        }
        let mut done = Vec::new();
        for (wire, how, watching) in watched {
            done.push((wire, how, watching.await?));
        }
        let woken = self.client.publish(&json!({ "doctor": "wakes" })).await;
        for (wire, how, end) in done {
            match end {
                Ok(_) if woken.is_err() => {}
                Ok(line) => self.look_at_survivor(wire, how, line, idle).await,
                Err(cut) => self.look_at_cut(wire, how, cut, woken.is_err()),
            }
        }
        woken?;
        Ok(())
    }

    /// A stream that is watched from now on, if it has opened.
    fn watched(
        &mut self,
        wire: Wire,
        how: &'static str,
        opened: Result<(Line, Opened), Refused>,
        idle: Duration,
    ) -> Option<Watched> {
        match opened {
            Ok((line, _)) => Some((wire, how, tokio::spawn(watch(line, idle)))),
            Err(refused) => {
                let said = format!("{how}, it was not watched: {}", refused.said());
                self.found(Finding::new("silence", Verdict::Unknown, said).on(wire));
                None
            }
        }
    }

    fn look_at_cut(&mut self, wire: Wire, how: &str, cut: Cut, gone: bool) {
        let after = said(cut.after);
        let finding = match cut.goodbye {
            Some(reason) => {
                let said =
                    format!("{how}, the gateway itself has ended it after {after} ({reason})");
                Finding::new("silence", Verdict::Unknown, said)
            }
            None if gone => {
                let said = format!("{how}, it was cut after {after}; the gateway is gone too");
                Finding::new("silence", Verdict::Unknown, said)
            }
            None => {
                let said = format!("{how}, it was cut after {after}");
                let verdict = if how == RAW { Verdict::Fair } else { Verdict::Bad };
                Finding::new("silence", verdict, said).advise(self.advice("cut-idle"))
            }
        };
        self.found(finding.on(wire));
    }

    async fn look_at_survivor(&mut self, wire: Wire, how: &str, mut line: Line, idle: Duration) {
        let alive = wakes(&mut line).await;
        let idle = said(idle);
        self.found(match alive {
            true => {
                let said = format!("{how}, it is alive after {idle}");
                Finding::new("silence", Verdict::Good, said).on(wire)
            }
            false => {
                let said = format!("{how}, it is silent for ever after {idle}");
                let advice = self.advice("cut-idle");
                Finding::new("silence", Verdict::Bad, said).on(wire).advise(advice)
            }
        });
    }
}

/// Whether the stream brings what was published after its silence, or anything else that was. A `tricast.alive` on the
/// way does not tell: the gateway may have sent it before.
async fn wakes(line: &mut Line) -> bool {
    let end = Instant::now() + SOON;
    loop {
        match line.next(end.saturating_duration_since(Instant::now())).await {
            Came::Document(document, _) if document["event"] == "tricast.alive" => {}
            Came::Document(..) => return true,
            Came::End | Came::Nothing => return false,
        }
    }
}

/// The stream, after a silence; or when it was cut.
async fn watch(mut line: Line, idle: Duration) -> Result<Line, Cut> {
    let begin = Instant::now();
    let mut goodbye = None;
    loop {
        match line.next(idle.saturating_sub(begin.elapsed())).await {
            Came::Document(document, _) if document["event"] == "tricast.goodbye" => {
                goodbye = document["reason"].as_str().map(str::to_owned);
            }
            Came::Document(..) => {}
            Came::End => return Err(Cut { after: begin.elapsed(), goodbye }),
            Came::Nothing => return Ok(line),
        }
    }
}
