//! One connection, from its first request to its end, or until a stream leaves with it.

use std::{
    convert::Infallible,
    future::{Future, pending, poll_fn},
    pin::{Pin, pin},
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
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tricast_delivery::Newcomer;

use super::{
    departure::{Departure, head_of},
    listener::{Lease, Rules},
    places::Place,
    socket::{Line, Socket},
};

/// What a connection needs to be served.
pub(crate) struct Serving {
    pub(crate) line: Line,
    pub(crate) router: Router,
    pub(crate) rules: Rules,
    pub(crate) stop: CancellationToken,
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
    /// Serves to the end.
    pub(crate) async fn stay(self, socket: Socket<Lease>) {
        let connection = self.begin(socket).with_upgrades();
        let mut connection = Box::pin(connection);
        self.drive(connection.as_mut(), http1::UpgradeableConnection::graceful_shutdown).await;
    }

    /// Serves to the end, or until a stream leaves.
    pub(crate) async fn until_departure(self, socket: Socket<Lease>) -> Option<Left> {
        let mut connection = Box::new(self.begin(socket));
        let pinned = Pin::new(&mut *connection);
        let departure = self.drive(pinned, http1::Connection::graceful_shutdown).await?;
        let http1::Parts { io, read_buf, service, .. } = connection.into_parts();
        // The service and this struct know the connection too.
        drop((service, self));
        let (line, lease) = io.into_inner().into_parts();
        // A copy: what was read pins the whole buffer.
        let heard = Bytes::copy_from_slice(&read_buf);
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

    fn begin(
        &self,
        socket: Socket<Lease>,
    ) -> http1::Connection<
        TokioIo<Socket<Lease>>,
        impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future = Answering>
        + Unpin
        + use<>,
    > {
        let (line, router) = (self.line.clone(), self.router.clone());
        let service = service_fn(move |request| answer(line.clone(), router.clone(), request));
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.rules.head_timeout)
            .max_buf_size(self.rules.head_bytes)
            .serve_connection(TokioIo::new(socket), service)
    }

    /// Drives a connection to its end; or gives the stream that is to leave with it.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        mut connection: Pin<&mut C>,
        graceful_shutdown: fn(Pin<&mut C>),
    ) -> Option<Departure> {
        let mut stop = pin!(self.stop.cancelled());
        let mut stopping = false;
        poll_fn(|cx| {
            if !stopping && stop.as_mut().poll(cx).is_ready() {
                stopping = true;
                if !self.line.was_asked() {
                    // Half a head is no work under way.
                    return Poll::Ready(None);
                }
                graceful_shutdown(connection.as_mut());
            }
            match connection.as_mut().poll(cx) {
                Poll::Pending => match self.line.take_departure() {
                    Some(departure) => Poll::Ready(Some(departure)),
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
    ) -> Newcomer {
        let Self { departure: Departure { session, ear, head }, socket, heard, lease, place } =
            self;
        Newcomer { socket, head, session, ear, heard, lease: wrap(lease), place: Box::new(place) }
    }
}
