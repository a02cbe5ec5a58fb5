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
use h2::{Ping, PingPong, RecvStream, ext::Protocol, server::SendResponse};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tower::ServiceExt as _;

use self::{
    flow_control::Ledger, frame_sniffer::Watched, incoming::Incoming, outgoing::Outgoing,
    tunnel::Opening,
};
use crate::net::{
    conn::{serving::soon, socket::Line},
    conn_server::Listener,
};

mod flow_control;
mod frame_sniffer;
mod incoming;
mod outgoing;
mod tunnel;

pub(crate) use tunnel::Tunnel;

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
const FAREWELL: Duration = Duration::from_secs(1);

/// Fields that are about a connection of HTTP/1.1 (RFC 9113 §8.2.2).
const OF_HTTP_1: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Serves to the end, if the client has said who it is `by` then.
pub(crate) async fn serve<IO>(io: IO, line: Line, listener: Arc<Listener>, by: Instant)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let rules = &listener.rules;
    let ledger = Ledger::new(rules.stall_timeout);
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(rules.head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(SMALL_FRAMES)
        .enable_connect_protocol();
    let handshake = builder.handshake::<_, Bytes>(Watched::new(io, ledger.clone()));
    let Some(Ok(mut connection)) = soon(&listener, by, handshake).await else { return };
    line.leave_place();
    let mut answers = JoinSet::new();
    let mut life = pin!(ask_for_life(connection.ping_pong(), ledger.clone()));
    let mut stopping = false;
    let mut quiet_since = Instant::now();
    loop {
        let patience = if stopping { FAREWELL } else { rules.head_timeout };
        let quiet = sleep_until(quiet_since + patience);
        tokio::select! {
            request = connection.accept() => {
                quiet_since = Instant::now();
                match request {
                    Some(Ok((request, respond))) => {
                        line.set_asked();
                        let (router, line) = (listener.router.clone(), line.clone());
                        let outgoing = Outgoing { ledger: ledger.clone(), stalled: listener.meters.stalled.clone() };
                        answers.spawn(answer(router, line, outgoing, request, respond));
                    }
                    Some(Err(error)) => {
                        tracing::trace!(%error, "a connection broke");
                        return;
                    }
                    None => return,
                }
            }
            never = &mut life => match never {},
            Some(_) = answers.join_next() => quiet_since = Instant::now(),
            // What is open goes on; whatever comes next has to come to somebody else.
            () = listener.draining.cancelled(), if !stopping => {
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
async fn ask_for_life(pings: Option<PingPong>, ledger: Arc<Ledger>) -> Infallible {
    let Some(mut pings) = pings else { return pending().await };
    loop {
        ledger.wants_life().await;
        match pings.ping(Ping::opaque()).await {
            Ok(_) => ledger.shows_life(),
            // The connection ends, which whoever accepts from it is told.
            Err(_) => return pending().await,
        }
    }
}

async fn answer(
    router: Router,
    line: Line,
    outgoing: Outgoing,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let heads = request.method() == Method::HEAD;
    let (request, opening) = translate(request, line);
    let response = tokio::select! {
        response = router.oneshot(request) => response,
        // Whoever asked has gone.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    let Ok(response) = response;
    let (mut parts, body) = response.into_parts();
    clean(&mut parts.headers);
    let opening = opening.filter(|_| parts.status.is_success());
    let ends = opening.is_none() && (heads || http_body::Body::is_end_stream(&body));
    let sent = respond.send_response(Response::from_parts(parts, ()), ends);
    let Ok(send) = sent else { return };
    match opening {
        Some(opening) => opening.open(outgoing.window(send)),
        None if ends => {}
        None => outgoing.send(body, send).await,
    }
}

/// The request as the routes know it, and what is to become of its stream if it opens a tunnel.
fn translate(request: Request<RecvStream>, line: Line) -> (Request<Body>, Option<Opening>) {
    let (mut parts, received) = request.into_parts();
    if let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        // RFC 9113 §8.3.1: it takes the place of Host.
        parts.headers.insert(header::HOST, host);
    }
    parts.extensions.insert(line);
    let connects = parts.method == Method::CONNECT && parts.extensions.get::<Protocol>().is_some();
    if connects {
        let (opening, tunnel) = tunnel::pair(received);
        parts.extensions.insert(tunnel);
        return (Request::from_parts(parts, Body::empty()), Some(opening));
    }
    (Request::from_parts(parts, Body::new(Incoming::new(received))), None)
}

fn clean(headers: &mut HeaderMap) {
    OF_HTTP_1.iter().for_each(|name| drop(headers.remove(name)));
    if !headers.contains_key(header::DATE) {
        let now = httpdate::fmt_http_date(SystemTime::now());
        headers.extend(HeaderValue::try_from(now).ok().map(|now| (header::DATE, now)));
    }
}
