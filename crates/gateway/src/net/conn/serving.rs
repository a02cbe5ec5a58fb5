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
    http::forwarded::Peer,
    net::{
        accept::permits::Place,
        conn::{
            detach::{Departure, head_of},
            preamble::Greeting,
            socket::{Line, Socket, Told},
            tls,
        },
        conn_server::{Lease, Listener},
        http2,
    },
};

/// A connection that has said something.
pub(crate) struct Arrival {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) peer: Peer,
    pub(crate) lease: Lease,
    pub(crate) place: Option<Place>,
}

/// A connection of HTTP/1.1 that is served.
struct Serving {
    line: Line,
    listener: Arc<Listener>,
}

/// Serves a connection to its end, or until it leaves with a stream.
pub(crate) async fn serve(listener: Arc<Listener>, arrival: Arrival) {
    let Arrival { stream, peer, lease, place } = arrival;
    let mut stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "the runtime cannot watch a connection, and drops it");
            return;
        }
    };
    let rules = &listener.rules;
    // Who has asked for nothing is not waited for when the gateway goes down, nor longer than for a head.
    let by = Instant::now() + rules.head_timeout;
    let proxied = listener.takes_proxy_headers && peer.is_trusted(&rules.proxy);
    let greeting = match soon(&listener, by, Greeting::read(&mut stream, proxied)).await {
        Some(Ok(greeting)) => greeting,
        Some(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            return listener.miss_proxy_header(peer, &error);
        }
        Some(Err(error)) => {
            tracing::debug!(%error, ?peer, "a connection went before its first request");
            return;
        }
        None => return,
    };
    let Greeting { client, encrypted, http2, ahead } = greeting;
    let encrypted = encrypted || listener.tls.is_some();
    let wrapped = http2 || listener.tls.is_some();
    let peer = if proxied { client.map_or(Peer::Unknown, Peer::Ip) } else { peer };
    let told = Told { peer, encrypted, wrapped };
    let may_depart = listener.shards.is_some() && !wrapped;
    let line = Line::new(stream, told, may_depart, place);
    let stalls = (rules.stall_timeout, listener.meters.stalled.clone());
    let socket = Socket::new(line.clone(), ahead, stalls, lease);
    let Some(acceptor) = &listener.tls else {
        if http2 {
            return Box::pin(http2::serve(socket, line, listener, by)).await;
        }
        return Serving { line, listener }.until_the_end(socket, may_depart).await;
    };
    let stream = match soon(&listener, by, acceptor.accept(socket)).await {
        Some(Ok(stream)) => Box::new(stream),
        Some(Err(error)) => {
            tracing::debug!(%error, ?peer, "a TLS handshake failed");
            return;
        }
        None => return,
    };
    if stream.get_ref().1.alpn_protocol() == Some(tls::H2) {
        return Box::pin(http2::serve(stream, line, listener, by)).await;
    }
    Serving { line, listener }.stay(stream).await;
}

/// What comes of it, unless it takes too long, or the gateway goes down meanwhile. What has arrived by then counts.
pub(crate) async fn soon<T>(
    listener: &Listener,
    by: Instant,
    what: impl Future<Output = T>,
) -> Option<T> {
    tokio::select! {
        biased;
        done = timeout_at(by, what) => done.ok(),
        () = listener.last_words() => None,
    }
}

/// A stream that has left, with its connection.
pub(crate) struct Left {
    departure: Departure,
    socket: std::net::TcpStream,
    heard: Bytes,
    lease: Lease,
    place: Option<Place>,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl Serving {
    async fn until_the_end(self, socket: Socket<Lease>, may_depart: bool) {
        if !may_depart {
            return self.stay(socket).await;
        }
        let listener = self.listener.clone();
        if let (Some(left), Some(shards)) = (self.until_departure(socket).await, &listener.shards) {
            let task = listener.tasks.token();
            shards.assign(left.with_lease(|lease| Box::new((lease, task))));
        }
    }

    /// Serves to the end.
    async fn stay<IO>(self, io: IO)
    where
        IO: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let connection = self.begin(io).with_upgrades();
        let mut connection = Box::pin(connection);
        self.drive(connection.as_mut(), http1::UpgradeableConnection::graceful_shutdown).await;
    }

