//! The head of a stream, and the delivery of its body: from a joined session to its wire.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, Version, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tricast_core::{
    ClientId, CloseReason, Control, Format, Goodbye, Inbound, Kind, MessageId, Session, Wire,
    jittered_retry,
};
use tricast_net::{ConnHandle, Detach, StreamStall, Tunnel};
use tricast_ws::Handshake;

use crate::http::{
    chunks, kinds,
    problem::{Problem, mark},
    state::{App, SharedApp},
    stream_body::{StreamBody, Translator, Transport},
};

/// Returns the format of a stream over `conn` in `version`. A connection that can detach leaves the
/// HTTP library, so its format frames the chunks itself.
pub(crate) fn format_for_conn(
    conn: Option<&ConnHandle>,
    version: Version,
    wire: Wire,
    raw: bool,
) -> &'static dyn Format {
    match conn.is_some_and(ConnHandle::can_detach) && version >= Version::HTTP_11 {
        true => chunk_framed_format(wire, raw),
        false => plain_format(wire, raw),
    }
}

/// Returns the format of a stream that is written to an HTTP/1.1 connection directly.
pub(crate) fn chunk_framed_format(wire: Wire, raw: bool) -> &'static dyn Format {
    match (wire, raw) {
        (Wire::Sse, false) => &chunks::SSE,
        (Wire::Sse, true) => &chunks::RAW_SSE,
        (Wire::Chunked, false) => &chunks::CHUNKED,
        (Wire::Chunked, true) => &chunks::RAW_CHUNKED,
        (Wire::Ws, raw) => plain_format(Wire::Ws, raw),
    }
}

/// Returns the format of a stream without transfer coding.
pub(crate) fn plain_format(wire: Wire, raw: bool) -> &'static dyn Format {
    match (wire, raw) {
        (Wire::Sse, false) => &tricast_sse::JSON,
        (Wire::Sse, true) => &tricast_sse::RAW,
        (Wire::Chunked, false) => &tricast_chunked::JSON,
        (Wire::Chunked, true) => &tricast_chunked::RAW,
        (Wire::Ws, raw) => tricast_ws::format(raw, None),
    }
}

