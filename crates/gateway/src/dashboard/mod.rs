//! The dashboard at `/`: built-in static files under a strict content security policy, and the
//! endpoints that only the dashboard uses.

mod bytes;
mod cut;
mod request_info;

use std::borrow::Cow;

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use rust_embed::Embed;

use crate::http::state::SharedApp;

const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

/// The output of `dashboard/build.sh`, or nothing if it has not run.
#[derive(Embed)]
#[folder = "../../dashboard/dist"]
#[allow_missing = true]
struct Assets;

/// The page of a gateway that was built without the dashboard: it says how to build it.
const UNBUILT: &[u8] = include_bytes!("unbuilt.html");

/// One file of the dashboard.
#[derive(Clone)]
struct Asset {
    content_type: &'static str,
    content: Cow<'static, [u8]>,
    /// RFC 9110 §8.8.3: a browser that has the file does not download it again.
    etag: HeaderValue,
}

/// Adds the dashboard under `base`.
pub(crate) fn add_routes(routes: Router<SharedApp>, base: &str) -> Router<SharedApp> {
    let mut routes = routes
        .route(&format!("{base}/dashboard/bytes/{{channel}}"), get(bytes::bytes))
        .route(&format!("{base}/dashboard/cut"), post(cut::cut))
        .route(&format!("{base}/dashboard/seen"), get(request_info::request_info));
    for name in Assets::iter() {
        let Some(embedded) = Assets::get(&name) else { continue };
        let path = if name == "index.html" { "" } else { &*name };
        let file = Asset::new(&name, embedded.data, &embedded.metadata.sha256_hash());
        routes = add_asset(routes, &format!("{base}/{path}"), file);
    }
    if Assets::get("index.html").is_none() {
        let page = Asset::new("index.html", UNBUILT.into(), b"unbuilt");
        routes = add_asset(routes, &format!("{base}/"), page);
    }
    if base.is_empty() {
        return routes;
    }
    // The links of the page are relative, and need the trailing slash.
    let slashed = format!("{base}/");
    routes.route(base, get(|| async move { Redirect::permanent(&slashed) }))
}

fn add_asset(routes: Router<SharedApp>, path: &str, file: Asset) -> Router<SharedApp> {
    routes.route(path, get(|headers: HeaderMap| async move { file.respond(&headers) }))
}

impl Asset {
    fn new(name: &str, content: Cow<'static, [u8]>, version: &[u8]) -> Self {
        let content_type = match name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "application/octet-stream",
        };
        let hex: String = version.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let etag = HeaderValue::try_from(format!("\"{hex}\"")).expect("hex digits");
        Self { content_type, content, etag }
    }

    fn respond(&self, request_headers: &HeaderMap) -> Response {
        let fields = [
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY)),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (header::ETAG, self.etag.clone()),
        ];
        if request_headers.get(header::IF_NONE_MATCH) == Some(&self.etag) {
            return (StatusCode::NOT_MODIFIED, fields).into_response();
        }
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        (fields, content_type, self.content.clone()).into_response()
    }
}
