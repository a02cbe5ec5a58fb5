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

/// How it went.
enum Leaving {
    Heard(Duration),
    /// Not within so long.
    Unheard(Duration),
    /// It cannot be seen, and why.
    Unseen(String),
}

impl Examination {
    pub(super) async fn look_at_leaving(&mut self, wire: Wire) -> anyhow::Result<()> {
        let finding = match self.leave(wire).await {
            Leaving::Heard(after) => {
                let said = format!("the gateway learns within {} that it has left", said(after));
                let finding = Finding::new("leaves", Verdict::Good, said);
                match after <= SOON {
                    true => finding,
                    false => Finding { verdict: Verdict::Fair, ..finding }
                        .advise(self.advice("unnoticed")),
                }
            }
            Leaving::Unheard(most) => {
                let said =
                    format!("the gateway has not learned within {} that it has left", said(most));
                Finding::new("leaves", Verdict::Bad, said).advise(self.advice("unnoticed"))
            }
            Leaving::Unseen(why) => {
                let said =
                    format!("how soon the gateway learns that it has left cannot be seen: {why}");
                Finding::new("leaves", Verdict::Unknown, said)
            }
        };
        self.found(finding.on(wire));
        Ok(())
    }

    async fn leave(&self, wire: Wire) -> Leaving {
        let mut line = match self.client.open(wire, "", &[]).await {
            Ok((line, _)) => line,
            Err(refused) => return Leaving::Unseen(refused.said()),
        };
        let Came::Document(hello, _) = line.next_of("tricast.hello", SOON).await else {
            return Leaving::Unseen(format!("no tricast.hello within {}", said(SOON)));
        };
        let heartbeat = Duration::from_millis(hello["heartbeat"].as_u64().unwrap_or(15_000));
        let with_it = match self.client.online().await {
            Ok(count) => count,
            // Where online counts are off, say (access.online).
            Err(obstacle) => return Leaving::Unseen(obstacle.said),
        };
        // Some proxies hear of it only when they have tried to send twice.
        let most = 3 * heartbeat + SOON;
        drop(line);
        let left = Instant::now();
        // On a channel of others, they may come and go; then this says nothing.
        loop {
            match self.client.online().await {
                Ok(now) if now < with_it => return Leaving::Heard(left.elapsed()),
                Ok(_) if left.elapsed() > most => return Leaving::Unheard(most),
                Ok(_) => sleep(LOOK).await,
                Err(obstacle) => return Leaving::Unseen(obstacle.said),
            }
        }
    }
}
