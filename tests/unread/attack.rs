//! The requests of peers that read nothing.

use std::time::Duration;

use tokio::{io::AsyncWriteExt as _, task::JoinHandle, time::timeout};
use tokio_tungstenite::WebSocketStream;
use tricast_tests::Certificate;

use crate::{
    gateway::Gateway,
    http1,
    http2::{self, Frames, Holder},
    transport::{Io, Transport},
};

/// The most that is sent: several times what the gateway may hold.
pub(crate) const MOST: usize = 12 << 20;

/// A gateway that takes nothing for so long reads no more.
pub(crate) const QUIET: Duration = Duration::from_millis(400);

/// Readers that wait: the pages of all of them would be more than they may have taken.
const IDLE: usize = 30;

/// An attack.
#[derive(Clone)]
pub(crate) enum Attack {
    /// The same bytes again and again, after some others.
    Bytes(http1::Bytes),
    /// Frames of HTTP/2, sent without reading the answers.
    Frames(Frames),
    /// A client of HTTP/2 that keeps to the rules, and gives no room for answers.
    Holder(Holder),
    /// Readers that have read a large answer, and wait. Nothing of it may be kept for them.
    Idle,
}

/// An attack that has gone as far as it was let, with its connection open.
pub(crate) struct Attacker {
    sent: usize,
    _held: Held,
}

/// The part that keeps the connection open.
pub(crate) enum Held {
    Io { _io: Box<dyn Io> },
    Client { _client: Client },
    Readers { _readers: Vec<WebSocketStream<Box<dyn Io>>> },
}

/// A client of HTTP/2, with its requests.
pub(crate) struct Client {
    pub(crate) connection: JoinHandle<()>,
    pub(crate) _requests: Vec<Box<dyn std::any::Any + Send>>,
}

impl Attack {
    pub(crate) fn all() -> Vec<Self> {
        let bytes = http1::attacks().into_iter().map(Self::Bytes);
        let frames = http2::floods().into_iter().map(Self::Frames);
        bytes.chain(frames).chain(Holder::ALL.map(Self::Holder)).chain([Self::Idle]).collect()
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Bytes(bytes) => bytes.name,
            Self::Frames(frames) => frames.name,
            Self::Holder(holder) => holder.name(),
            Self::Idle => "readers that have read a page",
        }
    }

    /// The memory that it may make the gateway hold, beyond the memory of an idle gateway.
    pub(crate) fn bound(&self) -> u64 {
        match self {
            Self::Bytes(_) => 6 << 20,
            // A thousand requests in progress, or small frames of which the gateway has read none
            // yet.
            Self::Frames(_) | Self::Holder(_) => 24 << 20,
            Self::Idle => 16 << 20,
        }
    }

    pub(crate) fn fits(&self, transport: Transport) -> bool {
        transport.is_http2() != matches!(self, Self::Bytes(_) | Self::Idle)
    }

    /// Sends as much as the gateway takes.
    pub(crate) async fn begin(
        &self,
        gateway: &Gateway,
        transport: Transport,
        certificate: &Certificate,
    ) -> Attacker {
        let connect = || transport.connect(gateway, certificate);
        let (sent, held) = match self {
            Self::Bytes(bytes) => {
                let mut io = connect().await;
                let sent = send(&mut io, bytes.pieces()).await;
                (sent, Held::Io { _io: io })
            }
            Self::Frames(frames) => {
                let mut io = connect().await;
                let sent = send(&mut io, frames.pieces()).await;
                (sent, Held::Io { _io: io })
            }
            Self::Holder(holder) => {
                let (sent, client) = holder.begin(connect().await, gateway).await;
                (sent, Held::Client { _client: client })
            }
            Self::Idle => {
                let mut readers = Vec::new();
                for _ in 0..IDLE {
                    readers.push(http1::reader_of_a_page(connect().await).await);
                }
                (0, Held::Readers { _readers: readers })
            }
        };
        Attacker { sent, _held: held }
    }
}

impl Attacker {
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Sends until nothing more is taken, the gateway closes, or it is enough; returns the number of
/// bytes taken.
async fn send(io: &mut Box<dyn Io>, pieces: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut sent = 0;
    for piece in pieces {
        let mut rest = &piece[..];
        while !rest.is_empty() {
            match timeout(QUIET, io.write(rest)).await {
                Ok(Ok(count @ 1..)) => {
                    sent += count;
                    rest = &rest[count..];
                }
                Ok(Ok(0) | Err(_)) | Err(_) => return sent,
            }
        }
        if sent >= MOST {
            break;
        }
    }
    // Bytes in the buffer of TLS are not worth waiting for.
    let _ = timeout(QUIET, io.flush()).await;
    sent
}
