//! Checks whether each line of a JSON lines body is published when it is written, or only at the
//! end (request buffering).

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
    probe_error::ProbeError,
    refusal::Refusal,
};

const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Lines that are written, one by one.
const LINES: usize = 3;

/// Whether a line was published when it was written.
pub(super) enum LineResult {
    Published,
    NotYet,
    /// Cannot be observed, with the reason.
    Unobservable(String),
}

impl Examination<'_> {
    pub(super) async fn check_json_lines(&mut self) -> anyhow::Result<()> {
        let (line_sender, lines) = mpsc::channel(1);
        let response = tokio::spawn(self.client.publish_lines(lines));
        let (before, _, _) = self.client.publish(&Value::from("before")).await?;
        let mut each = LineResult::Published;
        for number in 1..=LINES {
            let line = format!("line {number}");
            // If the request has failed already, its response says so below.
            let _ = line_sender.send(format!("{{\"doctor\":\"{line}\"}}\n")).await;
            each = self.was_published(&before, &line).await?;
            if !matches!(each, LineResult::Published) {
                break;
            }
        }
        drop(line_sender);
        let finding = match timeout(RESPONSE_TIMEOUT, response).await {
            // Published lines have reached the gateway, so that its response is what is missing.
            Err(_) => {
                let published = matches!(each, LineResult::Published);
                let advice = self.advice(if published { "buffered" } else { "lines" });
                let message = "there is no response to a body of JSON lines";
                Finding::new("lines", Verdict::Bad, message).advise(advice)
            }
            Ok(answered) => match answered? {
                Ok(response) if response.status() == StatusCode::OK => self.report_accepted(each),
                Ok(response) => self.report_refused(response).await,
                Err(error) => {
                    self.probe().await?;
                    let ProbeError { message, .. } = self.client.explain(&error);
                    let message = format!("a body of JSON lines breaks off: {message}");
                    Finding::new("lines", Verdict::Bad, message).advise(self.advice("lines-closed"))
                }
            },
        };
        self.add_finding(finding);
        Ok(())
    }

    /// Reports a body whose lines were all published.
    fn report_accepted(&self, each: LineResult) -> Finding {
        match each {
            LineResult::Published => {
                let message = "each line of a body is published when it is written";
                Finding::new("lines", Verdict::Good, message)
            }
            LineResult::NotYet => {
                let message = "lines of a body are published only at its end";
                Finding::new("lines", Verdict::Bad, message).advise(self.advice("lines"))
            }
            LineResult::Unobservable(why) => {
                let message = format!(
                    "lines of a body are published; whether each is when it is written cannot be \
                     observed: {why}"
                );
                Finding::new("lines", Verdict::Unknown, message)
            }
        }
    }

    /// Reports a body that was refused.
    pub(super) async fn report_refused(&self, response: reqwest::Response) -> Finding {
        let (status, version) = (response.status(), response.version());
        let refusal = Refusal::read(response).await;
        // A body without a length is common over HTTP/2, and no setting makes lighttpd accept one.
        if status == StatusCode::LENGTH_REQUIRED && version == Version::HTTP_2 {
            let subject = self.intermediaries.known().first().map(|proxy| proxy.name());
            let subject = subject.unwrap_or("something in between");
            let message = format!("{subject} takes no body without a length over HTTP/2");
            let advice = "publish JSON lines over HTTP/1.1".to_owned();
            return Finding::new("lines", Verdict::Fair, message).advise(advice);
        }
        let finding = Finding::new("lines", Verdict::Bad, refusal.message());
        match refusal.problem() {
            // The gateway's own problem document says what to do.
            Some(_) => finding,
            None => finding.advise(self.advice("refused")),
        }
    }

    /// Whether this line was published after `before`.
    pub(super) async fn was_published(
        &self,
        before: &str,
        line: &str,
    ) -> Result<LineResult, ProbeError> {
        let path = format!("/history/{}?last_event_id={before}", self.client.channel);
        let mut hole = false;
        let polling = async {
            loop {
                let response = self.client.get(&path).await?;
                if response.status() != StatusCode::OK {
                    let message = Refusal::read(response).await.message();
                    return Ok(LineResult::Unobservable(format!("/history was {message}")));
                }
                let text = response.text().await.map_err(|error| self.client.explain(&error))?;
                let history: Value = serde_json::from_str(&text).unwrap_or_default();
                let Some(held) = history["messages"].as_array() else {
                    return Ok(LineResult::Unobservable("/history has no messages".to_owned()));
                };
                // The newest message is always held, even if those before it were evicted.
                if held.iter().any(|message| message["data"]["doctor"] == line) {
                    return Ok(LineResult::Published);
                }
                hole = !history["gap"].is_null() || history["more"] == true;
                sleep(Duration::from_millis(20)).await;
            }
        };
        match timeout(RESPONSE_TIMEOUT, polling).await {
            Ok(result) => result,
            Err(_) if hole => {
                let why = "the channel has more messages than its history holds (history.messages)";
                Ok(LineResult::Unobservable(why.to_owned()))
            }
            Err(_) => Ok(LineResult::NotYet),
        }
    }
}
