//! Checks how soon the gateway notices that a client has left.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Examination, format_duration};
use crate::{
    diagnosis::{Finding, Verdict},
    observer::Event,
    probe_stream::Received,
    wire::Wire,
};

/// Longest delay that counts as good.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(1);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The result of the measurement.
enum LeaveResult {
    Noticed(Duration),
    /// Not noticed within this time.
    Unnoticed(Duration),
    /// Cannot be measured, with the reason.
    Unobservable(String),
}

impl Examination<'_> {
    pub(super) async fn check_leave(&mut self, wire: Wire) -> anyhow::Result<()> {
        let finding = match self.measure_leave(wire).await {
            LeaveResult::Noticed(after) => {
                let message =
                    format!("the gateway notices a closed stream after {}", format_duration(after));
                let finding = Finding::new("leaves", Verdict::Good, message);
                match after <= NOTICE_TIMEOUT {
                    true => finding,
                    false => Finding { verdict: Verdict::Fair, ..finding }
                        .advise(self.advice("unnoticed")),
                }
            }
            LeaveResult::Unnoticed(max) => {
                let message = format!(
                    "the gateway has not noticed a closed stream within {}",
                    format_duration(max)
                );
                Finding::new("leaves", Verdict::Bad, message).advise(self.advice("unnoticed"))
            }
            LeaveResult::Unobservable(why) => {
                let message =
                    format!("when the gateway notices a closed stream cannot be measured: {why}");
                Finding::new("leaves", Verdict::Unknown, message)
            }
        };
        self.add_finding(finding.on(wire));
        Ok(())
    }

    async fn measure_leave(&self, wire: Wire) -> LeaveResult {
        let mut stream = match self.client.open(wire, "", &[]).await {
            Ok((stream, _)) => stream,
            Err(refused) => return LeaveResult::Unobservable(refused.message()),
        };
        let Received::Document(hello, _) = stream.next_event("tricast.hello", NOTICE_TIMEOUT).await
        else {
            return LeaveResult::Unobservable(format!(
                "no tricast.hello within {}",
                format_duration(NOTICE_TIMEOUT)
            ));
        };
        let heartbeat = Duration::from_millis(hello["heartbeat"].as_u64().unwrap_or(15_000));
        let count_before = match self.client.online().await {
            Ok(count) => count,
            // Online counts may be off (access.online).
            Err(error) => return LeaveResult::Unobservable(error.message),
        };
        // Some proxies notice only at the second attempt to send.
        let max = 3 * heartbeat + NOTICE_TIMEOUT;
        drop(stream);
        let left = Instant::now();
        (self.observe)(Event::Waits(max));
        // If the channel has other subscribers, they may come and go, and the result is unreliable.
        loop {
            match self.client.online().await {
                Ok(now) if now < count_before => return LeaveResult::Noticed(left.elapsed()),
                Ok(_) if left.elapsed() > max => return LeaveResult::Unnoticed(max),
                Ok(_) => sleep(POLL_INTERVAL).await,
                Err(error) => return LeaveResult::Unobservable(error.message),
            }
        }
    }
}
