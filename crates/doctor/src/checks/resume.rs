//! Whether a client that comes back gets what it has missed.

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
        // A browser can set no field of a WebSocket's handshake; an EventSource sets this one by itself.
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
                let message = format!("did not open a second time: {}", refused.message());
                self.add_finding(Finding::new("resume", Verdict::Bad, message).on(wire));
                return Ok(());
            }
        };
        let hello = stream.next_event("tricast.hello", REPLAY_TIMEOUT).await;
        let recovered =
            matches!(&hello, Received::Document(hello, _) if hello["recovered"] == true);
        let next = stream.next_event("message", REPLAY_TIMEOUT).await;
        let received =
            matches!(&next, Received::Document(message, _) if message["id"] == missed.as_str());
        self.add_finding(match recovered && received {
            true => Finding::new("resume", Verdict::Good, "what was missed comes first").on(wire),
            // It was asked for, so nothing in between is to blame.
            false if matches!(&hello, Received::Document(hello, _) if hello["reason"] == "evicted") => {
                let message =
                    "the channel's history is too short to see what comes (history.messages)";
                Finding::new("resume", Verdict::Unknown, message).on(wire)
            }
            false => {
                let message = "what was missed does not come";
                Finding::new("resume", Verdict::Bad, message).on(wire).advise(self.advice("no-resume"))
            }
        });
        self.finished.push(stream);
        Ok(())
    }
}
