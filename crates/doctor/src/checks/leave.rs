//! How soon the gateway learns that a client has left.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Examination, said};
use crate::{
    diagnosis::{Finding, Verdict},
    line::Came,
    wire::Wire,
};

/// What is soon.
const SOON: Duration = Duration::from_secs(1);

const LOOK: Duration = Duration::from_millis(50);

impl Examination {
    pub(super) async fn look_at_leaving(&mut self, wire: Wire) -> anyhow::Result<()> {
        let Ok((mut line, _)) = self.client.open(wire, "", &[]).await else { return Ok(()) };
        let Came::Document(hello, _) = line.next_of("tricast.hello", SOON).await else {
            return Ok(());
        };
        let heartbeat = Duration::from_millis(hello["heartbeat"].as_u64().unwrap_or(15_000));
        let Ok(with_it) = self.client.online().await else { return Ok(()) };
        // Some proxies hear of it only when they have tried to send twice.
        let most = 3 * heartbeat + SOON;
        drop(line);
        let left = Instant::now();
        // On a channel of others, they may come and go; then this says nothing.
        while self.client.online().await.is_ok_and(|now| now >= with_it) {
            if left.elapsed() > most {
                let said =
                    format!("the gateway has not learned within {} that it has left", said(most));
                let advice = self.advice("unnoticed");
                self.found(Finding::new("leaves", Verdict::Bad, said).on(wire).advise(advice));
                return Ok(());
            }
            sleep(LOOK).await;
        }
        let after = left.elapsed();
        let said = format!("the gateway learns within {} that it has left", said(after));
        let finding = Finding::new("leaves", Verdict::Good, said).on(wire);
        self.found(match after <= SOON {
            true => finding,
            false => Finding { verdict: Verdict::Fair, ..finding }.advise(self.advice("unnoticed")),
        });
        Ok(())
    }
}
