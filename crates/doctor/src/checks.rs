//! Everything that is looked at, in order.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;
use serde_json::Value;

use crate::{
    advice::advice,
    client::Client,
    diagnosis::{Diagnosis, Finding, Verdict},
    probe_error::ProbeError,
    probe_stream::ProbeStream,
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
    request_info: Option<Value>,
    /// Where the answers come from.
    server_address: Option<SocketAddr>,
    /// How long a request takes, at best.
    round_trip: Duration,
    /// Wires that have opened.
    open_wires: Vec<Wire>,
    /// Streams that are done with. They end together, so that one that leaves is the only one.
    finished: Vec<ProbeStream>,
    findings: Vec<Finding>,
    /// What is being looked at, and on which wire.
    stage: (&'static str, Option<Wire>),
}

impl Examination {
    /// Finds out who answers.
    pub(crate) async fn start(client: Client) -> Result<Self, ProbeError> {
        let mut round_trip = Duration::MAX;
        for _ in 0..3 {
            let (_, _, took) = client.publish(&serde_json::json!({ "doctor": "begins" })).await?;
            round_trip = round_trip.min(took);
        }
        let response = client.get("/dashboard/seen?client=doctor-0123456789").await?;
        let mut proxy = Proxy::from_response(response.headers());
        let server_address = response.remote_addr();
        let request_info = match response.status() {
            StatusCode::OK => {
                let text = response.text().await.map_err(|error| client.explain(&error))?;
                serde_json::from_str::<Value>(&text).ok()
            }
            _ => None,
        };
        proxy = proxy.or_else(|| Proxy::from_request_info(request_info.as_ref()?));
        let (open_wires, finished, findings) = (Vec::new(), Vec::new(), Vec::new());
        let stage = ("the way", None);
        Ok(Self {
            client,
            proxy,
            request_info,
            server_address,
            round_trip,
            open_wires,
            finished,
            findings,
            stage,
        })
    }

    /// Looks at everything, as far as it goes.
    pub(crate) async fn run(mut self, watching: &dyn Fn(Duration)) -> Diagnosis {
        if let Err(error) = self.run_checks(watching).await {
            let (what, wire) = self.stage;
            let ProbeError { message, advice } = ProbeError::from_error(&error);
            let message = format!("at {what} the examination breaks off: {message}");
            let finding = Finding::new("breaks-off", Verdict::Bad, message).advise(advice);
            self.add_finding(match wire {
                Some(wire) => finding.on(wire),
                None => finding,
            });
        }
        let url = self.client.gateway().url("");
        let proxy = self.proxy.map(|proxy| proxy.name().to_owned());
        Diagnosis { url, proxy, findings: self.findings }
    }

    async fn run_checks(&mut self, watching: &dyn Fn(Duration)) -> anyhow::Result<()> {
        self.check_path().await?;
        for wire in Wire::ALL {
            self.stage = ("messages", Some(wire));
            self.check_stream(wire).await?;
        }
        for wire in self.open_wires.clone() {
            self.stage = ("resume", Some(wire));
            self.check_resume(wire).await?;
            self.stage = ("leaving", Some(wire));
            self.check_leave(wire).await?;
        }
        self.stage = ("JSON lines", None);
        self.check_json_lines().await?;
        self.stage = ("silent streams", None);
        self.check_idle(watching).await
    }

    /// Whether the gateway is still there: where it has gone, no proxy is to blame for what fails.
    async fn probe(&self) -> Result<(), ProbeError> {
        self.client.publish(&serde_json::json!({ "doctor": "probes" })).await.map(|_| ())
    }

    fn add_finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    fn advice(&self, symptom: &str) -> String {
        advice(symptom, self.proxy)
    }
}

/// A time as people say it.
fn format_duration(time: Duration) -> String {
    match time.as_millis() {
        ..10_000 => format!("{} ms", time.as_millis()),
        _ => format!("{} s", time.as_secs()),
    }
}

/// The verdict on a time that should be short.
fn verdict_within(time: Duration, max: Duration) -> Verdict {
    if time <= max { Verdict::Good } else { Verdict::Bad }
}
