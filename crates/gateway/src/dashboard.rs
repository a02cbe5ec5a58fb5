//! The page at `/`: static files, built in, under a strict content security policy.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::app::Shared;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route(
            "/",
            get(|| file("text/html; charset=utf-8", include_str!("../../../dashboard/index.html"))),
        )
        .route(
            "/app.js",
            get(|| {
                file("text/javascript; charset=utf-8", include_str!("../../../dashboard/app.js"))
            }),
        )
        .route(
            "/style.css",
            get(|| file("text/css; charset=utf-8", include_str!("../../../dashboard/style.css"))),
        )
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
