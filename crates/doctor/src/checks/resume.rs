//! Checks whether a client that reconnects gets the messages it has missed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Examination;
use crate::{
    diagnosis::{Finding, Verdict},
    probe_stream::{ProbeStream, Received},
    wire::Wire,
};

const REPLAY_TIMEOUT: Duration = Duration::from_secs(3);

impl Examination<'_> {
    pub(super) async fn check_resume(&mut self, wire: Wire) -> anyhow::Result<()> {
        let (before, _, _) = self.client.publish(&json!({ "doctor": "before" })).await?;
        let (missed, _, _) = self.client.publish(&json!({ "doctor": "missed" })).await?;
        // A browser cannot set headers of a WebSocket handshake; an EventSource sends this one
        // itself.
        let query = format!("?last_event_id={before}");
        let field = [("last-event-id", before.as_str())];
        let opened = match wire {
            Wire::Ws => self.client.open(wire, &query, &[]).await,
            Wire::Sse | Wire::Chunked => self.client.open(wire, "", &field).await,
        };
        let mut stream = match opened {
            Ok((stream, _)) => stream,
            Err(refused) => {
                self.probe().await?;
                let message = format!("the second stream did not open: {}", refused.message());
                self.add_finding(Finding::new("resume", Verdict::Bad, message).on(wire));
                return Ok(());
            }
        };
        let finding = match stream.next_event("tricast.hello", REPLAY_TIMEOUT).await {
            Received::Document(hello, _) => self.report_hello(wire, &hello),
            Received::End | Received::Timeout => {
                let message = "the second stream brings no tricast.hello";
                Some(Finding::new("resume", Verdict::Bad, message).advise(self.advice("buffered")))
            }
        };
        let finding = match finding {
            Some(finding) => finding,
            None if receives(&mut stream, &missed).await => {
                Finding::new("resume", Verdict::Good, "missed messages arrive first")
            }
            None => {
                let message = "the gateway resumes, but the missed message does not arrive";
                Finding::new("resume", Verdict::Bad, message).advise(self.advice("buffered"))
            }
        };
        self.add_finding(finding.on(wire));
        self.finished.push(stream);
        Ok(())
    }
    /// Reports a hello that does not resume. It says whether the id arrived at the gateway.
    fn report_hello(&self, wire: Wire, hello: &Value) -> Option<Finding> {
        let reason = hello["reason"].as_str().unwrap_or_default();
        let finding = match reason {
            _ if hello["recovered"] == true => return None,
            "evicted" => {
                let message =
                    "the channel's history is too short for this check (history.messages)";
                Finding::new("resume", Verdict::Unknown, message)
            }
            "fresh" if wire == Wire::Ws => {
                let message =
                    "missed messages do not arrive: the gateway received no last_event_id";
                let advice = "something in between drops the query of the handshake: have it \
                              forward the query";
                Finding::new("resume", Verdict::Bad, message).advise(advice.to_owned())
            }
            "fresh" => {
                let message =
                    "missed messages do not arrive: the gateway received no Last-Event-ID";
                Finding::new("resume", Verdict::Bad, message).advise(self.advice("no-resume"))
            }
            _ => {
                let message = format!("the gateway received the id and did not resume: {reason:?}");
                let advice = "if the gateway was restarted in between, or if several gateways \
                              answer at this address, the id is of another log";
                Finding::new("resume", Verdict::Bad, message).advise(advice.to_owned())
            }
        };
        Some(finding)
    }
}

/// Whether the message with this id arrives. Others may come before it on a channel in use.
async fn receives(stream: &mut ProbeStream, id: &str) -> bool {
    let end = Instant::now() + REPLAY_TIMEOUT;
    loop {
        match stream.next(end.saturating_duration_since(Instant::now())).await {
            Received::Document(message, _) if message["id"] == id => return true,
            Received::Document(..) => {}
            Received::End | Received::Timeout => return false,
        }
    }
}
