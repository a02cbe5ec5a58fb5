//! All checks, in order.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use http::StatusCode;
use serde_json::Value;

use crate::{
    advice::advice,
    client::Client,
    diagnosis::{Diagnosis, Finding, Verdict},
    intermediaries::Intermediaries,
    observer::Event,
    probe_error::ProbeError,
    probe_stream::ProbeStream,
    wire::Wire,
};

mod buffer;
mod cache;
mod idle;
mod leave;
mod lines;
mod reach;
mod refused;
mod resume;
mod stream;
#[cfg(test)]
mod tests;

/// An examination under way.
pub(crate) struct Examination<'a> {
    client: Client,
    observe: &'a dyn Fn(Event<'_>),
    intermediaries: Intermediaries,
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

impl<'a> Examination<'a> {
    /// Publishes test messages, and detects the proxy.
    pub(crate) async fn start(
        client: Client,
        observe: &'a dyn Fn(Event<'_>),
    ) -> Result<Self, ProbeError> {
        observe(Event::Begins { check: "the path", wire: None });
        let mut round_trip = Duration::MAX;
        for _ in 0..3 {
            let (_, _, took) = client.publish(&serde_json::json!({ "doctor": "begins" })).await?;
            round_trip = round_trip.min(took);
        }
        let response = client.get("/dashboard/seen?client=doctor-0123456789").await?;
        // A proxy may pass only some paths on, and answer the others itself.
        let online = client.get(&format!("/online/{}", client.channel)).await?;
        let mut intermediaries = Intermediaries::from_response(online.headers());
        let server_address = response.remote_addr();
        let request_info = match response.status() {
            StatusCode::OK => {
                let text = response.text().await.map_err(|error| client.explain(&error))?;
                serde_json::from_str::<Value>(&text).ok()
            }
            _ => None,
        };
        if let Some(info) = &request_info {
            intermediaries.add_request_info(info);
        }
        let (open_wires, finished, findings) = (Vec::new(), Vec::new(), Vec::new());
        let stage = ("the path", None);
        Ok(Self {
            client,
            observe,
            intermediaries,
            request_info,
            server_address,
            round_trip,
            open_wires,
            finished,
            findings,
            stage,
        })
    }

    /// Runs all checks, until one cannot go on, or until `stop` says why to stop.
    pub(crate) async fn run(mut self, stop: Pin<&mut impl Future<Output = String>>) -> Diagnosis {
        let ended = tokio::select! {
            checked = self.run_checks() => Ok(checked),
            reason = stop => Err(reason),
        };
        let (stage, wire) = self.stage;
        let complete = matches!(ended, Ok(Ok(())));
        let broken_off = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => {
                let ProbeError { message, advice } = ProbeError::from_error(&error);
                let message =
                    format!("the examination ended while checking {}: {message}", subject(stage));
                Some(Finding::new("breaks-off", Verdict::Bad, message).advise(advice))
            }
            Err(reason) => Some(Finding::stopped(subject(stage), &reason)),
        };
        if let Some(finding) = broken_off {
            self.add_finding(match wire {
                Some(wire) => finding.on(wire),
                None => finding,
            });
        }
        let url = self.client.gateway().url("");
        let proxy = self.intermediaries.names();
        Diagnosis { url, proxy, complete, findings: self.findings }
    }

    async fn run_checks(&mut self) -> anyhow::Result<()> {
        self.check_path().await?;
        self.begin("caches", None);
        self.check_cache().await?;
        for wire in Wire::ALL {
            self.begin("messages", Some(wire));
            self.check_stream(wire).await?;
        }
        for wire in self.open_wires.clone() {
            self.begin("resume", Some(wire));
            self.check_resume(wire).await?;
            self.begin("leaving", Some(wire));
            self.check_leave(wire).await?;
        }
        self.begin("JSON lines", None);
        self.check_json_lines().await?;
        self.begin("silent streams", None);
        self.check_idle().await
    }

    fn begin(&mut self, check: &'static str, wire: Option<Wire>) {
        self.stage = (check, wire);
        (self.observe)(Event::Begins { check, wire: wire.map(Wire::name) });
    }

    /// Checks that the gateway still responds. If it does not, no proxy is to blame for a failure.
    async fn probe(&self) -> Result<(), ProbeError> {
        self.client.publish(&serde_json::json!({ "doctor": "probes" })).await.map(|_| ())
    }

    fn add_finding(&mut self, finding: Finding) {
        (self.observe)(Event::Found(&finding));
        self.findings.push(finding);
    }

    fn advice(&self, symptom: &str) -> String {
        advice(symptom, &self.intermediaries)
    }
}

/// Returns what a stage checks, for a sentence.
fn subject(stage: &'static str) -> &'static str {
    match stage {
        "caches" => "for caches",
        "messages" => "how messages arrive",
        "resume" => "how streams resume",
        "leaving" => "how closed streams are noticed",
        "JSON lines" => "how JSON lines are published",
        other => other,
    }
}

/// Formats a duration for people: milliseconds below a second, and seconds above.
fn format_duration(time: Duration) -> String {
    match time.as_millis() {
        millis @ ..1_000 => format!("{millis} ms"),
        1_000..9_950 => format!("{:.1} s", time.as_secs_f32()),
        _ => format!("{:.0} s", time.as_secs_f32()),
    }
}

/// The verdict on a duration that must not exceed `max`.
fn verdict_within(time: Duration, max: Duration) -> Verdict {
    if time <= max { Verdict::Good } else { Verdict::Bad }
}
