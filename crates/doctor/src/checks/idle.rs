//! Whether silent streams live on.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{Examination, said};
use crate::{
    diagnosis::{Finding, Verdict},
    line::{Came, Line},
    wire::Wire,
};

const SOON: Duration = Duration::from_secs(3);

impl Examination {
    pub(super) async fn look_at_silence(&mut self) -> anyhow::Result<()> {
        let idle = self.client.visit.idle;
        if idle.is_zero() {
            let said = "silent streams were not watched (--idle 3m does)";
            self.found(Finding::new("silence", Verdict::Unknown, said));
            return Ok(());
        }
        let mut watched = Vec::new();
        for wire in self.open.clone() {
            if let Ok((line, _)) = self.client.open(wire, "", &[]).await {
                watched.push((wire, "with heartbeats", tokio::spawn(watch(line, idle))));
            }
        }
        if self.open.contains(&Wire::Chunked)
            && let Ok((line, _)) = self.client.open(Wire::Chunked, "?format=raw", &[]).await
        {
            watched.push((
                Wire::Chunked,
                "raw, without heartbeats",
                tokio::spawn(watch(line, idle)),
            ));
        }
        let mut survivors = Vec::new();
        for (wire, how, watching) in watched {
            match watching.await? {
                Ok(line) => survivors.push((wire, how, line)),
                Err(after) => {
                    let said = format!("{how}, it was cut after {}", said(after));
                    let verdict = if how.starts_with("raw") { Verdict::Fair } else { Verdict::Bad };
                    let advice = self.advice("cut-idle");
                    self.found(Finding::new("silence", verdict, said).on(wire).advise(advice));
                }
            }
        }
        self.client.publish(&json!({ "doctor": "wakes" })).await?;
        for (wire, how, mut line) in survivors {
            let alive = matches!(line.next(SOON).await, Came::Document(..));
            self.found(match alive {
                true => {
                    let said = format!("{how}, it is alive after {}", said(idle));
                    Finding::new("silence", Verdict::Good, said).on(wire)
                }
                false => {
                    let said = format!("{how}, it is silent for ever after {}", said(idle));
                    let advice = self.advice("cut-idle");
                    Finding::new("silence", Verdict::Bad, said).on(wire).advise(advice)
                }
            });
        }
        Ok(())
    }
}

/// The stream, after a silence; or when it was cut.
async fn watch(mut line: Line, idle: Duration) -> Result<Line, Duration> {
    let begin = Instant::now();
    loop {
        match line.next(idle.saturating_sub(begin.elapsed())).await {
            Came::Document(..) => {}
            Came::End => return Err(begin.elapsed()),
            Came::Nothing => return Ok(line),
        }
    }
}
