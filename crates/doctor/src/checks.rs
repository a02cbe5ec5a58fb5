//! All checks, in order.

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
    /// The headers of a request as the gateway received them, if its dashboard is on.
    request_info: Option<Value>,
    /// The address of the server.
    server_address: Option<SocketAddr>,
    /// Shortest time of a request.
    round_trip: Duration,
    /// Wires on which a stream has opened.
    open_wires: Vec<Wire>,
    /// Streams that have been checked. They stay open until the end, so that only one at a time
    /// closes.
    finished: Vec<ProbeStream>,
    findings: Vec<Finding>,
    /// The check under way, and its wire.
    stage: (&'static str, Option<Wire>),
}

impl Examination {
    /// Publishes test messages, and detects the proxy.
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
        let stage = ("the path", None);
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

    /// Runs all checks, until one cannot go on.
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

    /// Checks that the gateway still responds. If it does not, no proxy is to blame for a failure.
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

/// Formats a duration for people.
fn format_duration(time: Duration) -> String {
    match time.as_millis() {
        ..10_000 => format!("{} ms", time.as_millis()),
        _ => format!("{} s", time.as_secs()),
    }
}

/// The verdict on a duration that must not exceed `max`.
fn verdict_within(time: Duration, max: Duration) -> Verdict {
    if time <= max { Verdict::Good } else { Verdict::Bad }
}
