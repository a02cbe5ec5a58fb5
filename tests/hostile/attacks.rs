//! Hostile clients. Each attack goes on until it is stopped, from loopback alone, and has bounds
//! for what it holds and sends.

use std::{future::Future, io::Write as _, net::SocketAddr, sync::LazyLock, time::Duration};

use flate2::{Compression, write::DeflateEncoder};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tricast_tests::{token, token_of};

/// Connections that say nothing.
const HALF_OPEN: usize = 10_000;

/// Attacks under way.
pub(crate) struct Attacks {
    running: Vec<(&'static str, JoinHandle<u64>)>,
    /// Cancelled when those who say nothing are all there.
    crowd: CancellationToken,
}

/// The number of times that each attack came through: a connection was refused, cut or answered
/// correctly.
#[derive(Debug)]
pub(crate) struct Counts(pub(crate) Vec<(&'static str, u64)>);

/// Begins all attacks whose name contains `only`; after a `!`, all others.
pub(crate) fn begin(address: SocketAddr, stop: &CancellationToken, only: &str) -> Attacks {
    let mut attacks = Vec::new();
    let crowded = CancellationToken::new();
    let wanted = |name: &str| match only.strip_prefix('!') {
        Some(not) => !name.contains(not),
        None => name.contains(only),
    };
    let name = "half-open connections";
    if wanted(name) {
        attacks.push((name, tokio::spawn(half_open(address, stop.clone(), crowded.clone()))));
    } else {
        crowded.cancel();
    }
    let mut repeat = |name: &'static str, crowd: usize, pause: u64, attack: Attack| {
        if !wanted(name) {
            return;
        }
        let stop = stop.clone();
        let work = async move {
            let again =
                |_| repeat_forever(attack, address, Duration::from_millis(pause), stop.clone());
            futures_util::future::join_all((0..crowd).map(again)).await.into_iter().sum()
        };
        attacks.push((name, tokio::spawn(work)));
    };
    repeat("heads that never end", 500, 10, |at| Box::pin(slow_head(at)));
    repeat("giant heads", 5, 20, |at| Box::pin(giant_head(at)));
    repeat("garbage for heads", 5, 20, |at| Box::pin(garbage(at)));
    repeat("bodies that never end", 50, 10, |at| Box::pin(slow_body(at)));
    repeat("bodies that lie", 5, 20, |at| Box::pin(lying_body(at)));
    repeat("frames that are too large", 5, 20, |at| Box::pin(oversized_frame(at)));
    repeat("frames without a mask", 5, 20, |at| Box::pin(unmasked_frame(at)));
    repeat("compressed bombs", 5, 20, |at| Box::pin(bomb(at)));
    repeat("publishes without a key", 4, 10, |at| Box::pin(flood(at, None)));
    repeat("publishes above the rate", 4, 10, |at| {
        Box::pin(flood(at, Some(token("mallory", &[], &["mallory"]))))
    });
    repeat("commands above the rate", 4, 10, |at| Box::pin(chatter(at)));
    repeat("readers that take nothing", 20, 200, |at| Box::pin(stalled_reader(at)));
    repeat("tokens that do not hold", 4, 10, |at| Box::pin(bad_tokens(at)));
    repeat("more streams than a user may have", 60, 50, |at| Box::pin(crowd(at)));
    Attacks { running: attacks, crowd: crowded }
}

impl Attacks {
    /// Waits until they are under way, however long so many connections take on this machine.
    pub(crate) async fn under_way(&self) {
        self.crowd.cancelled().await;
    }

    /// Waits for their end.
    pub(crate) async fn finish(self) -> Counts {
        let mut counts = Vec::new();
        for (name, attack) in self.running {
            counts.push((name, attack.await.expect("an attack does what it should")));
        }
        Counts(counts)
    }
}

type Attack = fn(SocketAddr) -> std::pin::Pin<Box<dyn Future<Output = bool> + Send>>;

async fn repeat_forever(
    attack: Attack,
    address: SocketAddr,
    pause: Duration,
    stop: CancellationToken,
) -> u64 {
    let mut came_through = 0;
    while !stop.is_cancelled() {
        tokio::select! {
            done = attack(address) => came_through += u64::from(done),
            () = stop.cancelled() => {}
        }
        sleep(pause).await;
    }
    came_through
}

async fn connect(address: SocketAddr) -> Option<TcpStream> {
    TcpStream::connect(address).await.ok()
}

/// Sends, and reads to the end of the connection, as far as it goes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut socket = connect(address).await?;
    // The gateway may hang up in the middle.
    let _ = socket.write_all(bytes).await;
    Some(rest(&mut socket).await)
}

async fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), socket.read_to_end(&mut answer)).await;
    answer
}

