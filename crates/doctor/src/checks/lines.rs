//! Whether a body of JSON lines is published as it is written, or only when it has ended.

use std::time::Duration;

use http::{StatusCode, Version};
use serde_json::Value;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::Examination;
use crate::{
    diagnosis::{Finding, Verdict},
    obstacle::Obstacle,
    proxy::Proxy,
    refusal::Refusal,
};

const SOON: Duration = Duration::from_secs(2);

/// Lines that are written one by one.
const LINES: usize = 3;

/// Whether a line was published when it was written.
pub(super) enum Publication {
    Done,
    NotYet,
    /// It cannot be seen, and why.
    Unseen(String),
}

impl Examination {
    pub(super) async fn look_at_lines(&mut self) -> anyhow::Result<()> {
        let (say, lines) = mpsc::channel(1);
        let answer = tokio::spawn(self.client.publish_lines(lines));
        let (before, _, _) = self.client.publish(&Value::from("before")).await?;
        let mut each = Publication::Done;
        for number in 1..=LINES {
            let line = format!("line {number}");
            // A request that has failed already takes no more.
            let _ = say.send(format!("{{\"doctor\":\"{line}\"}}\n")).await;
            each = self.has_come(&before, &line).await?;
            if !matches!(each, Publication::Done) {
                break;
            }
        }
        drop(say);
        let finding = match timeout(SOON, answer).await {
            Err(_) => {
                let said = "the answer to a body of JSON lines does not come";
                Finding::new("lines", Verdict::Bad, said).advise(self.advice("lines"))
            }
            Ok(answered) => match answered? {
                Ok(answer) if answer.status() == StatusCode::OK => self.of_lines(each),
                Ok(answer) => self.of_no_lines(answer).await,
                Err(error) => {
                    self.probe().await?;
                    let Obstacle { said, .. } = self.client.words(&error);
                    let said = format!("a body of JSON lines breaks off: {said}");
                    Finding::new("lines", Verdict::Bad, said).advise(self.advice("lines"))
                }
            },
        };
        self.found(finding);
        Ok(())
    }

    /// All of them were published in the end.
    fn of_lines(&self, each: Publication) -> Finding {
        match each {
            Publication::Done => {
                let said = "each line of a body is published when it is written";
                Finding::new("lines", Verdict::Good, said)
            }
            Publication::NotYet => {
                let said = "lines of a body are published only when it has ended";
                Finding::new("lines", Verdict::Bad, said).advise(self.advice("lines"))
            }
            Publication::Unseen(why) => {
                let said = format!(
                    "lines of a body are published; whether each when it is written cannot be seen: {why}"
                );
                Finding::new("lines", Verdict::Unknown, said)
            }
        }
    }

    /// They were refused.
    pub(super) async fn of_no_lines(&self, answer: reqwest::Response) -> Finding {
        let (status, version) = (answer.status(), answer.version());
        let refusal = Refusal::of(answer).await;
        // Over HTTP/2 a body without a length is nothing unusual, and no setting makes lighttpd take one.
        if status == StatusCode::LENGTH_REQUIRED && version == Version::HTTP_2 {
            let who = match self.proxy {
                None | Some(Proxy::Lighttpd) => "lighttpd",
                Some(other) => other.name(),
            };
            let said = format!("{who} takes no body without a length over HTTP/2");
            let advice = "publish JSON lines over HTTP/1.1".to_owned();
            return Finding::new("lines", Verdict::Fair, said).advise(advice);
        }
        Finding::new("lines", Verdict::Bad, refusal.said()).advise(self.advice("lines"))
    }

    /// Whether this line stands behind `before`.
    pub(super) async fn has_come(&self, before: &str, line: &str) -> Result<Publication, Obstacle> {
        let path = format!("/history/{}?last_event_id={before}", self.client.channel);
        let mut hole = false;
        let looking = async {
            loop {
                let answer = self.client.get(&path).await?;
                if answer.status() != StatusCode::OK {
                    let said = Refusal::of(answer).await.said();
                    return Ok(Publication::Unseen(format!("/history was {said}")));
                }
                let text = answer.text().await.map_err(|error| self.client.words(&error))?;
                let history: Value = serde_json::from_str(&text).unwrap_or_default();
                let Some(held) = history["messages"].as_array() else {
                    return Ok(Publication::Unseen("/history has no messages".to_owned()));
                };
                // The newest is held however little is: others before it may have been let go.
                if held.iter().any(|message| message["data"]["doctor"] == line) {
                    return Ok(Publication::Done);
                }
                hole = !history["gap"].is_null() || history["more"] == true;
                sleep(Duration::from_millis(20)).await;
            }
        };
        match timeout(SOON, looking).await {
            Ok(looked) => looked,
            Err(_) if hole => {
                let why = "the channel has more messages than its history holds (history.messages)";
                Ok(Publication::Unseen(why.to_owned()))
            }
            Err(_) => Ok(Publication::NotYet),
        }
    }
}
