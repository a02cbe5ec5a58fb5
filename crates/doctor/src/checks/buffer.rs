//! Checks whether a silent stream is buffered by something in between, and up to which size.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::Examination;
use crate::{
    advice::in_order,
    diagnosis::{Finding, Verdict},
    probe_stream::Received,
    wire::Wire,
};

/// Bytes that are published to see whether a buffer runs over, and the size of each message.
const FILL_BYTES: usize = 256 * 1024;
const FILL_STEP: usize = 16 * 1024;

const PAUSE: Duration = Duration::from_millis(100);

impl Examination<'_> {
    /// Reports a stream that has opened, but brings nothing.
    pub(super) async fn check_buffering(&mut self, wire: Wire) -> anyhow::Result<()> {
        let message = match self.fill_buffer(wire).await? {
            Some(filled) => {
                format!("nothing arrives until {} KiB more are published", filled / 1024)
            }
            None => {
                format!("nothing arrives, not even after {} KiB were published", FILL_BYTES / 1024)
            }
        };
        let buffered = self.advice("buffered");
        let advice = match wire {
            Wire::Ws => in_order([self.advice("no-upgrade"), buffered]),
            Wire::Sse | Wire::Chunked => buffered,
        };
        self.add_finding(Finding::new("opens", Verdict::Bad, message).on(wire).advise(advice));
        Ok(())
    }

    /// Publishes until something arrives, and returns how many bytes that took.
    async fn fill_buffer(&self, wire: Wire) -> anyhow::Result<Option<usize>> {
        let opening = self.client.open(wire, "", &[]);
        tokio::pin!(opening);
        let mut stream = None;
        for filled in (0..FILL_BYTES).step_by(FILL_STEP) {
            tokio::select! {
                opened = &mut opening, if stream.is_none() => match opened {
                    Ok((opened, _)) => stream = Some(opened),
                    Err(_) => break,
                },
                () = sleep(PAUSE) => {}
            }
            if let Some(stream) = &mut stream
                && let Received::Document(..) = stream.next(PAUSE).await
            {
                return Ok(Some(filled));
            }
            self.client.publish(&Value::from("x".repeat(FILL_STEP))).await?;
        }
        Ok(None)
    }
}
