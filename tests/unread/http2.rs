//! Floods on a connection of HTTP/2.

use std::future::poll_fn;

use bytes::Bytes;
use futures_util::future::join_all;
use h2::{SendStream, client::SendRequest, ext::Protocol};
use http::{Method, Request};
use tokio::time::timeout;

use crate::{
    attack::{Client, MOST, QUIET},
    gateway::{FULL, Gateway},
    http1::frame,
    transport::Io,
};

/// Frames that are sent without reading the answers.
#[derive(Clone)]
pub(crate) struct Frames {
    pub(crate) name: &'static str,
    /// The one for the stream of this number.
    frame: fn(u32) -> Vec<u8>,
}

pub(crate) fn floods() -> Vec<Frames> {
    let flood = |name, frame| Frames { name, frame };
    vec![
        flood("HTTP/2 pings", |_| h2_frame(6, 0, 0, b"whatever")),
        flood("settings", |_| h2_frame(4, 0, 0, &[0, 4, 0, 0, 0xff, 0xff])),
        flood("window updates", |_| h2_frame(8, 0, 0, &[0, 0, 0, 1])),
        flood("HTTP/2 requests for history", |stream| request(stream, "GET", "/history/full")),
        flood("HTTP/2 requests for heads", |stream| request(stream, "HEAD", "/history/full")),
        flood("HTTP/2 requests that are refused", |stream| request(stream, "GET", "/nowhere")),
        flood("requests that are reset", |stream| {
            [request(stream, "GET", "/history/full"), h2_frame(3, 0, stream, &[0, 0, 0, 8])]
                .concat()
        }),
        flood("publishes that do not end", |stream| {
            h2_frame(1, 4, stream, &block("POST", "/publish/full"))
        }),
    ]
}

impl Frames {
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Vec<u8>> {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let opening = [preface, h2_frame(4, 0, 0, &[])].concat();
        let frame = self.frame;
        let piece = move |number: u32| {
            let streams = 1000 * number..1000 * (number + 1);
            streams.flat_map(|stream| frame(2 * stream + 1)).collect()
        };
        std::iter::once(opening).chain((0..).map(piece))
    }
}

fn h2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn request(stream: u32, method: &str, path: &str) -> Vec<u8> {
    h2_frame(1, 5, stream, &block(method, path))
}

/// A head, with nothing compressed (RFC 7541 §6.2.2).
fn block(method: &str, path: &str) -> Vec<u8> {
    let fields = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "t")];
    let text = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// A client that keeps to the rules of HTTP/2, and gives no room for what it has asked for.
#[derive(Clone, Copy)]
pub(crate) enum Holder {
    Pings,
    PingsInSmallFrames,
    Commands,
    Pages,
    Bytes,
    Refusals,
    Streams,
}

