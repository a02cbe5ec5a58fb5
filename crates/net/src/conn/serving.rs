//! Serving one connection, from its preamble to its end, or until a stream detaches with its
//! socket.

use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
};

use axum::{Router, response::Response};
use bytes::Bytes;
use hyper::{
    Method, Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tower::ServiceExt as _;
use tricast_core::WarningLimit;
use tricast_delivery::Handoff;

use crate::{
    accept::permits::HandshakePermit,
    conn::{
        departure_watch::DepartureWatch,
        detach::Detach,
        limits::ConnPermit,
        preamble::Preamble,
        server::ConnServer,
        socket::{ConnHandle, ConnInfo, ResponseRoute, Socket},
        tls,
    },
    http2,
    peer::Peer,
};

/// A connection that has sent its first bytes.
pub(crate) struct AcceptedConn {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) peer: Peer,
    pub(crate) permit: ConnPermit,
    pub(crate) handshake_permit: Option<HandshakePermit>,
}

/// A connection that speaks HTTP/1.1.
struct Http1Conn {
    conn: ConnHandle,
    server: Arc<ConnServer>,
}

/// Serves a connection to its end, or until a stream detaches with its socket.
pub(crate) async fn serve(server: Arc<ConnServer>, accepted: AcceptedConn) {
    let AcceptedConn { stream, peer, permit, handshake_permit } = accepted;
    let mut stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            static LIMIT: WarningLimit = WarningLimit::new();
            if let Some(suppressed) = LIMIT.pass() {
                let what = "the runtime cannot watch a connection; it is dropped";
                tracing::warn!(%error, suppressed, "{what}");
            }
            return;
        }
    };
    let config = &server.config;
    // A connection without a request does not delay a shutdown, nor does it last longer than the
    // time for a head.
    let deadline = Instant::now() + config.head_timeout;
    let proxied = server.expects_proxy_header(peer);
    let preamble =
        match before_deadline(&server, deadline, Preamble::read(&mut stream, proxied)).await {
            Some(Ok(preamble)) => preamble,
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                return server.warn_missing_proxy_header(peer, &error);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, ?peer, "a connection closed before its first request");
                return;
            }
            None => return,
        };
    let Preamble { client, encrypted, http2, read_ahead } = preamble;
    let encrypted = encrypted || server.tls.is_some();
    let peer = if proxied { client.map_or(Peer::Unknown, Peer::Ip) } else { peer };
    let info = ConnInfo { peer, encrypted };
    let can_detach = server.shards.is_some() && server.tls.is_none() && !http2;
    let conn = ConnHandle::new(stream, info, can_detach, handshake_permit);
    let stalls = (config.stall_timeout, server.meters.stalled.clone());
    let socket = Socket::new(conn.clone(), read_ahead, stalls, permit);
    let Some(tls_acceptor) = &server.tls else {
        if http2 {
            return Box::pin(http2::serve(socket, conn, server, deadline)).await;
        }
        return Http1Conn { conn, server }.serve(socket, can_detach).await;
    };
    // Boxed, because it is larger than everything else that a connection in clear keeps as well.
    let handshake = Box::pin(before_deadline(&server, deadline, tls_acceptor.accept(socket)));
    let stream = match handshake.await {
        Some(Ok(stream)) => Box::new(stream),
        Some(Err(error)) => {
            tracing::debug!(%error, ?peer, "TLS handshake failed");
            return;
        }
        None => return,
    };
    if stream.get_ref().1.alpn_protocol() == Some(tls::H2) {
        return Box::pin(http2::serve(stream, conn, server, deadline)).await;
    }
    Http1Conn { conn, server }.serve_to_end(stream).await;
}

/// Awaits `future` until `deadline`, or until the gateway has stopped and the grace time is over.
pub(crate) async fn before_deadline<T>(
    server: &ConnServer,
    deadline: Instant,
    future: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = timeout_at(deadline, future) => done.ok(),
        () = server.shutdown_grace_elapsed() => None,
    }
}

/// A stream that has detached, with its socket.
pub(crate) struct Detached {
    detach: Detach,
    socket: std::net::TcpStream,
    read_ahead: Bytes,
    permit: ConnPermit,
    handshake_permit: Option<HandshakePermit>,
}

