//! Whether a client that comes back gets what it has missed.

use std::time::Duration;

use serde_json::json;

use super::Examination;
use crate::{
    diagnosis::{Finding, Verdict},
    line::Came,
    wire::Wire,
};

const SOON: Duration = Duration::from_secs(3);

impl Examination {
    pub(super) async fn look_at_resume(&mut self, wire: Wire) -> anyhow::Result<()> {
        let (before, _, _) = self.client.publish(&json!({ "doctor": "before" })).await?;
        let (missed, _, _) = self.client.publish(&json!({ "doctor": "missed" })).await?;
        // A browser can set no field of a WebSocket's handshake; an EventSource sets this one by itself.
        let query = format!("?last_event_id={before}");
        let field = [("last-event-id", before.as_str())];
        let opened = match wire {
            Wire::Ws => self.client.open(wire, &query, &[]).await,
            Wire::Sse | Wire::Chunked => self.client.open(wire, "", &field).await,
        };
        let mut line = match opened {
            Ok((line, _)) => line,
            Err(refused) => {
                self.probe().await?;
                let said = format!("did not open a second time: {}", refused.said());
                self.found(Finding::new("resume", Verdict::Bad, said).on(wire));
                return Ok(());
            }
        };
        let hello = line.next_of("tricast.hello", SOON).await;
        let recovered = matches!(&hello, Came::Document(hello, _) if hello["recovered"] == true);
        let next = line.next_of("message", SOON).await;
        let came = matches!(&next, Came::Document(message, _) if message["id"] == missed.as_str());
        self.found(match recovered && came {
            true => Finding::new("resume", Verdict::Good, "what was missed comes first").on(wire),
            // It was asked for, so nothing in between is to blame.
            false if matches!(&hello, Came::Document(hello, _) if hello["reason"] == "evicted") => {
                let said =
                    "the channel's history is too short to see what comes (history.messages)";
                Finding::new("resume", Verdict::Unknown, said).on(wire)
            }
            false => {
                let said = "what was missed does not come";
                Finding::new("resume", Verdict::Bad, said).on(wire).advise(self.advice("no-resume"))
            }
        });
        self.kept.push(line);
        Ok(())
    }
}
