//! What arrives here of a request that the page sends, and with what head each wire answers it: what stands in between shows.

use std::{collections::BTreeMap, convert::Infallible, net::IpAddr};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tricast_core::{ClientId, Format, Kind, MessageId, Wire};
use tricast_ws::{HandshakeRequest, Handshake};

use crate::{
    http::{
        document::{Account, document},
        forwarded,
        problem::Problem,
        query::Query,
        routes::{cors, set_nosniff},
        state::Shared,
        stream::{format_in_chunks, opening, switching},
    },
    net::{Line, head_of},
    settings::Fields,
};

/// What proxies add or change. Nothing here is a secret of whoever asks, as a cookie is.
const TOLD: [&str; 13] = [
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-real-ip",
    "x-envoy-external-address",
    "cf-ray",
    "cdn-loop",
    "connection",
    "accept-encoding",
    "host",
];

#[derive(Serialize)]
struct Seen {
    /// The gateway's own version.
    version: &'static str,
    /// Of the request, as it came here.
    http: String,
    /// Under which the gateway believes that it was asked.
    url: String,
    /// The client's, if one is known.
    address: Option<IpAddr>,
    /// The connection itself is encrypted, or was until a proxy that says so by a PROXY header.
    encrypted: bool,
    /// What to change about whatever stands in between, by symptom: the doctor's sentences.
    advice: BTreeMap<&'static str, String>,
    fields: BTreeMap<&'static str, String>,
    /// The head of each wire's answer over HTTP/1.1, in base64.
    heads: BTreeMap<&'static str, String>,
}

/// `GET /dashboard/seen?client=`, with `format=raw` for the heads of raw streams, and `server=` for what answers call their server.
pub(super) async fn seen(State(app): State<Shared>, request: Request) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["client", "format", "server"])?;
    let Some(client) = query.read("client", str::parse::<ClientId>)? else {
        let detail = "say for whom: client=, as tricast.hello tells it";
        return Err(Problem::new(Kind::BadParameter, detail).at("client"));
    };
    let raw = query.raw()?.unwrap_or(false);
    let departs = request.extensions().get::<Line>().is_some_and(Line::may_depart);
    let named = (app.hub.log().head(), &client);
    let mut heads = BTreeMap::new();
    for wire in Wire::ALL {
        heads.insert(wire.name(), STANDARD.encode(head(&app, (wire, raw), named, departs).await));
    }
    let seen = Seen {
        version: env!("CARGO_PKG_VERSION"),
        http: format!("{:?}", request.version()),
        url: url(&app, &request),
        address: address_of(&app, &request),
        encrypted: request.extensions().get::<Line>().is_some_and(Line::is_encrypted),
        advice: tricast_doctor::sentences(
            |name| field(request.headers(), name),
            query.get("server"),
        ),
        fields: told(request.headers()),
        heads,
    };
    let account = Some(Account::of(&app, &request));
    document(account, request, || async { Ok(&seen) }).await
}

/// From what connections tell, and trusted proxies say.
fn url(app: &Shared, request: &Request) -> String {
    let (headers, proxy) = (request.headers(), &app.settings().proxy);
    let line = request.extensions().get::<Line>();
    let trusted = line.is_some_and(|line| line.peer().is_trusted(proxy));
    let said = |what: fn(&HeaderMap, Fields) -> Option<&str>| {
        if trusted { what(headers, proxy.fields) } else { None }
    };
    let own = if line.is_some_and(Line::is_encrypted) { "https" } else { "http" };
    let scheme = said(forwarded::scheme).unwrap_or(own);
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = said(forwarded::host).or(named).unwrap_or_default();
    format!("{scheme}://{host}{}", app.settings().base_path)
}

fn address_of(app: &Shared, request: &Request) -> Option<IpAddr> {
    let line = request.extensions().get::<Line>()?;
    forwarded::client_address(line.peer(), request.headers(), &app.settings().proxy)
}

fn told(headers: &HeaderMap) -> BTreeMap<&'static str, String> {
    TOLD.into_iter().filter_map(|name| Some((name, field(headers, name)?))).collect()
}

/// What a field says, in one line.
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).into_iter();
    let joined = values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ");
    (!joined.is_empty()).then_some(joined)
}

/// What an answer goes through on its way out is put on here too.
async fn head(
    app: &Shared,
    (wire, raw): (Wire, bool),
    named: (MessageId, &ClientId),
    departs: bool,
) -> bytes::Bytes {
    let format: &dyn Format = format_in_chunks(wire, raw);
    let mut response = match wire {
        Wire::Ws => switching(&example(raw), named).into_response(),
        Wire::Sse | Wire::Chunked => opening(format, named, departs).into_response(),
    };
    set_nosniff(response.headers_mut());
    let mut response = Some(response);
    let answer = service_fn(|_: Request| {
        std::future::ready(Ok::<_, Infallible>(response.take().unwrap_or_default()))
    });
    let Ok(response) = cors(app).layer(answer).oneshot(Request::new(Body::empty())).await;
    head_of(response, Version::HTTP_11)
}

/// The handshake of RFC 6455 §1.3, as the page would send it: the answer to any other is as long.
fn example(raw: bool) -> Handshake {
    let protocol = if raw { "tricast.v1.raw" } else { "tricast.v1.json" };
    let fields = [
        (header::CONNECTION, "upgrade"),
        (header::UPGRADE, "websocket"),
        (header::SEC_WEBSOCKET_VERSION, "13"),
        (header::SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        (header::SEC_WEBSOCKET_PROTOCOL, protocol),
    ];
    let value = |(name, value): (HeaderName, _)| (name, HeaderValue::from_static(value));
    let headers = fields.into_iter().map(value).collect();
    Handshake::read(HandshakeRequest::Upgrade(&Method::GET, Version::HTTP_11), &headers, None, false)
        .expect("a handshake")
}
