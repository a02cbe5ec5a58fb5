//! A stream on each wire: whether it opens, as what, and whether messages come when they are published.

use std::time::Duration;

use http::{StatusCode, header};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{Examination, refusal, said, within};
use crate::{
    ask::{Opened, Refused, problem},
    diagnosis::{Finding, Verdict},
    line::{Came, Line},
    wire::Wire,
};

/// Messages that are timed, and the pause between them.
const MESSAGES: u64 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What a proxy may take for itself, beside the way.
const MOST: Duration = Duration::from_millis(50);

/// How much is published to see whether a buffer runs over, and in which parts.
const FILLING: usize = 256 * 1024;
const PART: usize = 16 * 1024;

const SOON: Duration = Duration::from_secs(2);

impl Examination {
    pub(super) async fn look_at_stream(&mut self, wire: Wire) -> anyhow::Result<()> {
        // As a page of this host would: what the gateway takes for another host it refuses.
        let origin = self.client.place().origin();
        match self.client.open(wire, "", &[("origin", &origin)]).await {
            Ok((line, opened)) => self.look_at_open(wire, line, opened).await,
            Err(Refused::Silence) => self.look_at_buffer(wire).await,
            Err(Refused::Broken(error)) => {
                let advice = self.advice(if wire == Wire::Ws { "no-upgrade" } else { "buffered" });
                self.found(Finding::new("opens", Verdict::Bad, error).on(wire).advise(advice));
                Ok(())
            }
            Err(Refused::Answer(status, text)) => {
                self.look_at_refusal(wire, status, &text);
                Ok(())
            }
        }
    }

    fn look_at_refusal(&mut self, wire: Wire, status: StatusCode, text: &str) {
        let symptom = match problem(text).as_deref() {
            Some("forbidden-origin") => Some("host"),
            // The gateway has seen a request, and no upgrade in it.
            Some("upgrade-required") => Some("no-upgrade"),
            // Its own refusals have said what to do.
            Some(_) => None,
            None => (wire == Wire::Ws).then_some("no-upgrade"),
        };
        let finding = Finding::new("opens", Verdict::Bad, refusal(status, text)).on(wire);
        let advice = symptom.map(|symptom| self.advice(symptom));
        self.found(Finding { advice, ..finding });
    }

    async fn look_at_open(&mut self, wire: Wire, line: Line, opened: Opened) -> anyhow::Result<()> {
        let Some(mut line) = self.uncompressed(wire, line, &opened).await else { return Ok(()) };
        match line.next(SOON).await {
            Came::Document(hello, _) if hello["event"] == "tricast.hello" => {}
            Came::Nothing => return self.look_at_buffer(wire).await,
            Came::Document(other, _) => {
                self.found(
                    Finding::new("opens", Verdict::Bad, format!("begins with {other}")).on(wire),
                );
                return Ok(());
            }
            Came::End => {
                self.found(Finding::new("opens", Verdict::Bad, "ends at once").on(wire));
                return Ok(());
            }
        }
        self.open.push(wire);
        let head = said(opened.head_after);
        let how = format!("in {head}, over {:?}", opened.version);
        self.found(Finding::new("opens", Verdict::Good, how).on(wire));
        self.look_at_delays(wire, &mut line).await?;
        self.kept.push(line);
        Ok(())
    }

    /// The stream, in plain: if it comes compressed, another, and from here on nothing else is asked for.
    async fn uncompressed(&mut self, wire: Wire, line: Line, opened: &Opened) -> Option<Line> {
        let encoding = opened.headers.get(header::CONTENT_ENCODING);
        let encoding = encoding.and_then(|value| value.to_str().ok()).unwrap_or("identity");
        if encoding == "identity" {
            return Some(line);
        }
        let said = format!("comes compressed ({encoding})");
        let advice = self.advice("compressed");
        self.found(Finding::new("encoding", Verdict::Fair, said).on(wire).advise(advice));
        self.client.encodings = "identity";
        match self.client.open(wire, "", &[]).await {
            Ok((line, _)) => Some(line),
            Err(_) => {
                let said = "does not open where no compression is asked for";
                self.found(Finding::new("opens", Verdict::Bad, said).on(wire));
                None
            }
        }
    }

    async fn look_at_delays(&mut self, wire: Wire, line: &mut Line) -> anyhow::Result<()> {
        let mut delays = Vec::new();
        let mut due = Instant::now();
        for number in 0..MESSAGES {
            sleep(due.saturating_duration_since(Instant::now())).await;
            due += PAUSE;
            let (id, asked, _) = self.client.publish(&json!({ "doctor": number })).await?;
            loop {
                match line.next(SOON).await {
                    Came::Document(document, at) if document["id"] == id.as_str() => {
                        delays.push(at - asked);
                        break;
                    }
                    Came::Document(..) => {}
                    Came::Nothing => {
                        let advice = self.advice("buffered");
                        let said =
                            format!("message {number} did not come within {} s", SOON.as_secs());
                        self.found(
                            Finding::new("prompt", Verdict::Bad, said).on(wire).advise(advice),
                        );
                        return Ok(());
                    }
                    Came::End => {
                        let advice = self.advice("cut-busy");
                        let said = format!("was cut after {number} messages");
                        self.found(
                            Finding::new("prompt", Verdict::Bad, said).on(wire).advise(advice),
                        );
                        return Ok(());
                    }
                }
            }
        }
        delays.sort();
        let (median, most) = (delays[delays.len() / 2], delays[delays.len() - 1]);
        let verdict = within(median, self.trip + MOST);
        let said = format!(
            "messages come {} after they were published, {} at most",
            said(median),
            said(most)
        );
        let finding = Finding::new("prompt", verdict, said).on(wire);
        let advice = (verdict != Verdict::Good).then(|| self.advice("held-back"));
        self.found(Finding { advice, ..finding });
        Ok(())
    }

    /// Nothing has come of a stream that should have begun.
    async fn look_at_buffer(&mut self, wire: Wire) -> anyhow::Result<()> {
        let said = match self.fill_buffer(wire).await? {
            Some(filled) => {
                format!("nothing comes before {} KiB more were published", filled / 1024)
            }
            None => format!("nothing comes, not even after {} KiB were published", FILLING / 1024),
        };
        let advice = self.advice(if wire == Wire::Ws { "no-upgrade" } else { "buffered" });
        self.found(Finding::new("opens", Verdict::Bad, said).on(wire).advise(advice));
        Ok(())
    }

    /// How much it takes until something comes.
    async fn fill_buffer(&self, wire: Wire) -> anyhow::Result<Option<usize>> {
        let opening = self.client.open(wire, "", &[]);
        tokio::pin!(opening);
        let mut line = None;
        for filled in (0..FILLING).step_by(PART) {
            tokio::select! {
                opened = &mut opening, if line.is_none() => match opened {
                    Ok((opened, _)) => line = Some(opened),
                    Err(_) => break,
                },
                () = sleep(PAUSE) => {}
            }
            if let Some(line) = &mut line
                && let Came::Document(..) = line.next(PAUSE).await
            {
                return Ok(Some(filled));
            }
            self.client.publish(&Value::from("x".repeat(PART))).await?;
        }
        Ok(None)
    }
}
