//! Checks whether a client that reconnects gets the messages it has missed.

use std::time::Duration;

use serde_json::json;

use super::Examination;
use crate::{
    diagnosis::{Finding, Verdict},
    probe_stream::Received,
    wire::Wire,
};

const REPLAY_TIMEOUT: Duration = Duration::from_secs(3);

impl Examination {
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
        let hello = stream.next_event("tricast.hello", REPLAY_TIMEOUT).await;
        let (mut recovered, mut evicted) = (false, false);
        if let Received::Document(hello, _) = &hello {
            (recovered, evicted) = (hello["recovered"] == true, hello["reason"] == "evicted");
        }
        let next = stream.next_event("message", REPLAY_TIMEOUT).await;
        let received =
            matches!(&next, Received::Document(message, _) if message["id"] == missed.as_str());
        self.add_finding(match recovered && received {
            true => Finding::new("resume", Verdict::Good, "missed messages arrive first").on(wire),
            // The gateway received the id, so nothing in between is to blame.
            false if evicted => {
                let message =
                    "the channel's history is too short for this check (history.messages)";
                Finding::new("resume", Verdict::Unknown, message).on(wire)
            }
            false => {
                let message = "missed messages do not arrive";
                let advice = self.advice("no-resume");
                Finding::new("resume", Verdict::Bad, message).on(wire).advise(advice)
            }
        });
        self.finished.push(stream);
        Ok(())
    }
}
