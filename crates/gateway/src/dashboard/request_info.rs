//! Shows a request of the dashboard as it arrives here, and the heads of the responses to it, so
//! that the dashboard can tell what proxies in between change.

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
use tricast_net::{ConnHandle, TrustedPeers as _, encode_head};
use tricast_ws::{Handshake, HandshakeRequest};

use crate::{
    http::{
        document::AsJson,
        forwarded,
        layers::{cors, set_nosniff},
        problem::Problem,
        query::Query,
        response::{ResponseAccount, json_response},
        state::SharedApp,
        stream::{chunk_framed_format, handshake_response, response_headers},
    },
    settings::ForwardedFields,
};

/// Header fields that proxies add or change. None of them carries a credential, as a cookie does.
const SHOWN_HEADERS: [&str; 13] = [
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
struct RequestInfo {
    /// Version of the gateway.
    version: &'static str,
    /// HTTP version of the request as it arrives here.
    http: String,
    /// URL of the request as the gateway understands it.
    url: String,
    /// Address of the client, if one is known.
    address: Option<IpAddr>,
    /// The connection is encrypted, or was up to a proxy that says so in a PROXY header.
    encrypted: bool,
    /// The gateway has keys to verify tokens with.
    tokens: bool,
    /// The log is on a disk, so that what has left the memory can still be read.
    on_disk: bool,
    /// There are models to ask.
    models: bool,
    /// The doctor's advice about proxies in between, by symptom.
    advice: BTreeMap<&'static str, String>,
    fields: BTreeMap<&'static str, String>,
    /// Response head of each wire over HTTP/1.1, in base64.
    heads: BTreeMap<&'static str, String>,
}

/// `GET /dashboard/seen?client=`. `format=raw` selects the heads of raw streams; `server=` is the
/// `Server` field that the page received.
pub(super) async fn request_info(
    State(app): State<SharedApp>,
    request: Request,
) -> Result<Response, Problem> {
    let query = Query::parse(request.uri().query(), &["client", "format", "server"])?;
    let Some(client) = query.read("client", str::parse::<ClientId>)? else {
        let detail = "name the client: client=, from tricast.hello";
        return Err(Problem::new(Kind::BadParameter, detail).for_parameter("client"));
    };
    let raw = query.raw()?.unwrap_or(false);
    let detaches = request.extensions().get::<ConnHandle>().is_some_and(ConnHandle::can_detach);
    let position_and_client = (app.hub.log().head(), &client);
    let mut heads = BTreeMap::new();
    for wire in Wire::ALL {
        heads.insert(
            wire.name(),
            STANDARD.encode(encoded_head(&app, (wire, raw), position_and_client, detaches).await),
        );
    }
    let info = RequestInfo {
        version: env!("CARGO_PKG_VERSION"),
        http: format!("{:?}", request.version()),
        url: url(&app, &request),
        address: address_of(&app, &request),
        encrypted: request.extensions().get::<ConnHandle>().is_some_and(ConnHandle::is_encrypted),
        tokens: !app.gatekeeper().keyring.is_empty(),
        on_disk: app.settings().log.is_on_disk(),
        models: !app.settings().llm.is_empty(),
        advice: tricast_doctor::sentences(
            |name| field(request.headers(), name),
            query.get("server"),
        ),
        fields: shown_headers(request.headers()),
        heads,
    };
    let account = Some(ResponseAccount::of(&app, &request));
    json_response(account, request, || async { Ok(AsJson(&info)) }).await
}

/// Returns the URL of the request, from the connection and from trusted proxies.
fn url(app: &SharedApp, request: &Request) -> String {
    let (headers, proxy) = (request.headers(), &app.settings().proxy);
    let conn = request.extensions().get::<ConnHandle>();
    let trusted = conn.is_some_and(|conn| proxy.trusts_peer(conn.peer()));
    let from_proxy = |read: fn(&HeaderMap, ForwardedFields) -> Option<&str>| {
        if trusted { read(headers, proxy.fields) } else { None }
    };
    let own = if conn.is_some_and(ConnHandle::is_encrypted) { "https" } else { "http" };
    let scheme = from_proxy(forwarded::scheme).unwrap_or(own);
    let host_field = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = from_proxy(forwarded::host).or(host_field).unwrap_or_default();
    format!("{scheme}://{host}{}", app.settings().base_path)
}

fn address_of(app: &SharedApp, request: &Request) -> Option<IpAddr> {
    let conn = request.extensions().get::<ConnHandle>()?;
    forwarded::client_address(conn.peer(), request.headers(), &app.settings().proxy)
}

fn shown_headers(headers: &HeaderMap) -> BTreeMap<&'static str, String> {
    SHOWN_HEADERS.into_iter().filter_map(|name| Some((name, field(headers, name)?))).collect()
}

/// Returns the values of a field in one line.
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all(name).into_iter();
    let joined = values.filter_map(|value| value.to_str().ok()).collect::<Vec<_>>().join(", ");
    (!joined.is_empty()).then_some(joined)
}

/// Returns the response head of a wire, as the layers and the HTTP/1.1 encoder would send it.
async fn encoded_head(
    app: &SharedApp,
    (wire, raw): (Wire, bool),
    position_and_client: (MessageId, &ClientId),
    detaches: bool,
) -> bytes::Bytes {
    let format: &dyn Format = chunk_framed_format(wire, raw);
    let mut response = match wire {
        Wire::Ws => {
            handshake_response(&example_handshake(raw), position_and_client).into_response()
        }
        Wire::Sse | Wire::Chunked => {
            response_headers(format, position_and_client, detaches).into_response()
        }
    };
    set_nosniff(response.headers_mut());
    let mut response = Some(response);
    let inner = service_fn(|_: Request| {
        std::future::ready(Ok::<_, Infallible>(response.take().unwrap_or_default()))
    });
    let Ok(response) = cors(app).layer(inner).oneshot(Request::new(Body::empty())).await;
    encode_head(response, Version::HTTP_11)
}

/// Returns the handshake of RFC 6455 §1.3. The response to any other handshake is as long.
fn example_handshake(raw: bool) -> Handshake {
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
    Handshake::read(
        HandshakeRequest::Upgrade(&Method::GET, Version::HTTP_11),
        &headers,
        None,
        false,
    )
    .expect("a handshake")
}