fn has_status(answer: &[u8], status: &str) -> bool {
    answer.starts_with(format!("HTTP/1.1 {status}").as_bytes())
}

/// Connects and says nothing, and again when it is cut.
async fn half_open(address: SocketAddr, stop: CancellationToken, crowd: CancellationToken) -> u64 {
    let mut held = Vec::with_capacity(HALF_OPEN);
    let mut opened = 0;
    while !stop.is_cancelled() {
        for _ in 0..100 {
            if held.len() == HALF_OPEN {
                crowd.cancel();
                // The oldest may be cut by now.
                held.drain(..100);
            }
            if let Some(socket) = connect(address).await {
                opened += 1;
                held.push(socket);
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
    opened
}

/// A byte at a time, for as long as it is let.
async fn slow_head(address: SocketAddr) -> bool {
    let Some(mut socket) = connect(address).await else { return false };
    for byte in b"GET /sse/public HTTP/1.1\r\nHost: t\r\nX-Slow: ".iter().chain([b'a'; 1000].iter())
    {
        if socket.write_all(&[*byte]).await.is_err() {
            return true;
        }
        sleep(Duration::from_millis(200)).await;
    }
    false
}

async fn giant_head(address: SocketAddr) -> bool {
    let head = [&b"GET / HTTP/1.1\r\nHost: t\r\nX-Large: "[..], &vec![b'a'; 200_000]].concat();
    exchange(address, &head)
        .await
        .is_some_and(|answer| answer.is_empty() || has_status(&answer, "431"))
}

async fn garbage(address: SocketAddr) -> bool {
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(2000).collect();
    exchange(address, &noise).await.is_some()
}

async fn slow_body(address: SocketAddr) -> bool {
    let token = token("mallory", &[], &["mallory"]);
    let head = format!(
        "POST /publish/mallory HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: 1000000\r\n\r\n"
    );
    exchange(address, head.as_bytes())
        .await
        .is_some_and(|answer| has_status(&answer, "4") || has_status(&answer, "503"))
}

async fn lying_body(address: SocketAddr) -> bool {
    let token = token("mallory", &[], &["mallory"]);
    let lies = [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
         GET /admin HTTP/1.1\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Content-Length: 18446744073709551615\r\n\r\n",
        "Content-Length: -1\r\n\r\n",
    ];
    let lie = lies[fastrand::usize(..lies.len())];
    let head = format!(
        "POST /publish/mallory HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n{lie}"
    );
    exchange(address, head.as_bytes()).await.is_some()
}

/// Opens a WebSocket with a token, sends these bytes as frames, and reads to the end.
async fn websocket(address: SocketAddr, frames: &[u8]) -> Option<Vec<u8>> {
    let token = token(&format!("mallory-{}", fastrand::u8(..)), &["mallory"], &["mallory"]);
    let head = format!(
        "GET /ws/mallory?token={token} HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\
         \r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\
         \r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\
         \r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    );
    exchange(address, &[head.as_bytes(), frames].concat()).await
}

async fn oversized_frame(address: SocketAddr) -> bool {
    let mut frame = vec![0x81, 0xff];
    frame.extend((i64::MAX as u64).to_be_bytes());
    frame.extend([0; 4]);
    websocket(address, &frame).await.is_some_and(|answer| has_status(&answer, "101"))
}

async fn unmasked_frame(address: SocketAddr) -> bool {
    websocket(address, b"\x81\x05hello").await.is_some_and(|answer| has_status(&answer, "101"))
}

/// A frame whose few bytes would be many.
async fn bomb(address: SocketAddr) -> bool {
    static FRAME: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
        deflate.write_all(&vec![b' '; 50_000_000]).expect("into memory");
        let payload = deflate.finish().expect("into memory");
        let mut frame = vec![0xc2, 0xfe];
        frame.extend((payload.len() as u16).to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(payload);
        frame
    });
    let answer = websocket(address, &FRAME).await.unwrap_or_default();
    // 1009: it was noticed before it was all there.
    answer.windows(2).any(|code| code == 1009_u16.to_be_bytes())
}

/// Publishes one after the other on one connection; all of it is refused but what a rate allows.
async fn flood(address: SocketAddr, token: Option<String>) -> bool {
    let Some(mut socket) = connect(address).await else { return false };
    let channel = if token.is_some() { "mallory" } else { "public" };
    let bearer =
        token.map(|token| format!("\r\nAuthorization: Bearer {token}")).unwrap_or_default();
    let request = format!(
        "POST /publish/{channel} HTTP/1.1\r\nHost: t{bearer}\r\nContent-Length: 1\r\n\r\nx"
    );
    let mut refused = false;
    let mut answer = [0; 4096];
    for _ in 0..50 {
        if socket.write_all(request.as_bytes()).await.is_err() {
            break;
        }
        let Ok(Ok(length)) = timeout(Duration::from_secs(5), socket.read(&mut answer)).await else {
            break;
        };
        let answer = &answer[..length];
        assert!(channel != "public" || !has_status(answer, "200"), "published without a key");
        refused |= has_status(answer, "401") || has_status(answer, "429");
        sleep(Duration::from_millis(2)).await;
    }
    refused
}

/// Commands in one go, far above the rate.
async fn chatter(address: SocketAddr) -> bool {
    let command = br#"{"type":"publish","data":1}"#;
    let mut frame = vec![0x81, 0x80 | command.len() as u8, 0, 0, 0, 0];
    frame.extend(command);
    let mut frames = frame.repeat(500);
    // A close at the end, or it would stay open.
    frames.extend([0x88, 0x80, 0, 0, 0, 0]);
    let answer = websocket(address, &frames).await.unwrap_or_default();
    String::from_utf8_lossy(&answer).contains("too-fast")
}

/// Subscribes to channels that others use, and reads nothing.
async fn stalled_reader(address: SocketAddr) -> bool {
    let Some(mut socket) = connect(address).await else { return false };
    if socket
        .write_all(b"GET /sse/public?since=earliest HTTP/1.1\r\nHost: t\r\n\r\n")
        .await
        .is_err()
    {
        return false;
    }
    sleep(Duration::from_secs(1)).await;
    true
}

/// Every known trick; what each does is held by the tests of admission, here they are many.
async fn bad_tokens(address: SocketAddr) -> bool {
    let good = token("alice", &["**"], &["**"]);
    let (rest, _) = good.rsplit_once('.').expect("three parts");
    let tokens = [
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsImV4cCI6NDEwMjQ0NDgwMH0.".to_owned(),
        format!("{rest}."),
        format!("{rest}.{}", "A".repeat(43)),
        token_of(serde_json::json!({"sub": "alice", "subscribe": ["**"]}), -60),
        "x".repeat(7000),
        "..".to_owned(),
        "tricast_key_guessed".to_owned(),
    ];
    let mut refused = 0;
    for token in &tokens {
        let head = format!(
            "GET /sse/secret HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n\r\n"
        );
        let answer = exchange(address, head.as_bytes()).await.unwrap_or_default();
        assert!(!has_status(&answer, "200"), "{token} was let in");
        refused += usize::from(has_status(&answer, "401"));
        sleep(Duration::from_millis(5)).await;
    }
    refused == tokens.len()
}

/// More streams than one user may have: the others are turned away.
async fn crowd(address: SocketAddr) -> bool {
    let token = token("mallory", &["public"], &[]);
    let Some(mut socket) = connect(address).await else { return false };
    let head = format!("GET /chunked/public?token={token} HTTP/1.1\r\nHost: t\r\n\r\n");
    if socket.write_all(head.as_bytes()).await.is_err() {
        return false;
    }
    let mut answer = [0; 4096];
    let length = timeout(Duration::from_secs(5), socket.read(&mut answer)).await;
    let turned_away = matches!(length, Ok(Ok(length)) if has_status(&answer[..length], "429"));
    sleep(Duration::from_millis(500)).await;
    turned_away
}
