//! Whether a body of JSON lines is published as it is written, or only when it has ended.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tokio::{sync::mpsc, time::timeout};

use super::{Examination, refusal};
use crate::diagnosis::{Finding, Verdict};

const SOON: Duration = Duration::from_secs(2);

/// Lines that are written one by one.
const LINES: usize = 3;

impl Examination {
    pub(super) async fn look_at_lines(&mut self) -> anyhow::Result<()> {
        let (say, lines) = mpsc::channel(1);
        let answer = tokio::spawn(self.client.publish_lines(lines));
        let before = self.newest().await?;
        let mut each = true;
        for number in 1..=LINES {
            // A request that has failed already takes no more.
            let _ = say.send(format!("{{\"doctor\":\"line {number}\"}}\n")).await;
            each &= self.has_come(&before, number).await?;
            if !each {
                break;
            }
        }
        drop(say);
        let answer = match timeout(SOON, answer).await {
            Ok(answered) => answered?,
            Err(_) => {
                let said = "the answer to a body of JSON lines does not come";
                self.found(Finding::new("lines", Verdict::Bad, said).advise(self.advice("lines")));
                return Ok(());
            }
        };
        let finding = match answer {
            Err(error) => Finding::new(
                "lines",
                Verdict::Bad,
                format!("a body of JSON lines breaks off: {error}"),
            ),
            Ok(answer) if answer.status() != StatusCode::OK => {
                let status = answer.status();
                Finding::new("lines", Verdict::Bad, refusal(status, &answer.text().await?))
            }
            Ok(_) if each => {
                let said = "each line of a body is published when it is written";
                self.found(Finding::new("lines", Verdict::Good, said));
                return Ok(());
            }
            Ok(_) => Finding::new(
                "lines",
                Verdict::Bad,
                "lines of a body are published only when it has ended",
            ),
        };
        let advice = self.advice("lines");
        self.found(finding.advise(advice));
        Ok(())
    }

    /// The id of the channel's newest message.
    async fn newest(&self) -> anyhow::Result<String> {
        let (id, _, _) = self.client.publish(&Value::from("before")).await?;
        Ok(id)
    }

    /// Whether so many messages stand behind `before`.
    async fn has_come(&self, before: &str, messages: usize) -> anyhow::Result<bool> {
        let path = format!("/history/{}?last_event_id={before}", self.client.channel);
        let looking = async {
            loop {
                let history: Value =
                    serde_json::from_str(&self.client.get(&path).await?.text().await?)?;
                if history["messages"].as_array().is_some_and(|held| held.len() >= messages) {
                    return anyhow::Ok(());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match timeout(SOON, looking).await {
            Ok(looked) => looked.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}
