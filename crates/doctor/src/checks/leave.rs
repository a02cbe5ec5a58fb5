//! How soon the gateway learns that a client has left.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Examination, format_duration};
use crate::{
    diagnosis::{Finding, Verdict},
    probe_stream::Received,
    wire::Wire,
};

/// What is soon.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(1);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How it went.
enum LeaveResult {
    Noticed(Duration),
    /// Not within so long.
    Unnoticed(Duration),
    /// It cannot be seen, and why.
    Unobservable(String),
}

impl Examination {
    pub(super) async fn check_leave(&mut self, wire: Wire) -> anyhow::Result<()> {
        let finding = match self.measure_leave(wire).await {
            LeaveResult::Noticed(after) => {
                let message = format!(
                    "the gateway learns within {} that it has left",
                    format_duration(after)
                );
                let finding = Finding::new("leaves", Verdict::Good, message);
                match after <= NOTICE_TIMEOUT {
                    true => finding,
                    false => Finding { verdict: Verdict::Fair, ..finding }
                        .advise(self.advice("unnoticed")),
                }
            }
            LeaveResult::Unnoticed(max) => {
                let message = format!(
                    "the gateway has not learned within {} that it has left",
                    format_duration(max)
                );
                Finding::new("leaves", Verdict::Bad, message).advise(self.advice("unnoticed"))
            }
            LeaveResult::Unobservable(why) => {
                let message =
                    format!("how soon the gateway learns that it has left cannot be seen: {why}");
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
            // Where online counts are off, say (access.online).
            Err(error) => return LeaveResult::Unobservable(error.message),
        };
        // Some proxies hear of it only when they have tried to send twice.
        let max = 3 * heartbeat + NOTICE_TIMEOUT;
        drop(stream);
        let left = Instant::now();
        // On a channel of others, they may come and go; then this says nothing.
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
