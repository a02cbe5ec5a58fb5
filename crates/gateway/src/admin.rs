//! The admin listener: metrics for Prometheus, and health for whoever sends traffic here.

use std::net::IpAddr;

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::PrometheusHandle;
use tricast_core::{Hub, Kind};

use crate::{app::Shared, connections, problem::Problem};

#[derive(Clone, Debug)]
struct Admin {
    app: Shared,
    prometheus: PrometheusHandle,
    meters: std::sync::Arc<LogMeters>,
}

pub(crate) fn routes(app: Shared, prometheus: PrometheusHandle, meters: LogMeters) -> Router {
    let layered = app.clone();
    let connections = Router::new()
        .route("/connections", get(connections::many).delete(connections::many))
        .route("/connections/{id}", delete(connections::one))
        .with_state(app.clone());
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .with_state(Admin { app, prometheus, meters: meters.into() })
        .merge(connections)
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(layered, no_pages))
}

/// A browser sends what any page asks for, to loopback too; and a page can have its own name resolve to loopback.
/// Nothing here is for pages.
async fn no_pages(State(app): State<Shared>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !is_own_host(headers, &app.settings.admin.hosts) {
        let detail =
            "the admin listener answers to an IP address, localhost, and the names in admin.hosts";
        return Problem::new(Kind::ForbiddenOrigin, detail).into_response();
    }
    let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let by_page = headers.contains_key(header::ORIGIN)
        || headers.contains_key("sec-fetch-site") && !navigates;
    if by_page || navigates && request.method() != Method::GET {
        let detail = "the admin listener does not answer pages; ask with curl, or from a server";
        return Problem::new(Kind::ForbiddenOrigin, detail).into_response();
    }
    next.run(request).await
}

/// Whether the `Host` is one that no page can have: any name may resolve to this address, but no page is at a bare
/// address of ours, or at localhost.
fn is_own_host(headers: &HeaderMap, hosts: &[String]) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(Ok(authority)) = host.to_str().map(str::parse::<Authority>) else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

async fn not_found() -> Problem {
    let detail = "no such path; there are /metrics, /healthz, /readyz and /connections";
    Problem::new(Kind::NotFound, detail)
}

async fn metrics(State(admin): State<Admin>) -> Response {
    admin.meters.update(&admin.app.hub);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], admin.prometheus.render()).into_response()
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    match admin.app.leaving.is_cancelled() {
        false => (StatusCode::OK, "ready\n"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// How full the log is; read when somebody asks.
pub(crate) struct LogMeters {
    channels: Gauge,
    messages: Gauge,
    bytes: Gauge,
    evicted: Counter,
    draining: Gauge,
}

impl LogMeters {
    pub(crate) fn new() -> Self {
        describe_gauge!("tricast_log_channels", "Channels held.");
        describe_gauge!("tricast_log_messages", "Messages held.");
        describe_gauge!(
            "tricast_log_bytes",
            Unit::Bytes,
            "Bytes that the messages held occupy, encodings included."
        );
        describe_counter!(
            "tricast_log_evicted_messages_total",
            "Messages that left their channel's history by count, bytes, age or memory."
        );
        describe_gauge!("tricast_draining", "1 while the gateway goes down.");
        Self {
            channels: gauge!("tricast_log_channels"),
            messages: gauge!("tricast_log_messages"),
            bytes: gauge!("tricast_log_bytes"),
            evicted: counter!("tricast_log_evicted_messages_total"),
            draining: gauge!("tricast_draining"),
        }
    }

    fn update(&self, hub: &Hub) {
        let fill = hub.log().fill();
        self.channels.set(fill.channels as f64);
        self.messages.set(fill.messages as f64);
        self.bytes.set(fill.bytes as f64);
        self.evicted.absolute(fill.evicted);
        self.draining.set(f64::from(u8::from(hub.is_draining())));
    }
}

impl std::fmt::Debug for LogMeters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogMeters")
    }
}
