//! The layers around every public route. Each has one purpose.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tower::{Layer as _, ServiceExt as _, service_fn, util::MapResponseLayer};
use tower_http::cors::{AllowOrigin, CorsLayer};
use tricast_core::Kind;

use crate::http::{
    body, codings, host, origin,
    problem::{PROBLEM_HEADER, Problem},
    state::{App, SharedApp},
};

/// The fields that the SDKs of OpenAI send by themselves, which a page's request may have.
const OF_SDKS: [&str; 15] = [
    "openai-beta",
    "openai-organization",
    "openai-project",
    "x-stainless-arch",
    "x-stainless-async",
    "x-stainless-custom-poll-interval",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-poll-helper",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
];

/// Puts the layers around `routes`, the outermost first. They go in as one layer, because each
/// layer of a router costs every request an allocation.
pub(crate) fn around(routes: Router<SharedApp>, app: &SharedApp) -> Router<SharedApp> {
    let (finishing, cors) = (app.clone(), cors(app));
    routes.layer((
        middleware::from_fn_with_state((app.clone(), cors.clone()), check_request),
        cors,
        MapResponseLayer::new(move |response| finish(&finishing, response)),
    ))
}

/// Refuses requests that are ambiguous or in an unknown coding, and requests that a browser sends
/// for a page of a foreign origin. It comes before CORS, which answers preflights itself, so it
/// adds the fields of CORS to its refusals.
async fn check_request(
    State((app, cors)): State<(SharedApp, CorsLayer)>,
    mut request: Request,
    next: Next,
) -> Response {
    let checked = check_form(&mut request).and_then(|()| {
        origin::check(&request, &app.settings().cors.origins).map_err(|denied| {
            app.gatekeeper().audit.refused_before_pass(&denied, request.uri().path(), None);
            denied.into()
        })
    });
    match checked {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let fields = cors_fields(&cors, request.method(), request.headers().clone()).await;
            let mut response = finish(&app, refuse(request, problem).await);
            response.headers_mut().extend(fields);
            response
        }
    }
}

/// Returns the fields that CORS adds to the response of `request`. A refused preflight gets none:
/// it permits nothing.
async fn cors_fields(cors: &CorsLayer, method: &Method, fields: HeaderMap) -> HeaderMap {
    if method == Method::OPTIONS {
        return HeaderMap::new();
    }
    let mut request = Request::new(Body::empty());
    *request.headers_mut() = fields;
    let empty = service_fn(async |_: Request| Ok::<_, Infallible>(Response::<Body>::default()));
    let Ok(response) = cors.layer(empty).oneshot(request).await;
    response.into_parts().0.headers
}

/// Checks what every request must be, on every listener: one valid host, fields of security checks
/// once, and a body in no unknown coding.
pub(crate) fn check_form(request: &mut Request) -> Result<(), Problem> {
    host::settle(request)?;
    origin::check_single_fields(request.headers())?;
    codings::check(request)
}

/// Returns the response to a request that is refused before its body is read.
pub(crate) async fn refuse(request: Request, problem: Problem) -> Response {
    // A client that sends Expect: 100-continue has not sent the body yet.
    if !request.headers().contains_key(header::EXPECT) {
        body::discard(&mut request.into_body()).await;
    }
    problem.into_response()
}

/// Completes every response, with or without a route.
fn finish(app: &App, response: Response) -> Response {
    let mut response = count_refusal(app, response);
    set_nosniff(response.headers_mut());
    close_unless_ready(app, response)
}

/// Counts a response that carries a problem, by its kind.
fn count_refusal(app: &App, response: Response) -> Response {
    if let Some(kind) = response.extensions().get::<Kind>() {
        app.hub.meters().count_refusal(*kind);
        tracing::debug!(reason = kind.name(), "request refused");
    }
    response
}

/// Keeps browsers from taking published data for a page or a script of the gateway's origin.
pub(crate) fn set_nosniff(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Drains keep-alive connections while the gateway shuts down: the next request of their client
/// opens a new connection, elsewhere.
fn close_unless_ready(app: &App, mut response: Response) -> Response {
    let headers = response.headers_mut();
    if app.not_ready.is_cancelled() && !headers.contains_key(header::CONNECTION) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Returns the CORS headers of `cors.origins`.
pub(crate) fn cors(app: &SharedApp) -> CorsLayer {
    let origins = &app.settings().cors.origins;
    let allowed = match origins.iter().any(|origin| origin == "*") {
        true => AllowOrigin::any(),
        false => AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok())),
    };
    let of_sdks = OF_SDKS.iter().map(|name| HeaderName::from_static(name));
    let request_headers = [
        header::ACCEPT,
        header::AUTHORIZATION,
        header::CACHE_CONTROL,
        header::CONTENT_TYPE,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("idempotency-key"),
        HeaderName::from_static("tricast-channel"),
        HeaderName::from_static("tricast-leave"),
    ];
    let exposed_headers = [
        HeaderName::from_static("tricast-id"),
        HeaderName::from_static("tricast-client"),
        HeaderName::from_static("tricast-run"),
        HeaderName::from_static("tricast-channel"),
        HeaderName::from_static("x-should-retry"),
        PROBLEM_HEADER,
        header::RETRY_AFTER,
    ];
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(request_headers.into_iter().chain(of_sdks).collect::<Vec<_>>())
        .expose_headers(exposed_headers)
        .max_age(std::time::Duration::from_secs(7200))
        .allow_credentials(!app.settings().tokens.cookie.is_empty())
}