type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl Http1Conn {
    async fn serve(self, socket: Socket<ConnPermit>, can_detach: bool) {
        if !can_detach {
            return self.serve_to_end(socket).await;
        }
        let server = self.server.clone();
        if let (Some(detached), Some(shards)) =
            (self.serve_until_detach(socket).await, &server.shards)
        {
            let task = server.tasks.token();
            shards.assign(detached.into_handoff(|permit| Box::new((permit, task))));
        }
    }

    /// Serves the connection to its end.
    async fn serve_to_end<IO>(self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let io = DepartureWatch::new(io, self.conn.clone());
        let connection = self.http1_connection(io).with_upgrades();
        let mut connection = Box::pin(connection);
        self.drive(connection.as_mut(), http1::UpgradeableConnection::graceful_shutdown).await;
    }

    /// Serves the connection to its end, or until a stream detaches.
    async fn serve_until_detach(self, socket: Socket<ConnPermit>) -> Option<Detached> {
        let socket = DepartureWatch::new(socket, self.conn.clone());
        let mut connection = Box::new(self.http1_connection(socket));
        let pinned = Pin::new(&mut *connection);
        let Some(detach) = self.drive(pinned, http1::Connection::graceful_shutdown).await else {
            self.conn.drop_detach();
            return None;
        };
        let http1::Parts { io, read_buf, service, .. } = connection.into_parts();
        // The service and this struct have references to the connection too.
        drop((service, self));
        let (socket, watched) = io.into_inner().into_parts();
        let (conn, read_ahead, permit) = socket.into_parts();
        // Copied, because the slice would keep the whole buffer alive.
        let read_ahead = Bytes::from([&read_buf[..], &watched, &read_ahead].concat());
        match conn.into_socket() {
            Some((Ok(socket), handshake_permit)) => {
                Some(Detached { detach, socket, read_ahead, permit, handshake_permit })
            }
            Some((Err(error), _)) => {
                static LIMIT: WarningLimit = WarningLimit::new();
                if let Some(suppressed) = LIMIT.pass() {
                    tracing::warn!(%error, suppressed, "cannot detach a connection; it is dropped");
                }
                None
            }
            None => {
                tracing::error!("a detaching connection is still referenced; it is dropped");
                None
            }
        }
    }

    fn http1_connection<IO>(
        &self,
        io: IO,
    ) -> http1::Connection<
        TokioIo<IO>,
        impl Service<
            Request<Incoming>,
            Response = Response,
            Error = Infallible,
            Future = ResponseFuture,
        > + Unpin
        + use<IO>,
    >
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let (conn, router) = (self.conn.clone(), self.server.router.clone());
        let config = &self.server.config;
        let service =
            service_fn(move |request| handle_request(conn.clone(), router.clone(), request));
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.head_timeout)
            // A client that closes its sending side behind its request still reads the response.
            .half_close(true)
            .max_buf_size(config.head_bytes)
            .serve_connection(TokioIo::new(io), service)
    }

    /// Drives a connection to its end, or until it returns the stream that detaches.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        mut connection: Pin<&mut C>,
        graceful_shutdown: fn(Pin<&mut C>),
    ) -> Option<Detach> {
        let mut draining = pin!(self.server.draining.cancelled());
        let mut stop = pin!(self.server.stop.cancelled());
        let mut grace_elapsed = pin!(self.server.shutdown_grace_elapsed());
        let (mut is_draining, mut is_stopping, mut is_ending) = (false, false, false);
        poll_fn(|cx| {
            let drain_begins = !is_draining && draining.as_mut().poll(cx).is_ready();
            let stop_begins = !is_stopping && stop.as_mut().poll(cx).is_ready();
            let grace_ends = !is_ending && grace_elapsed.as_mut().poll(cx).is_ready();
            (is_draining, is_stopping, is_ending) =
                (is_draining | drain_begins, is_stopping | stop_begins, is_ending | grace_ends);
            // Ends a connection that is kept alive for a next request. One without a request may
            // still send its first.
            let changes = drain_begins || stop_begins || grace_ends;
            if changes && self.conn.has_received_request() {
                graceful_shutdown(connection.as_mut());
            }
            match connection.as_mut().poll(cx) {
                Poll::Pending => match self.conn.take_detach() {
                    Some(detach) => Poll::Ready(Some(detach)),
                    // Half a head is no work in progress.
                    None if is_ending && !self.conn.has_received_request() => Poll::Ready(None),
                    None => Poll::Pending,
                },
                Poll::Ready(served) => {
                    if let Err(error) = served {
                        tracing::trace!(%error, "a connection broke");
                    }
                    Poll::Ready(None)
                }
            }
        })
        .await
    }
}

fn handle_request(
    conn: ConnHandle,
    router: Router,
    mut request: Request<Incoming>,
) -> ResponseFuture {
    conn.set_request_received();
    if request.method() != Method::GET {
        // The request has a body, and may take long.
        conn.release_handshake_permit();
    }
    let version = request.version();
    request.extensions_mut().insert(conn.clone());
    Box::pin(async move {
        let response = router.oneshot(request).await?;
        match conn.route_response(response, version) {
            ResponseRoute::Http(response) => {
                conn.release_handshake_permit();
                Ok(response)
            }
            ResponseRoute::Detached => pending().await,
        }
    })
}

impl Detached {
    /// Converts to what a shard takes. The shard drops the wrapped permit when it closes the
    /// socket.
    pub(crate) fn into_handoff(
        self,
        wrap: impl FnOnce(ConnPermit) -> Box<dyn std::any::Any + Send>,
    ) -> Handoff {
        let Self {
            detach: Detach { session, inbound, head },
            socket,
            read_ahead,
            permit,
            handshake_permit,
        } = self;
        Handoff {
            socket,
            head,
            session,
            inbound,
            read_ahead,
            permit: wrap(permit),
            handshake_permit: Box::new(handshake_permit),
        }
    }
}
