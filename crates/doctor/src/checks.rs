//! Everything that is looked at, in order.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use serde_json::Value;

use crate::{
    advice::advice,
    ask::Client,
    diagnosis::{Diagnosis, Finding, Verdict},
    line::Line,
    obstacle::Obstacle,
    proxy::Proxy,
    wire::Wire,
};

mod buffer;
mod idle;
mod leave;
mod lines;
mod reach;
mod resume;
mod stream;
#[cfg(test)]
mod tests;

/// An examination under way.
pub(crate) struct Examination {
    client: Client,
    proxy: Option<Proxy>,
    /// What the gateway's page tells of how a request arrived, where the page is on.
    seen: Option<Value>,
    /// Where the answers come from.
    there: Option<SocketAddr>,
    /// How long a request takes, at best.
    trip: Duration,
    /// Wires that have opened.
    open: Vec<Wire>,
    /// Streams that are done with. They end together, so that one that leaves is the only one.
    kept: Vec<Line>,
    findings: Vec<Finding>,
    /// What is being looked at, and on which wire.
    stage: (&'static str, Option<Wire>),
}

impl Examination {
    /// Finds out who answers.
    pub(crate) async fn begin(client: Client) -> Result<Self, Obstacle> {
        let mut trip = Duration::MAX;
        for _ in 0..3 {
            let (_, _, took) = client.publish(&serde_json::json!({ "doctor": "begins" })).await?;
            trip = trip.min(took);
        }
        let seen = client.get("/dashboard/seen?client=doctor-0123456789").await?;
        let mut proxy = Proxy::of_answer(seen.headers());
        let there = seen.remote_addr();
        let seen = match seen.status() {
            StatusCode::OK => {
                let text = seen.text().await.map_err(|error| client.words(&error))?;
                serde_json::from_str::<Value>(&text).ok()
            }
            _ => None,
        };
        proxy = proxy.or_else(|| Proxy::of_request(seen.as_ref()?));
        let (open, kept, findings) = (Vec::new(), Vec::new(), Vec::new());
        let stage = ("the way", None);
        Ok(Self { client, proxy, seen, there, trip, open, kept, findings, stage })
    }

    /// Looks at everything, as far as it goes.
    pub(crate) async fn run(mut self, watching: &dyn Fn(Duration)) -> Diagnosis {
        if let Err(error) = self.look(watching).await {
            let (what, wire) = self.stage;
            let Obstacle { said, advice } = Obstacle::of(&error);
            let said = format!("at {what} the examination breaks off: {said}");
            let finding = Finding::new("breaks-off", Verdict::Bad, said).advise(advice);
            self.found(match wire {
                Some(wire) => finding.on(wire),
                None => finding,
            });
        }
        let url = self.client.place().url("");
        let proxy = self.proxy.map(|proxy| proxy.name().to_owned());
        Diagnosis { url, proxy, findings: self.findings }
    }

    async fn look(&mut self, watching: &dyn Fn(Duration)) -> anyhow::Result<()> {
        self.look_at_the_way().await?;
        for wire in Wire::ALL {
            self.stage = ("messages", Some(wire));
            self.look_at_stream(wire).await?;
        }
        for wire in self.open.clone() {
            self.stage = ("resume", Some(wire));
            self.look_at_resume(wire).await?;
            self.stage = ("leaving", Some(wire));
            self.look_at_leaving(wire).await?;
        }
        self.stage = ("JSON lines", None);
        self.look_at_lines().await?;
        self.stage = ("silent streams", None);
        self.look_at_silence(watching).await
    }

    /// Whether the gateway is still there: where it has gone, no proxy is to blame for what fails.
    async fn probe(&self) -> Result<(), Obstacle> {
        self.client.publish(&serde_json::json!({ "doctor": "probes" })).await.map(|_| ())
    }

    fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn advice(&self, symptom: &str) -> String {
        advice(symptom, self.proxy)
    }
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