impl Holder {
    pub(crate) const ALL: [Self; 7] = [
        Self::Pings,
        Self::PingsInSmallFrames,
        Self::Commands,
        Self::Pages,
        Self::Bytes,
        Self::Refusals,
        Self::Streams,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pings => "pings in a tunnel",
            Self::PingsInSmallFrames => "pings in a tunnel, a byte at a time",
            Self::Commands => "commands for history in a tunnel",
            Self::Pages => "a thousand pages of history",
            Self::Bytes => "a thousand messages, byte for byte",
            Self::Refusals => "a thousand refusals",
            Self::Streams => "a thousand streams",
        }
    }

    /// The window for each answer.
    fn window(self) -> u32 {
        match self {
            // A hello, and a few answers.
            Self::Pings | Self::PingsInSmallFrames | Self::Commands => 4096,
            // A byte shows that the answer was made.
            Self::Pages | Self::Bytes | Self::Refusals | Self::Streams => 1,
        }
    }

    /// Goes as far as it is let, and keeps what it has.
    pub(crate) async fn begin(self, io: Box<dyn Io>, gateway: &Gateway) -> (usize, Client) {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(self.window());
        let (sender, connection) = builder.handshake::<_, Bytes>(io).await.expect("speaks HTTP/2");
        let connection = tokio::spawn(async move {
            // It ends when this client has what it wants, or the gateway hangs up.
            let _ = connection.await;
        });
        let sender = sender.ready().await.expect("is open");
        let mut requests: Vec<Box<dyn std::any::Any + Send>> = vec![Box::new(sender.clone())];
        let sent = match self {
            Self::Pings => tunnel(sender, &mut requests, &frame(9, &[b'p'; 125]), 1 << 14).await,
            Self::PingsInSmallFrames => {
                tunnel(sender, &mut requests, &frame(9, &[b'p'; 125]), 1).await
            }
            Self::Commands => {
                let command = format!("{{\"type\":\"history\",\"channel\":\"{FULL}\"}}");
                tunnel(sender, &mut requests, &frame(1, command.as_bytes()), 1 << 14).await
            }
            Self::Pages => thousand(sender, &mut requests, &format!("/history/{FULL}")).await,
            Self::Bytes => {
                let path = format!("/dashboard/bytes/{FULL}?id={}", gateway.message);
                thousand(sender, &mut requests, &path).await
            }
            Self::Refusals => thousand(sender, &mut requests, "/nowhere").await,
            Self::Streams => {
                thousand(sender, &mut requests, &format!("/sse/{FULL}?since=earliest")).await
            }
        };
        (sent, Client { connection, _requests: requests })
    }
}

/// Opens a WebSocket by extended CONNECT (RFC 8441), and sends the same again and again in frames
/// of `size`.
async fn tunnel(
    mut sender: SendRequest<Bytes>,
    requests: &mut Vec<Box<dyn std::any::Any + Send>>,
    said: &[u8],
    size: usize,
) -> usize {
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("https://t/ws/{FULL}"))
        .header("sec-websocket-version", "13")
        .extension(Protocol::from_static("websocket"));
    let (answer, mut send) =
        sender.send_request(request.body(()).expect("a request"), false).expect("is open");
    let answer = answer.await.expect("answers");
    assert_eq!(answer.status(), 200);
    let bytes = Bytes::from(said.repeat(1 + (64 << 10) / said.len()));
    let mut sent = 0;
    while sent < MOST {
        let mut rest = bytes.clone();
        while !rest.is_empty() {
            let Some(room) = room(&mut send, size).await else {
                requests.push(Box::new((answer, send)));
                return sent;
            };
            let piece = rest.split_to(room.min(size).min(rest.len()));
            sent += piece.len();
            if send.send_data(piece, false).is_err() {
                return sent;
            }
        }
    }
    requests.push(Box::new((answer, send)));
    sent
}

/// The number of bytes that may be sent, unless there is no window for a while.
async fn room(send: &mut SendStream<Bytes>, wanted: usize) -> Option<usize> {
    send.reserve_capacity(wanted);
    if send.capacity() > 0 {
        return Some(send.capacity());
    }
    let room = timeout(QUIET, poll_fn(|cx| send.poll_capacity(cx))).await;
    room.ok()??.ok()
}

/// Asks for the same, as often as may be at once.
async fn thousand(
    mut sender: SendRequest<Bytes>,
    requests: &mut Vec<Box<dyn std::any::Any + Send>>,
    path: &str,
) -> usize {
    let mut answers = Vec::new();
    for _ in 0..1000 {
        let Ok(Ok(ready)) = timeout(QUIET, sender.ready()).await else { break };
        sender = ready;
        let request = Request::get(format!("https://t{path}")).body(()).expect("a request");
        let Ok((answer, _)) = sender.send_request(request, true) else { break };
        answers.push(timeout(QUIET, answer));
    }
    let answers = join_all(answers).await.into_iter();
    // One that waits for its turn has no head yet.
    let heads: Vec<_> = answers.filter_map(|answer| answer.ok()?.ok()).collect();
    let count = heads.len();
    requests.push(Box::new(heads));
    count
}
