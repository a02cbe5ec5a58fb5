//! The routes of the admin listener: metrics, health checks, and connections.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use tricast_admission::KeyHash;
use tricast_core::{Denied, Health, Kind};

use crate::{
    admin::{connections, metrics::MetricsExporter},
    http::{
        admission::bearer,
        directions, kinds,
        layers::{check_form, refuse},
        problem::{Problem, mark},
        response::whole_body,
        state::SharedApp,
    },
};

#[derive(Clone, Debug)]
struct AdminState {
    app: SharedApp,
    exporter: Arc<MetricsExporter>,
}

/// Returns the routes of the admin listener.
pub(crate) fn routes(app: SharedApp, exporter: Arc<MetricsExporter>) -> Router {
    let layered = app.clone();
    let connections = Router::new()
        .route("/connections", get(connections::list_or_close).delete(connections::list_or_close))
        .route("/connections/{id}", delete(connections::close_one))
        .with_state(app.clone());
    let guarded = Router::new()
        .route("/metrics", get(metrics))
        .with_state(AdminState { app: app.clone(), exporter })
        .merge(connections)
        .route_layer(middleware::from_fn_with_state(app.clone(), require_token));
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .merge(guarded)
        .fallback(directions::admin_not_found)
        .method_not_allowed_fallback(directions::admin_wrong_method)
        .with_state(app)
        .layer(middleware::from_fn_with_state(layered, reject_pages))
}

/// Refuses requests of pages. A browser sends requests for any page, to loopback too, and a page
/// can make its own name resolve to loopback (DNS rebinding).
async fn reject_pages(State(app): State<SharedApp>, mut request: Request, next: Next) -> Response {
    if let Err(problem) = check_form(&mut request) {
        return refuse(request, problem).await;
    }
    let headers = request.headers();
    if !is_own_host(headers, &app.settings().admin.hosts) {
        let detail = "the Host must be an IP address, localhost, or one of admin.hosts";
        return refuse(request, Problem::new(kinds::FORBIDDEN_ORIGIN, detail)).await;
    }
    let navigates = headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate");
    let by_page = headers.contains_key(header::ORIGIN)
        || headers.contains_key("sec-fetch-site") && !navigates;
    if by_page || navigates && request.method() != Method::GET {
        let detail = "the admin listener refuses requests of pages; use curl, or a server";
        return Problem::new(kinds::FORBIDDEN_ORIGIN, detail).into_response();
    }
    next.run(request).await
}

/// Refuses requests without `admin.token`, if the settings have one. Health checks need no token:
/// a load balancer need not know it.
async fn require_token(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let token = &app.settings().admin.token;
    if token.is_empty() {
        return next.run(request).await;
    }
    let kind = match bearer(request.headers()) {
        Ok(Some(given)) if KeyHash::of(token.expose()).matches(&given) => {
            return next.run(request).await;
        }
        Ok(None) => Kind::TokenMissing,
        Ok(Some(_)) | Err(_) => Kind::BadToken,
    };
    let detail = "send the token of admin.token as Authorization: Bearer";
    let denied = Denied::new(kind, detail);
    app.gatekeeper().audit.refused_before_pass(&denied, request.uri().path(), None);
    Problem::from(denied).into_response()
}

/// Returns whether the `Host` is one that no foreign page can use. Any DNS name may resolve to this
/// address, but a bare address and localhost cannot belong to a foreign page.
fn is_own_host(headers: &HeaderMap, hosts: &[String]) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(Ok(authority)) = host.to_str().map(str::parse::<Authority>) else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|host| host.eq_ignore_ascii_case(name))
}

async fn metrics(State(admin): State<AdminState>, request: Request) -> Result<Response, Problem> {
    let text = || async { Ok(admin.exporter.render(&admin.app.hub)) };
    let body = whole_body(None, request, text).await?;
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], body).into_response())
}

async fn readyz(State(app): State<SharedApp>) -> Response {
    let (kind, why) = match app.hub.health() {
        _ if app.not_ready.is_cancelled() => (Kind::Draining, "draining".to_owned()),
        Health::Live { .. } => return "ready\n".into_response(),
        Health::Starting => (Kind::Unavailable, "the log is being read".to_owned()),
        Health::Away { why, .. } | Health::Failed { why } => (Kind::Unavailable, why.to_string()),
    };
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response();
    mark(&mut response, kind);
    response
}
