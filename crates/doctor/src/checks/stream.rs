//! Checks a stream on each wire: whether it opens, and whether messages arrive without delay.

use std::time::Duration;

use http::header;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Examination, format_duration, verdict_within};
use crate::{
    client::{OpenError, Opened},
    diagnosis::{Finding, Verdict},
    probe_stream::{ProbeStream, Received},
    refusal::{Refusal, problem},
    wire::Wire,
};

/// Messages that are measured, and the pause between them.
const MESSAGES: u64 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Delay that a proxy may add to the round trip.
const PROXY_DELAY_MAX: Duration = Duration::from_millis(50);

const MESSAGE_TIMEOUT: Duration = Duration::from_secs(2);

impl Examination {
    pub(super) async fn check_stream(&mut self, wire: Wire) -> anyhow::Result<()> {
        // A page of this host sends this origin. If a proxy changes the host, the gateway refuses
        // it.
        let origin = self.client.gateway().origin();
        match self.client.open(wire, "", &[("origin", &origin)]).await {
            Ok((stream, opened)) => self.check_open_stream(wire, stream, opened).await,
            Err(OpenError::Timeout) => self.check_buffering(wire).await,
            Err(OpenError::Failed(error)) => {
                self.probe().await?;
                let advice = self.advice(if wire == Wire::Ws { "no-upgrade" } else { "buffered" });
                self.add_finding(
                    Finding::new("opens", Verdict::Bad, error.message).on(wire).advise(advice),
                );
                Ok(())
            }
            Err(OpenError::Refused(refusal)) => {
                if refusal.is_gateway_unreachable() {
                    self.probe().await?;
                }
                self.report_refusal(wire, &refusal);
                Ok(())
            }
        }
    }

    fn report_refusal(&mut self, wire: Wire, refusal: &Refusal) {
        let symptom = match problem(&refusal.text).as_deref() {
            Some("forbidden-origin") => Some("host"),
            // The request has reached the gateway without its upgrade.
            Some("upgrade-required") => Some("no-upgrade"),
            // The gateway's own problem document says what to do.
            Some(_) => None,
            None => (wire == Wire::Ws).then_some("no-upgrade"),
        };
        let finding = Finding::new("opens", Verdict::Bad, refusal.message()).on(wire);
        let foreign =
            "something in between responds instead of the gateway: have it let this path through";
        let advice = match (symptom, problem(&refusal.text)) {
            (Some(symptom), _) => Some(self.advice(symptom)),
            (None, Some(_)) => None,
            (None, None) => Some(foreign.to_owned()),
        };
        self.add_finding(Finding { advice, ..finding });
    }

    async fn check_open_stream(
        &mut self,
        wire: Wire,
        stream: ProbeStream,
        opened: Opened,
    ) -> anyhow::Result<()> {
        let Some(mut stream) = self.uncompressed(wire, stream, &opened).await else {
            return Ok(());
        };
        match stream.next(MESSAGE_TIMEOUT).await {
            Received::Document(hello, _) if hello["event"] == "tricast.hello" => {}
            Received::Timeout => return self.check_buffering(wire).await,
            Received::Document(other, _) => {
                self.add_finding(
                    Finding::new("opens", Verdict::Bad, format!("the stream begins with {other}"))
                        .on(wire),
                );
                return Ok(());
            }
            Received::End => {
                self.add_finding(
                    Finding::new("opens", Verdict::Bad, "the stream ends at once").on(wire),
                );
                return Ok(());
            }
        }
        self.open_wires.push(wire);
        let head = format_duration(opened.head_after);
        let how = format!("in {head}, over {:?}", opened.version);
        self.add_finding(Finding::new("opens", Verdict::Good, how).on(wire));
        self.check_delays(wire, &mut stream).await?;
        self.finished.push(stream);
        Ok(())
    }

    /// Returns a stream without compression: if this one is compressed, reports that, and opens
    /// another that asks for no compression, as do all later ones.
    async fn uncompressed(
        &mut self,
        wire: Wire,
        stream: ProbeStream,
        opened: &Opened,
    ) -> Option<ProbeStream> {
        let encoding = opened.headers.get(header::CONTENT_ENCODING);
        let encoding = encoding.and_then(|value| value.to_str().ok()).unwrap_or("identity");
        if encoding == "identity" {
            return Some(stream);
        }
        let message = format!("the stream is compressed ({encoding})");
        let advice = self.advice("compressed");
        self.add_finding(Finding::new("encoding", Verdict::Fair, message).on(wire).advise(advice));
        self.client.encodings = "identity";
        match self.client.open(wire, "", &[]).await {
            Ok((stream, _)) => Some(stream),
            Err(_) => {
                let message = "no stream opens without Accept-Encoding";
                self.add_finding(Finding::new("opens", Verdict::Bad, message).on(wire));
                None
            }
        }
    }

    async fn check_delays(&mut self, wire: Wire, stream: &mut ProbeStream) -> anyhow::Result<()> {
        let mut delays = Vec::new();
        let mut due = Instant::now();
        for number in 0..MESSAGES {
            sleep(due.saturating_duration_since(Instant::now())).await;
            due += PAUSE;
            let (id, published_at, _) = self.client.publish(&json!({ "doctor": number })).await?;
            loop {
                match stream.next(MESSAGE_TIMEOUT).await {
                    Received::Document(document, at) if document["id"] == id.as_str() => {
                        delays.push(at - published_at);
                        break;
                    }
                    Received::Document(..) => {}
                    Received::Timeout => {
                        self.probe().await?;
                        let advice = self.advice("buffered");
                        let message = format!(
                            "message {number} did not arrive within {} s",
                            MESSAGE_TIMEOUT.as_secs()
                        );
                        self.add_finding(
                            Finding::new("prompt", Verdict::Bad, message).on(wire).advise(advice),
                        );
                        return Ok(());
                    }
                    Received::End => {
                        self.probe().await?;
                        let advice = self.advice("cut-busy");
                        let message = format!("the stream was cut after {number} messages");
                        self.add_finding(
                            Finding::new("prompt", Verdict::Bad, message).on(wire).advise(advice),
                        );
                        return Ok(());
                    }
                }
            }
        }
        delays.sort();
        let (median, max) = (delays[delays.len() / 2], delays[delays.len() - 1]);
        let verdict = verdict_within(median, self.round_trip + PROXY_DELAY_MAX);
        let message = format!(
            "messages arrive {} after they were published, {} at most",
            format_duration(median),
            format_duration(max)
        );
        let finding = Finding::new("prompt", verdict, message).on(wire);
        let advice = (verdict != Verdict::Good).then(|| self.advice("held-back"));
        self.add_finding(Finding { advice, ..finding });
        Ok(())
    }
}
