//! Checks whether something in between answers from a cache. A cache replays ended streams with the
//! client id of their first reader, and shows online counts of the past. All other requests of an
//! examination differ from each other, so that no cache answers them.

use http::StatusCode;
use serde_json::{Value, json};

use super::Examination;
use crate::{
    diagnosis::{Finding, Verdict},
    probe_error::ProbeError,
    refusal::Refusal,
};

#[cfg(test)]
mod tests;

/// The newest messages of a channel, or why they are not known.
enum Newest {
    Contain(bool),
    Unknown(String),
}

impl Examination<'_> {
    pub(super) async fn check_cache(&mut self) -> anyhow::Result<()> {
        let (before, _, _) = self.client.publish(&json!({ "doctor": "caches" })).await?;
        let path = format!("/history/{}?last_event_id={before}", self.client.channel);
        // The first response may be kept; the second request is the same.
        self.client.get_cacheable(&path).await?;
        let (id, _, _) = self.client.publish(&json!({ "doctor": "cached" })).await?;
        let kept = self.client.get_cacheable(&path).await?;
        let finding = match contains(kept, &id).await {
            Newest::Contain(true) => {
                Finding::new("cache", Verdict::Good, "responses are not cached")
            }
            Newest::Contain(false) => self.compare_with_uncached(&path, &id).await?,
            Newest::Unknown(why) => unknown(&why),
        };
        self.add_finding(finding);
        Ok(())
    }

    /// Tells a cache from a history that is too short.
    async fn compare_with_uncached(&self, path: &str, id: &str) -> Result<Finding, ProbeError> {
        Ok(match contains(self.client.get(path).await?, id).await {
            Newest::Contain(true) => {
                let message = "responses are cached: the second response to the same GET /history \
                               lacks a message that was published in between";
                Finding::new("cache", Verdict::Bad, message).advise(self.advice("cached"))
            }
            Newest::Contain(false) => unknown("the history does not have the newest message"),
            Newest::Unknown(why) => unknown(&why),
        })
    }
}

fn unknown(why: &str) -> Finding {
    let message = format!("whether responses are cached cannot be checked: {why}");
    Finding::new("cache", Verdict::Unknown, message)
}

async fn contains(response: reqwest::Response, id: &str) -> Newest {
    if response.status() != StatusCode::OK {
        let message = Refusal::read(response).await.message();
        return Newest::Unknown(format!("/history was {message}"));
    }
    let text = response.text().await.unwrap_or_default();
    let history: Value = serde_json::from_str(&text).unwrap_or_default();
    match history["messages"].as_array() {
        Some(messages) => Newest::Contain(messages.iter().any(|message| message["id"] == id)),
        None => Newest::Unknown("/history has no messages".to_owned()),
    }
}
