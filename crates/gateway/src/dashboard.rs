//! The page at `/`: static files, built in, under a strict content security policy.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};

use crate::app::Shared;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// Adds the page under `base`.
pub(crate) fn add_to(routes: Router<Shared>, base: &str) -> Router<Shared> {
    let html = || file("text/html; charset=utf-8", include_str!("../../../dashboard/index.html"));
    let js = || file("text/javascript; charset=utf-8", include_str!("../../../dashboard/app.js"));
    let css = || file("text/css; charset=utf-8", include_str!("../../../dashboard/style.css"));
    let routes = routes
        .route(&format!("{base}/"), get(html))
        .route(&format!("{base}/app.js"), get(js))
        .route(&format!("{base}/style.css"), get(css));
    if base.is_empty() {
        return routes;
    }
    // The page's own links are relative, and need the slash.
    let slashed = format!("{base}/");
    routes.route(base, get(|| async move { Redirect::permanent(&slashed) }))
}

async fn file(content_type: &'static str, content: &'static str) -> Response {
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
