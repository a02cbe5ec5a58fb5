//! A connection that speaks HTTP/2 (RFC 9113): each request goes to the routes that HTTP/1.1 has too, and each answer is a task.

use std::{
    convert::Infallible,
    future::{pending, poll_fn},
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header},
};
use bytes::Bytes;
use h2::{Ping, PingPong, RecvStream, server::SendResponse};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower::ServiceExt as _;

use self::{
    flow_control::FlowControl, frame_sniffer::FrameSniffer, request_body::RequestBody,
    response_sender::ResponseSender, tunnel::TunnelOpener,
};
use crate::conn::{server::ConnServer, serving::before_deadline, socket::ConnHandle};

mod flow_control;
mod frame_sniffer;
mod request_body;
mod response_sender;
mod tunnel;

pub use h2::ext::Protocol;
pub use tunnel::{Tunnel, TunnelIo};

/// Requests at once on one connection: streams, above all.
const STREAMS: u32 = 1000;

/// What a client may send ahead, of each request's body and of all.
const WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What may wait for the socket, of each answer. It is what has left the log and cannot be told as a gap any more.
const SEND_BUFFER: usize = 16 * 1024;

/// What data in small frames may take up beside its bytes, on one connection: the library counts 256 bytes for each frame that nobody has read
/// yet, and ends a connection that has more. Lines of a body that is slowed down come in frames of their own, and tens of thousands of them
/// fit in a window.
const SMALL_FRAMES: usize = 8 * 1024 * 1024;

/// How long a client may take to see that it is to go.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// Fields that are about a connection of HTTP/1.1 (RFC 9113 §8.2.2).
const CONNECTION_HEADERS: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Serves to the end, if the client has said who it is `by` then.
pub(crate) async fn serve<IO>(io: IO, conn: ConnHandle, server: Arc<ConnServer>, deadline: Instant)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let config = &server.config;
    let flow_control = FlowControl::new(config.stall_timeout);
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(config.head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(SMALL_FRAMES)
        .enable_connect_protocol();
    let handshake = builder.handshake::<_, Bytes>(FrameSniffer::new(io, flow_control.clone()));
    let Some(Ok(mut connection)) = before_deadline(&server, deadline, handshake).await else {
        return;
    };
    conn.release_handshake_permit();
    let mut responses = JoinSet::new();
    let mut pings = pin!(send_pings(connection.ping_pong(), flow_control.clone()));
    let mut stopping = false;
    let mut quiet_since = Instant::now();
    loop {
        let quiet_timeout = if stopping { GOAWAY_TIMEOUT } else { config.head_timeout };
        let quiet = sleep_until(quiet_since + quiet_timeout);
        tokio::select! {
            request = connection.accept() => {
                quiet_since = Instant::now();
                match request {
                    Some(Ok((request, respond))) => {
                        conn.set_request_received();
                        let (router, conn) = (server.router.clone(), conn.clone());
                        let sender = ResponseSender { flow_control: flow_control.clone(), stalled: server.meters.stalled.clone() };
                        responses.spawn(handle_request(router, conn, sender, request, respond));
                    }
                    Some(Err(error)) => {
                        tracing::trace!(%error, "a connection broke");
                        return;
                    }
                    None => return,
                }
            }
            never = &mut pings => match never {},
            Some(_) = responses.join_next() => quiet_since = Instant::now(),
            // What is open goes on; whatever comes next has to come to somebody else.
            () = server.draining.cancelled(), if !stopping => {
                stopping = true;
                quiet_since = Instant::now();
                connection.graceful_shutdown();
            }
            () = quiet => {
                quiet_since = Instant::now();
                match (connection.has_streams(), stopping) {
                    (true, _) => {}
                    // The library waits for a word of the client's, which may never come.
                    (false, true) => return,
                    (false, false) => {
                        stopping = true;
                        connection.graceful_shutdown();
                    }
                }
            }
        }
    }
}

/// Asks the client for a sign of life whenever the ledger wants one.
async fn send_pings(pings: Option<PingPong>, flow_control: Arc<FlowControl>) -> Infallible {
    let Some(mut pings) = pings else { return pending().await };
    loop {
        flow_control.ping_requested().await;
        match pings.ping(Ping::opaque()).await {
            Ok(_) => flow_control.pong_received(),
            // The connection ends, which whoever accepts from it is told.
            Err(_) => return pending().await,
        }
    }
}

async fn handle_request(
    router: Router,
    conn: ConnHandle,
    sender: ResponseSender,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let is_head = request.method() == Method::HEAD;
    let (request, opener) = translate(request, conn);
    let response = tokio::select! {
        response = router.oneshot(request) => response,
        // Whoever asked has gone.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    let Ok(response) = response;
    let (mut parts, body) = response.into_parts();
    complete_headers(&mut parts.headers);
    let opener = opener.filter(|_| parts.status.is_success());
    let end_stream = opener.is_none() && (is_head || http_body::Body::is_end_stream(&body));
    let sent = respond.send_response(Response::from_parts(parts, ()), end_stream);
    let Ok(send) = sent else { return };
    match opener {
        Some(opener) => opener.open(sender.open_window(send)),
        None if end_stream => {}
        None => sender.send(body, send).await,
    }
}

/// The request as the routes know it, and what is to become of its stream if it opens a tunnel.
fn translate(
    request: Request<RecvStream>,
    conn: ConnHandle,
) -> (Request<Body>, Option<TunnelOpener>) {
    let (mut parts, received) = request.into_parts();
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        // RFC 9113 §8.3.1: it takes the place of Host.
        parts.headers.insert(header::HOST, host);
    }
    parts.extensions.insert(conn);
    let is_extended_connect =
        parts.method == Method::CONNECT && parts.extensions.get::<Protocol>().is_some();
    if is_extended_connect {
        let (opener, tunnel) = tunnel::pair(received);
        parts.extensions.insert(tunnel);
        return (Request::from_parts(parts, Body::empty()), Some(opener));
    }
    (Request::from_parts(parts, Body::new(RequestBody::new(received))), None)
}

fn complete_headers(headers: &mut HeaderMap) {
    CONNECTION_HEADERS.iter().for_each(|name| drop(headers.remove(name)));
    if !headers.contains_key(header::DATE) {
        let now = httpdate::fmt_http_date(SystemTime::now());
        headers.extend(HeaderValue::try_from(now).ok().map(|now| (header::DATE, now)));
    }
}
