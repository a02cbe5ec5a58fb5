//! An upstream of bytes: a server that plays one script for each connection, and keeps what it was
//! sent.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// Ten times what anything here should take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// One thing that the server does with a connection, once it has read a request.
#[derive(Clone, Debug)]
pub(crate) enum Play {
    /// Writes these bytes in one piece.
    Write(Vec<u8>),
    /// Writes these bytes one at a time.
    Dribble(Vec<u8>),
    /// Ends the connection as TCP ends it.
    Close,
    /// Resets the connection.
    Reset,
    /// Reads the next request on this connection.
    NextRequest,
    /// Waits until the client has closed the connection, and reports it.
    AwaitClose,
}

/// What the server has seen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A request: its head and its body.
    Request(String, String),
    /// The client has closed a connection for which the script waited.
    Closed,
}

pub(crate) struct Stub {
    pub(crate) url: String,
    seen: mpsc::UnboundedReceiver<Seen>,
    scripts: Arc<Mutex<VecDeque<Vec<Play>>>>,
}

impl Stub {
    /// Serves one script for each connection, in turn.
    pub(crate) async fn serve(scripts: Vec<Vec<Play>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (sender, seen) = mpsc::unbounded_channel();
        let scripts = Arc::new(Mutex::new(VecDeque::from(scripts)));
        let left = scripts.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let script = left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(script) = script else { continue };
                tokio::spawn(play(socket, script, sender.clone()));
            }
        });
        Self { url, seen, scripts }
    }

    /// Returns what is seen next.
    pub(crate) async fn next(&mut self) -> Seen {
        let seen = timeout(PATIENCE, self.seen.recv()).await;
        seen.expect("something is seen in time").expect("the server runs")
    }

    /// Returns how many scripts were not played.
    pub(crate) fn left(&self) -> usize {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

async fn play(
    mut socket: TcpStream,
    script: Vec<Play>,
    seen: mpsc::UnboundedSender<Seen>,
) -> io::Result<()> {
    let (head, body) = read_request(&mut socket).await?;
    // A test that has seen enough listens no longer.
    let _ = seen.send(Seen::Request(head, body));
    for step in script {
        match step {
            Play::Write(bytes) => socket.write_all(&bytes).await?,
            Play::Dribble(bytes) => {
                socket.set_nodelay(true)?;
                for byte in bytes {
                    socket.write_all(&[byte]).await?;
                    tokio::task::yield_now().await;
                }
            }
            Play::Close => socket.shutdown().await?,
            Play::Reset => {
                socket.set_zero_linger()?;
                return Ok(());
            }
            Play::NextRequest => {
                let (head, body) = read_request(&mut socket).await?;
                let _ = seen.send(Seen::Request(head, body));
            }
            Play::AwaitClose => {
                let mut rest = Vec::new();
                // A reset is an end as well.
                let _ = socket.read_to_end(&mut rest).await;
                let _ = seen.send(Seen::Closed);
                return Ok(());
            }
        }
    }
    // What the client still sends is read, so that closing does not reset what was written.
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).await.map(|_| ())
}

async fn read_request(socket: &mut TcpStream) -> io::Result<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let length: usize = length.unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = &bytes[end + 4..end + 4 + length];
                return Ok((head, String::from_utf8_lossy(body).into_owned()));
            }
        }
        let mut piece = [0; 4096];
        match socket.read(&mut piece).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

/// Returns a head for a stream whose body ends with the connection.
pub(crate) fn head(content_type: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n").into()
}

/// Returns a head for a stream in chunks.
pub(crate) fn chunked_head() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    format!("{head}transfer-encoding: chunked\r\n\r\n").into()
}

/// Returns one chunk of a body; an empty one ends it.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// Returns a whole response with a status that is no success.
pub(crate) fn refusal(status: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}", body.len()).into()
}
