//! Everything that is looked at, in order.

use std::time::Duration;

use anyhow::Context as _;
use http::StatusCode;
use serde_json::Value;

use crate::{
    advice::advice,
    ask::{Client, detail},
    diagnosis::{Diagnosis, Finding, Verdict},
    line::Line,
    proxy::Proxy,
    wire::Wire,
};

mod idle;
mod leave;
mod lines;
mod reach;
mod resume;
mod stream;

/// An examination under way.
pub(crate) struct Examination {
    client: Client,
    proxy: Option<Proxy>,
    /// What the gateway's page tells of how a request arrived, where the page is on.
    seen: Option<Value>,
    /// How long a request takes, at best.
    trip: Duration,
    /// Wires that have opened.
    open: Vec<Wire>,
    /// Streams that are done with. They end together, so that one that leaves is the only one.
    kept: Vec<Line>,
    findings: Vec<Finding>,
}

impl Examination {
    /// Finds out who answers.
    pub(crate) async fn begin(client: Client) -> anyhow::Result<Self> {
        let mut trip = Duration::MAX;
        for _ in 0..3 {
            let (_, _, took) = client.publish(&serde_json::json!({ "doctor": "begins" })).await?;
            trip = trip.min(took);
        }
        let seen = client.get("/dashboard/seen?client=doctor-0123456789").await?;
        let mut proxy = Proxy::of_answer(seen.headers());
        let seen = match seen.status() {
            StatusCode::OK => serde_json::from_str::<Value>(&seen.text().await?).ok(),
            _ => None,
        };
        proxy = proxy.or_else(|| Proxy::of_request(seen.as_ref()?));
        let (open, kept, findings) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { client, proxy, seen, trip, open, kept, findings })
    }

    pub(crate) async fn run(mut self) -> anyhow::Result<Diagnosis> {
        self.look_at_the_way().await?;
        for wire in Wire::ALL {
            self.look_at_stream(wire).await?;
        }
        for wire in self.open.clone() {
            self.look_at_resume(wire).await?;
            self.look_at_leaving(wire).await?;
        }
        self.look_at_lines().await.context("JSON lines")?;
        self.look_at_silence().await?;
        let url = self.client.place().url("");
        let proxy = self.proxy.map(|proxy| proxy.name().to_owned());
        Ok(Diagnosis { url, proxy, findings: self.findings })
    }

    fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn advice(&self, symptom: &str) -> String {
        advice(symptom, self.proxy)
    }
}

/// What an answer other than the one that was asked for says.
fn refusal(status: StatusCode, text: &str) -> String {
    format!("answered with {status}: {}", detail(text))
}

/// A time as people say it.
fn said(time: Duration) -> String {
    match time.as_millis() {
        ..10_000 => format!("{} ms", time.as_millis()),
        _ => format!("{} s", time.as_secs()),
    }
}

/// The verdict on a time that should be short.
fn within(time: Duration, most: Duration) -> Verdict {
    if time <= most { Verdict::Good } else { Verdict::Bad }
}
