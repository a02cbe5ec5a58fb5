//! A connection that speaks HTTP/2 (RFC 9113): requests go to the same routes as those of HTTP/1.1,
//! and each response is a task.

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
use tricast_core::StreamEnd;

use self::{
    flow_control::FlowControl,
    frame_sniffer::FrameSniffer,
    request_body::RequestBody,
    response_sender::{ResponseSender, broken},
    tunnel::TunnelOpener,
};
use crate::conn::{server::ConnServer, serving::before_deadline, socket::ConnHandle};

mod flow_control;
mod frame_sniffer;
mod request_body;
mod response_sender;
mod stream_stall;
mod tunnel;

pub use h2::ext::Protocol;
pub use stream_stall::StreamStall;
pub use tunnel::{Tunnel, TunnelIo};

/// Concurrent requests of one connection, most of them streams.
const STREAMS: u32 = 1000;

/// Receive windows: of each request body, and of a connection.
const WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of each response that may wait for the socket. They have left the log, so they can no
/// longer be replaced by a gap.
const SEND_BUFFER: usize = 16 * 1024;

/// Overhead of small frames that one connection may have. The library counts 256 bytes for each
/// unread frame, and ends a connection that exceeds the budget. The lines of a slow body come in
/// frames of their own, and tens of thousands of them fit into a window.
const SMALL_FRAMES: usize = 8 * 1024 * 1024;

/// Time for a client to close its connection after a GOAWAY.
const GOAWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// Connection-specific headers of HTTP/1.1, which HTTP/2 forbids (RFC 9113 §8.2.2).
const CONNECTION_HEADERS: [HeaderName; 5] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// Serves a connection to its end, if its client completes the handshake by `deadline`.
pub(crate) async fn serve<IO>(io: IO, conn: ConnHandle, server: Arc<ConnServer>, deadline: Instant)
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let flow_control = FlowControl::new(server.config.stall_timeout);
    let io = FrameSniffer::new(io, flow_control.clone());
    let builder = h2_builder(server.config.head_bytes);
    let handshake = builder.handshake::<_, Bytes>(io);
    let Some(Ok(connection)) = before_deadline(&server, deadline, handshake).await else {
        return;
    };
    conn.release_handshake_permit();
    let responses = JoinSet::new();
    let (draining, quiet_since) = (false, Instant::now());
    let http2 =
        Http2Conn { connection, conn, server, flow_control, responses, draining, quiet_since };
    http2.run().await;
}

fn h2_builder(head_bytes: usize) -> h2::server::Builder {
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .data_frame_budget(SMALL_FRAMES)
        .enable_connect_protocol();
    builder
}

/// A connection after its handshake.
struct Http2Conn<IO> {
    connection: h2::server::Connection<FrameSniffer<IO>, Bytes>,
    conn: ConnHandle,
    server: Arc<ConnServer>,
    flow_control: Arc<FlowControl>,
    /// One task for each response.
    responses: JoinSet<()>,
    /// Whether the client was sent a GOAWAY.
    draining: bool,
    /// When a request last began or a response ended.
    quiet_since: Instant,
}

/// The next step after a quiet period.
#[derive(PartialEq, Eq)]
enum AfterQuiet {
    Continue,
    Close,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Http2Conn<IO> {
    async fn run(mut self) {
        let pings = send_pings(self.connection.ping_pong(), self.flow_control.clone());
        let mut pings = pin!(pings);
        let drain = self.server.draining.clone();
        loop {
            let quiet = sleep_until(self.quiet_since + self.quiet_timeout());
            tokio::select! {
                request = self.connection.accept() => match request {
                    Some(Ok((request, respond))) => self.spawn_response(request, respond),
                    Some(Err(error)) => {
                        tracing::trace!(%error, "a connection broke");
                        self.conn.record_end(StreamEnd::of_error(broken(error).kind()));
                        return;
                    }
                    None => return,
                },
                never = &mut pings => match never {},
                Some(_) = self.responses.join_next() => self.quiet_since = Instant::now(),
                () = drain.cancelled(), if !self.draining => self.begin_drain(),
                () = quiet => if self.after_quiet() == AfterQuiet::Close {
                    return;
                },
            }
        }
    }

    fn quiet_timeout(&self) -> Duration {
        if self.draining { GOAWAY_TIMEOUT } else { self.server.config.head_timeout }
    }

    fn spawn_response(&mut self, request: Request<RecvStream>, respond: SendResponse<Bytes>) {
        self.quiet_since = Instant::now();
        self.conn.set_request_received();
        let (router, conn) = (self.server.router.clone(), self.conn.clone());
        let stalled = self.server.meters.stalled.clone();
        let (flow_control, stall) = (self.flow_control.clone(), StreamStall::default());
        let sender = ResponseSender { flow_control, stalled, stall };
        self.responses.spawn(handle_request(router, conn, sender, request, respond));
    }

    /// Tells the client to open no more streams. Those that are open go on.
    fn begin_drain(&mut self) {
        self.draining = true;
        self.quiet_since = Instant::now();
        self.connection.graceful_shutdown();
    }

    fn after_quiet(&mut self) -> AfterQuiet {
        self.quiet_since = Instant::now();
        match (self.connection.has_streams(), self.draining) {
            (true, _) => AfterQuiet::Continue,
            // The library waits for the client to close, which it may never do.
            (false, true) => AfterQuiet::Close,
            (false, false) => {
                self.begin_drain();
                AfterQuiet::Continue
            }
        }
    }
}

/// Sends a PING whenever flow control has to know whether the client is alive.
async fn send_pings(pings: Option<PingPong>, flow_control: Arc<FlowControl>) -> Infallible {
    let Some(mut pings) = pings else { return pending().await };
    loop {
        flow_control.ping_requested().await;
        match pings.ping(Ping::opaque()).await {
            Ok(_) => flow_control.pong_received(),
            // The connection ends, which its next accept reports.
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
    let (request, opener) = translate(request, conn, sender.stall.clone());
    let response = tokio::select! {
        response = router.oneshot(request) => response,
        // The client has reset the stream.
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

/// Converts a request for the routes. A request for a tunnel also yields what opens it.
fn translate(
    request: Request<RecvStream>,
    conn: ConnHandle,
    stall: StreamStall,
) -> (Request<Body>, Option<TunnelOpener>) {
    let (mut parts, received) = request.into_parts();
    parts.extensions.insert(conn);
    parts.extensions.insert(stall);
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
