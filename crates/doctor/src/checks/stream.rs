//! A stream on each wire: whether it opens, as what, and whether messages come when they are published.

use std::time::Duration;

use http::header;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Examination, said, within};
use crate::{
    ask::{Opened, Refused},
    diagnosis::{Finding, Verdict},
    line::{Came, Line},
    refusal::{Refusal, problem},
    wire::Wire,
};

/// Messages that are timed, and the pause between them.
const MESSAGES: u64 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// What a proxy may take for itself, beside the way.
const MOST: Duration = Duration::from_millis(50);

const SOON: Duration = Duration::from_secs(2);

impl Examination {
    pub(super) async fn look_at_stream(&mut self, wire: Wire) -> anyhow::Result<()> {
        // As a page of this host would: what the gateway takes for another host it refuses.
        let origin = self.client.place().origin();
        match self.client.open(wire, "", &[("origin", &origin)]).await {
            Ok((line, opened)) => self.look_at_open(wire, line, opened).await,
            Err(Refused::Silence) => self.look_at_buffer(wire).await,
            Err(Refused::Broken(obstacle)) => {
                self.probe().await?;
                let advice = self.advice(if wire == Wire::Ws { "no-upgrade" } else { "buffered" });
                self.found(
                    Finding::new("opens", Verdict::Bad, obstacle.said).on(wire).advise(advice),
                );
                Ok(())
            }
            Err(Refused::Answer(refusal)) => {
                if refusal.is_of_a_lonely_proxy() {
                    self.probe().await?;
                }
                self.look_at_refusal(wire, &refusal);
                Ok(())
            }
        }
    }

    fn look_at_refusal(&mut self, wire: Wire, refusal: &Refusal) {
        let symptom = match problem(&refusal.text).as_deref() {
            Some("forbidden-origin") => Some("host"),
            // The gateway has seen a request, and no upgrade in it.
            Some("upgrade-required") => Some("no-upgrade"),
            // Its own refusals have said what to do.
            Some(_) => None,
            None => (wire == Wire::Ws).then_some("no-upgrade"),
        };
        let finding = Finding::new("opens", Verdict::Bad, refusal.said()).on(wire);
        let another = "something in between answers instead of the gateway: let this path through";
        let advice = match (symptom, problem(&refusal.text)) {
            (Some(symptom), _) => Some(self.advice(symptom)),
            (None, Some(_)) => None,
            (None, None) => Some(another.to_owned()),
        };
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
                        self.probe().await?;
                        let advice = self.advice("buffered");
                        let said =
                            format!("message {number} did not come within {} s", SOON.as_secs());
                        self.found(
                            Finding::new("prompt", Verdict::Bad, said).on(wire).advise(advice),
                        );
                        return Ok(());
                    }
                    Came::End => {
                        self.probe().await?;
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
}
