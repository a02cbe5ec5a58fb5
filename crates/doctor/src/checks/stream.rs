//! Checks a stream on each wire: whether it opens, and whether messages arrive without delay.

use std::time::Duration;

use http::header;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{Examination, format_duration, verdict_within};
use crate::{
    advice::in_order,
    client::{OpenError, Opened},
    diagnosis::{Finding, Verdict},
    probe_stream::{ProbeStream, Received},
    refusal::named_in,
    wire::Wire,
};

/// Messages that are measured, and the pause between them.
const MESSAGES: u64 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Delay that a proxy may add to the round trip.
const PROXY_DELAY_MAX: Duration = Duration::from_millis(50);

const MESSAGE_TIMEOUT: Duration = Duration::from_secs(2);

impl Examination<'_> {
    pub(super) async fn check_stream(&mut self, wire: Wire) -> anyhow::Result<()> {
        match self.client.open(wire, "", &[]).await {
            Ok((stream, opened)) => self.check_open_stream(wire, stream, opened).await,
            Err(OpenError::Timeout) => self.check_buffering(wire).await,
            Err(OpenError::Failed(error)) => {
                self.probe().await?;
                let closed = self.advice("closed");
                let advice = match wire {
                    Wire::Ws => in_order([self.advice("no-upgrade"), closed]),
                    Wire::Sse | Wire::Chunked => closed,
                };
                self.add_finding(
                    Finding::new("opens", Verdict::Bad, error.message).on(wire).advise(advice),
                );
                Ok(())
            }
            Err(OpenError::Refused(refusal)) => {
                if refusal.is_gateway_unreachable() {
                    self.probe().await?;
                }
                Ok(self.report_refusal(wire, &refusal).await?)
            }
        }
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
            // A temporary refusal: an EventSource gives up after any status but 200.
            Received::Document(..) | Received::End if named_in(&opened.headers).is_some() => {
                let problem = named_in(&opened.headers).unwrap_or_default();
                let message = format!("the gateway refuses the stream for now ({problem})");
                let advice = "this is the gateway's own response: examine it again later";
                self.add_finding(
                    Finding::new("opens", Verdict::Bad, message).on(wire).advise(advice.to_owned()),
                );
                return Ok(());
            }
            Received::Document(other, _) => {
                let message = format!("the stream begins with {other}");
                let advice = self.advice("refused");
                self.add_finding(
                    Finding::new("opens", Verdict::Bad, message).on(wire).advise(advice),
                );
                return Ok(());
            }
            Received::End => {
                let advice = self.advice("closed");
                self.add_finding(
                    Finding::new("opens", Verdict::Bad, "the stream ends at once")
                        .on(wire)
                        .advise(advice),
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
                let message = "no second stream opens, which asks for no compression";
                let advice = self.advice("refused");
                self.add_finding(
                    Finding::new("opens", Verdict::Bad, message).on(wire).advise(advice),
                );
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
            match arrival(stream, &id).await {
                Ok(at) => delays.push(at - published_at),
                Err(missing) => return self.report_missing(wire, number, missing).await,
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

    /// Reports that message `number` did not arrive. If the gateway does not answer any more, the
    /// examination breaks off instead.
    async fn report_missing(
        &mut self,
        wire: Wire,
        number: u64,
        missing: Missing,
    ) -> anyhow::Result<()> {
        self.probe().await?;
        let bad = |message: String| Finding::new("prompt", Verdict::Bad, message);
        let finding = match missing {
            Missing::Late => {
                let within = MESSAGE_TIMEOUT.as_secs();
                bad(format!("message {number} did not arrive within {within} s"))
                    .advise(self.advice("buffered"))
            }
            Missing::Cut => bad(format!("the stream was cut after {number} messages"))
                .advise(self.advice("cut-busy")),
            Missing::Goodbye(reason) => {
                let message = format!("the gateway closed the stream ({reason})");
                let advice = "no proxy is to blame for that: examine it again";
                Finding::new("prompt", Verdict::Unknown, message).advise(advice.to_owned())
            }
        };
        self.add_finding(finding.on(wire));
        Ok(())
    }
}

/// The reason why a message did not arrive.
enum Missing {
    Late,
    Cut,
    /// The gateway itself has closed the stream.
    Goodbye(String),
}

/// Waits for the message with this id.
async fn arrival(stream: &mut ProbeStream, id: &str) -> Result<Instant, Missing> {
    let mut missing = Missing::Cut;
    loop {
        match stream.next(MESSAGE_TIMEOUT).await {
            Received::Document(document, at) if document["id"] == id => return Ok(at),
            Received::Document(document, _) if document["event"] == "tricast.goodbye" => {
                let reason = document["reason"].as_str().unwrap_or_default();
                missing = Missing::Goodbye(reason.to_owned());
            }
            Received::Document(..) => {}
            Received::Timeout => return Err(Missing::Late),
            Received::End => return Err(missing),
        }
    }
}
