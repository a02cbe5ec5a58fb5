//! One connection, from its first request to its end, or until a stream leaves with it.

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
use tricast_delivery::Handoff;

use crate::{
    accept::permits::HandshakePermit,
    conn::{
        detach::{Detach, encode_head},
        limits::ConnPermit,
        preamble::Preamble,
        server::ConnServer,
        socket::{ConnHandle, ConnInfo, Socket},
        tls,
    },
    http2,
    peer::Peer,
};

/// A connection that has said something.
pub(crate) struct AcceptedConn {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) peer: Peer,
    pub(crate) permit: ConnPermit,
    pub(crate) handshake_permit: Option<HandshakePermit>,
}

/// A connection of HTTP/1.1 that is served.
struct Http1Conn {
    conn: ConnHandle,
    server: Arc<ConnServer>,
}

/// Serves a connection to its end, or until it leaves with a stream.
pub(crate) async fn serve(server: Arc<ConnServer>, accepted: AcceptedConn) {
    let AcceptedConn { stream, peer, permit, handshake_permit } = accepted;
    let mut stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "the runtime cannot watch a connection, and drops it");
            return;
        }
    };
    let config = &server.config;
    // Who has asked for nothing is not waited for when the gateway goes down, nor longer than for a head.
    let deadline = Instant::now() + config.head_timeout;
    let proxied = server.expects_proxy_header(peer);
    let preamble =
        match before_deadline(&server, deadline, Preamble::read(&mut stream, proxied)).await {
            Some(Ok(preamble)) => preamble,
            Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                return server.warn_missing_proxy_header(peer, &error);
            }
            Some(Err(error)) => {
                tracing::debug!(%error, ?peer, "a connection went before its first request");
                return;
            }
            None => return,
        };
    let Preamble { client, encrypted, http2, read_ahead } = preamble;
    let encrypted = encrypted || server.tls.is_some();
    let wrapped = http2 || server.tls.is_some();
    let peer = if proxied { client.map_or(Peer::Unknown, Peer::Ip) } else { peer };
    let info = ConnInfo { peer, encrypted, wrapped };
    let can_detach = server.shards.is_some() && !wrapped;
    let conn = ConnHandle::new(stream, info, can_detach, handshake_permit);
    let stalls = (config.stall_timeout, server.meters.stalled.clone());
    let socket = Socket::new(conn.clone(), read_ahead, stalls, permit);
    let Some(tls_acceptor) = &server.tls else {
        if http2 {
            return Box::pin(http2::serve(socket, conn, server, deadline)).await;
        }
        return Http1Conn { conn, server }.serve(socket, can_detach).await;
    };
    let stream = match before_deadline(&server, deadline, tls_acceptor.accept(socket)).await {
        Some(Ok(stream)) => Box::new(stream),
        Some(Err(error)) => {
            tracing::debug!(%error, ?peer, "a TLS handshake failed");
            return;
        }
        None => return,
    };
    if stream.get_ref().1.alpn_protocol() == Some(tls::H2) {
        return Box::pin(http2::serve(stream, conn, server, deadline)).await;
    }
    Http1Conn { conn, server }.serve_to_end(stream).await;
}

/// What comes of it, unless it takes too long, or the gateway goes down meanwhile. What has arrived by then counts.
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

/// A stream that has left, with its connection.
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

    /// Serves to the end.
    async fn serve_to_end<IO>(self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connection = self.http1_connection(io).with_upgrades();
        let mut connection = Box::pin(connection);
        self.drive(connection.as_mut(), http1::UpgradeableConnection::graceful_shutdown).await;
    }

    /// Serves to the end, or until a stream leaves.
    async fn serve_until_detach(self, socket: Socket<ConnPermit>) -> Option<Detached> {
        let mut connection = Box::new(self.http1_connection(socket));
        let pinned = Pin::new(&mut *connection);
        let detach = self.drive(pinned, http1::Connection::graceful_shutdown).await?;
        let http1::Parts { io, read_buf, service, .. } = connection.into_parts();
        // The service and this struct know the connection too.
        drop((service, self));
        let (conn, read_ahead, permit) = io.into_inner().into_parts();
        // A copy: what was read pins the whole buffer.
        let read_ahead = Bytes::from([&read_buf[..], &read_ahead].concat());
        match conn.into_socket() {
            Some((Ok(socket), handshake_permit)) => {
                Some(Detached { detach, socket, read_ahead, permit, handshake_permit })
            }
            Some((Err(error), _)) => {
                tracing::warn!(%error, "a connection cannot leave the runtime, and is dropped");
                None
            }
            None => {
                tracing::error!("somebody still holds a connection that leaves; it is dropped");
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
            .max_buf_size(config.head_bytes)
            .serve_connection(TokioIo::new(io), service)
    }

    /// Drives a connection to its end; or gives the stream that is to leave with it.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        mut connection: Pin<&mut C>,
        graceful_shutdown: fn(Pin<&mut C>),
    ) -> Option<Detach> {
        let mut draining = pin!(self.server.draining.cancelled());
        let mut stop = pin!(self.server.stop.cancelled());
        let mut grace_elapsed = pin!(self.server.shutdown_grace_elapsed());
        let (mut turning, mut stopping, mut ending) = (false, false, false);
        poll_fn(|cx| {
            let turns = !turning && draining.as_mut().poll(cx).is_ready();
            let stops = !stopping && stop.as_mut().poll(cx).is_ready();
            let ends = !ending && grace_elapsed.as_mut().poll(cx).is_ready();
            (turning, stopping, ending) = (turning | turns, stopping | stops, ending | ends);
            // What is kept open for a next request is not needed any more. Who has asked for nothing yet may still do so.
            if (turns || stops || ends) && self.conn.has_received_request() {
                graceful_shutdown(connection.as_mut());
            }
            match connection.as_mut().poll(cx) {
                Poll::Pending => match self.conn.take_detach() {
                    Some(detach) => Poll::Ready(Some(detach)),
                    // Half a head is no work under way.
                    None if ending && !self.conn.has_received_request() => Poll::Ready(None),
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
        // It has a body, and may take long.
        conn.release_handshake_permit();
    }
    let version = request.version();
    request.extensions_mut().insert(conn.clone());
    Box::pin(async move {
        let response = router.oneshot(request).await?;
        let mut response = Some(response);
        let detaches =
            conn.set_head(|| response.take().map_or(Bytes::new(), |one| encode_head(one, version)));
        match response {
            Some(response) if !detaches => {
                conn.release_handshake_permit();
                Ok(response)
            }
            _ => pending().await,
        }
    })
}

impl Detached {
    /// With what is to be dropped when its socket is closed.
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
