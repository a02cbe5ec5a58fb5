//! A stream of which nothing comes: whether something in between keeps it, and until when.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use super::Examination;
use crate::{
    diagnosis::{Finding, Verdict},
    line::Came,
    wire::Wire,
};

/// How much is published to see whether a buffer runs over, and in which parts.
const FILLING: usize = 256 * 1024;
const PART: usize = 16 * 1024;

const PAUSE: Duration = Duration::from_millis(100);

impl Examination {
    /// Nothing has come of a stream that should have begun.
    pub(super) async fn look_at_buffer(&mut self, wire: Wire) -> anyhow::Result<()> {
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