/// Returns the header fields of every stream. They keep proxies from buffering, compressing and
/// caching.
fn stream_head(format: &dyn Format) -> HeaderMap {
    let variant = format.variant();
    let content_type = match (variant.wire, variant.raw) {
        (Wire::Sse, _) => tricast_sse::CONTENT_TYPE,
        (_, false) => tricast_chunked::CONTENT_TYPE,
        (_, true) => tricast_chunked::RAW_CONTENT_TYPE,
    };
    let fields = [
        (header::CONTENT_TYPE.as_str(), content_type),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
        ("content-encoding", "identity"),
    ];
    let field = |(name, value)| {
        (axum::http::HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    fields.into_iter().map(field).collect()
}

/// Adds the position and the client id, for formats without a hello.
fn add_stream_headers(headers: &mut HeaderMap, position: MessageId, client: &ClientId) {
    let fields = [("tricast-id", position.to_string()), ("tricast-client", client.to_string())];
    for (name, value) in fields {
        // Ids are ASCII by their grammar.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

/// Returns the head of a stream of `client`. A connection that detaches does not return to the HTTP
/// library for a next request.
pub(crate) fn response_headers(
    format: &dyn Format,
    (position, client): (MessageId, &ClientId),
    detaches: bool,
) -> HeaderMap {
    let mut headers = stream_head(format);
    add_stream_headers(&mut headers, position, client);
    if detaches {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    headers
}

/// Returns the head of a WebSocket of `client`.
pub(crate) fn handshake_response(
    handshake: &Handshake,
    (position, client): (MessageId, &ClientId),
) -> (StatusCode, HeaderMap) {
    let mut headers = handshake.response_headers();
    add_stream_headers(&mut headers, position, client);
    (handshake.status(), headers)
}

/// Starts the stream of `session`: detaches the connection if it can, else returns a body.
pub(crate) fn respond(session: Session, request: &mut Request) -> Response {
    let version = request.version();
    let extensions = request.extensions_mut();
    let (conn, stall) = (extensions.remove::<ConnHandle>(), extensions.remove::<StreamStall>());
    let detaches = conn.as_ref().is_some_and(ConnHandle::can_detach);
    let position_and_client = (session.position(), &session.identity().client);
    let headers = response_headers(session.format(), position_and_client, detaches);
    let transport = match (conn, stall) {
        (Some(conn), _) if detaches => {
            conn.detach(Detach { session, inbound: None, head: Bytes::new() });
            return headers.into_response();
        }
        (Some(conn), Some(stall)) => Transport::Http2(conn, stall),
        (Some(conn), None) => Transport::Http1(conn),
        (None, _) => Transport::None,
    };
    (headers, Body::new(StreamBody::new(session, transport, version))).into_response()
}

/// Starts a stream whose lines are translated, with these fields in its head. It does not detach:
/// the shards know only the formats of the wires.
pub(crate) fn respond_translated(
    session: Session,
    mut headers: HeaderMap,
    translator: Box<dyn Translator>,
    request: &mut Request,
) -> Response {
    let version = request.version();
    let extensions = request.extensions_mut();
    let transport = match (extensions.remove::<ConnHandle>(), extensions.remove::<StreamStall>()) {
        (Some(conn), Some(stall)) => Transport::Http2(conn, stall),
        (Some(conn), None) => Transport::Http1(conn),
        (None, _) => Transport::None,
    };
    add_stream_headers(&mut headers, session.position(), &session.identity().client);
    let body = StreamBody::new(session, transport, version).translated(translator);
    (headers, Body::new(body)).into_response()
}

/// Starts the WebSocket of `session`, over whatever carries it: a detached connection, a tunnel of
/// HTTP/2, or an upgraded connection.
pub(crate) fn upgrade(
    app: &SharedApp,
    handshake: &Handshake,
    session: Session,
    request: &mut Request,
) -> Response {
    let position_and_client = (session.position(), &session.identity().client);
    let head = handshake_response(handshake, position_and_client).into_response();
    let raw = session.format().variant().raw;
    let extensions = request.extensions_mut();
    let limits = app.live().ws_limits.clone();
    if let Some(conn) = extensions.remove::<ConnHandle>().filter(ConnHandle::can_detach) {
        let format = tricast_ws::format(raw, handshake.window());
        let inbound: Box<dyn Inbound> = Box::new(tricast_ws::WsInbound::new(limits, format));
        conn.detach(Detach { session, inbound: Some(inbound), head: Bytes::new() });
        return head;
    }
    if let Some(tunnel) = extensions.remove::<Tunnel>() {
        app.tasks.spawn(async move {
            if let Some(io) = tunnel.opened().await {
                tricast_ws::serve(io, session, limits).await;
            }
        });
        return head;
    }
    let Some(on_upgrade) = extensions.remove::<OnUpgrade>() else {
        let detail = "this connection cannot be upgraded; use HTTP/1.1";
        return Problem::new(kinds::UPGRADE_REQUIRED, detail).into_response();
    };
    app.tasks.spawn(async move {
        match on_upgrade.await {
            Ok(upgraded) => tricast_ws::serve(TokioIo::new(upgraded), session, limits).await,
            Err(error) => tracing::debug!(%error, "WebSocket closed during its handshake"),
        }
    });
    head
}

/// Returns a stream of one goodbye that refuses temporarily. An EventSource never reconnects after
/// any status but 200.
pub(crate) fn retry_later(app: &App, problem: &Problem) -> Response {
    let reason = match problem.kind() {
        Kind::Draining => CloseReason::Draining,
        _ => CloseReason::Overloaded,
    };
    let retry = app.live().session_config.retry.max(problem.retry_after().unwrap_or_default());
    let goodbye = Control::Goodbye(Goodbye::new(reason, jittered_retry(retry)));
    let body = Body::from(tricast_sse::JSON.control(&goodbye).unwrap_or_default());
    let mut response = (stream_head(&tricast_sse::JSON), body).into_response();
    mark(&mut response, problem.kind());
    response
}

/// Returns the response to HEAD: the header fields of GET, without a stream.
pub(crate) fn head_response(format: &dyn Format) -> Response {
    (stream_head(format), endless_body()).into_response()
}

/// Returns a body of unknown length, so that HEAD has the fields of GET. It is never read.
fn endless_body() -> Body {
    Body::from_stream(
        futures_util::stream::pending::<Result<bytes::Bytes, std::convert::Infallible>>(),
    )
}