    /// Serves to the end, or until a stream leaves.
    async fn until_departure(self, socket: Socket<Lease>) -> Option<Left> {
        let mut connection = Box::new(self.begin(socket));
        let pinned = Pin::new(&mut *connection);
        let departure = self.drive(pinned, http1::Connection::graceful_shutdown).await?;
        let http1::Parts { io, read_buf, service, .. } = connection.into_parts();
        // The service and this struct know the connection too.
        drop((service, self));
        let (line, ahead, lease) = io.into_inner().into_parts();
        // A copy: what was read pins the whole buffer.
        let heard = Bytes::from([&read_buf[..], &ahead].concat());
        match line.into_socket() {
            Some((Ok(socket), place)) => Some(Left { departure, socket, heard, lease, place }),
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

    fn begin<IO>(
        &self,
        io: IO,
    ) -> http1::Connection<
        TokioIo<IO>,
        impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future = Answering>
        + Unpin
        + use<IO>,
    >
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let (line, router) = (self.line.clone(), self.listener.router.clone());
        let rules = &self.listener.rules;
        let service = service_fn(move |request| answer(line.clone(), router.clone(), request));
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(rules.head_timeout)
            .max_buf_size(rules.head_bytes)
            .serve_connection(TokioIo::new(io), service)
    }

    /// Drives a connection to its end; or gives the stream that is to leave with it.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        mut connection: Pin<&mut C>,
        graceful_shutdown: fn(Pin<&mut C>),
    ) -> Option<Departure> {
        let mut draining = pin!(self.listener.draining.cancelled());
        let mut stop = pin!(self.listener.stop.cancelled());
        let mut over = pin!(self.listener.last_words());
        let (mut turning, mut stopping, mut ending) = (false, false, false);
        poll_fn(|cx| {
            let turns = !turning && draining.as_mut().poll(cx).is_ready();
            let stops = !stopping && stop.as_mut().poll(cx).is_ready();
            let ends = !ending && over.as_mut().poll(cx).is_ready();
            (turning, stopping, ending) = (turning | turns, stopping | stops, ending | ends);
            // What is kept open for a next request is not needed any more. Who has asked for nothing yet may still do so.
            if (turns || stops || ends) && self.line.was_asked() {
                graceful_shutdown(connection.as_mut());
            }
            match connection.as_mut().poll(cx) {
                Poll::Pending => match self.line.take_departure() {
                    Some(departure) => Poll::Ready(Some(departure)),
                    // Half a head is no work under way.
                    None if ending && !self.line.was_asked() => Poll::Ready(None),
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

fn answer(line: Line, router: Router, mut request: Request<Incoming>) -> Answering {
    line.set_asked();
    if request.method() != Method::GET {
        // It has a body, and may take long.
        line.leave_place();
    }
    let version = request.version();
    request.extensions_mut().insert(line.clone());
    Box::pin(async move {
        let response = router.oneshot(request).await?;
        let mut response = Some(response);
        let departs =
            line.set_head(|| response.take().map_or(Bytes::new(), |one| head_of(one, version)));
        match response {
            Some(response) if !departs => {
                line.leave_place();
                Ok(response)
            }
            _ => pending().await,
        }
    })
}

impl Left {
    /// With what is to be dropped when its socket is closed.
    pub(crate) fn with_lease(
        self,
        wrap: impl FnOnce(Lease) -> Box<dyn std::any::Any + Send>,
    ) -> Handoff {
        let Self { departure: Departure { session, ear, head }, socket, heard, lease, place } =
            self;
        Handoff { socket, head, session, inbound: ear, read_ahead: heard, permit: wrap(lease), handshake_permit: Box::new(place) }
    }
}
