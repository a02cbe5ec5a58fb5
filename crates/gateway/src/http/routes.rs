//! The public HTTP surface: which path goes where (PROTOCOL.md).

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tricast_core::Kind;

use crate::{
    dashboard,
    http::{
        history, kinds, origin, presence, problem::Problem, publish, state::SharedApp, subscribe,
    },
};

/// What somebody has published is never to be taken for a page or a script of the gateway's.
pub(crate) fn set_nosniff(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

pub(crate) fn public(app: SharedApp) -> Router {
    // GET handlers see HEAD too, and attach nothing for it.
    let sse = get(subscribe::sse).post(subscribe::sse);
    let chunked = get(subscribe::chunked).post(subscribe::chunked);
    let settings = app.settings();
    let base = settings.base_path.as_str();
    let at = |path: &str| format!("{base}{path}");
    let mut routes = Router::new()
        .route(&at("/stream/{channels}"), get(subscribe::stream).connect(subscribe::stream))
        .route(&at("/sse/{channels}"), sse)
        .route(&at("/chunked/{channels}"), chunked)
        .route(&at("/ws/{channels}"), get(subscribe::ws).connect(subscribe::ws).head(reject_head))
        .route(&at("/publish/{channel}"), post(publish::publish))
        .route(&at("/history/{channel}"), get(history::history))
        .route(&at("/online/{channel}"), get(history::online))
        .route(&at("/presence/{channel}"), get(presence::presence))
        .route(&at("/channels"), get(history::channels));
    if app.serves_dashboard {
        routes = dashboard::add_routes(routes, base);
    }
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), audit_request))
        .layer(cors(&app))
        .with_state(app)
}

/// Checks who asks, counts refusals, and sends keep-alive connections elsewhere while the gateway goes
/// down.
async fn audit_request(State(app): State<SharedApp>, request: Request, next: Next) -> Response {
    let mut response = match origin::check(&request, &app.settings().cors.origins) {
        Ok(()) => next.run(request).await,
        Err(denied) => {
            app.gatekeeper().audit.refused_before_pass(&denied, request.uri().path(), None);
            Problem::from(denied).into_response()
        }
    };
    if let Some(kind) = response.extensions().get::<Kind>() {
        app.hub.meters().count_refusal(*kind);
        tracing::debug!(reason = kind.name(), "refused");
    }
    let headers = response.headers_mut();
    set_nosniff(headers);
    if app.not_ready.is_cancelled() && !headers.contains_key(header::CONNECTION) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

pub(crate) fn cors(app: &SharedApp) -> CorsLayer {
    let origins = &app.settings().cors.origins;
    let allowed = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok())),
    };
    let request_headers = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_TYPE,
        HeaderName::from_static("last-event-id"),
    ];
    let exposed_headers =
        ["tricast-id", "tricast-client", "retry-after"].map(HeaderName::from_static);
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(request_headers)
        .expose_headers(exposed_headers)
        .max_age(std::time::Duration::from_secs(7200))
        .allow_credentials(!app.settings().tokens.cookie.is_empty())
}

async fn not_found() -> Problem {
    let detail = "no such path; there are /stream, /sse, /chunked and /ws/{channels}, \
                  /publish, /history, /online and /presence/{channel}, and /channels";
    Problem::new(kinds::NOT_FOUND, detail)
}

async fn method_not_allowed() -> Problem {
    Problem::new(kinds::METHOD_NOT_ALLOWED, "this path has another method; see Allow")
}

async fn reject_head() -> Response {
    let problem = Problem::new(kinds::METHOD_NOT_ALLOWED, "a WebSocket opens with GET");
    ([(header::ALLOW, "GET")], problem).into_response()
}
