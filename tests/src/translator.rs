//! HTTP/1.1 from plain clients, HTTP/2 to the gateway: each client connection is a stream of one
//! shared connection.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::SendRequest, ext::Protocol};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, tcp::OwnedReadHalf},
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The connection that they share.
pub(crate) struct Translator(SendRequest<Bytes>);

/// A request's head, as a plain client sends it.
struct Asked {
    request: Request<()>,
    key: Option<String>,
    length: Option<usize>,
    chunked: bool,
}

impl Translator {
    pub(crate) async fn connect(connector: &TlsConnector, there: SocketAddr) -> Self {
        let socket = crate::bridge::connect(there).await.expect("connects");
        let name = "localhost".try_into().expect("a name");
        let stream = connector.connect(name, socket).await.expect("speaks TLS");
        let mut builder = h2::client::Builder::new();
        builder.initial_connection_window_size(16 << 20);
        let (sender, connection) = builder.handshake(stream).await.expect("speaks HTTP/2");
        tokio::spawn(async move {
            // It ends with the gateway.
            let _ = connection.await;
        });
        Self(sender.ready().await.expect("is open"))
    }

    /// Carries one client's request; its connection then ends.
    pub(crate) fn carry(&mut self, client: TcpStream) -> impl Future<Output = ()> + use<> {
        let sender = self.0.clone();
        async move {
            let (mut from, mut to) = client.into_split();
            let mut early = Vec::new();
            let Some(asked) = read_head(&mut from, &mut early).await else { return };
            let Ok(mut sender) = sender.ready().await else { return };
            let bodiless = asked.key.is_none() && asked.length.is_none() && !asked.chunked;
            let Ok((answer, send)) = sender.send_request(asked.request, bodiless) else { return };
            let upgrades = asked.key.is_some();
            let upload = tokio::spawn(upload(
                from,
                early,
                send,
                asked.length,
                asked.chunked,
                upgrades,
                bodiless,
            ));
            let relay = async {
                let Ok(answer) = answer.await else { return };
                let (head, framed) = head_of(&answer, asked.key.as_deref());
                if to.write_all(head.as_bytes()).await.is_err() {
                    return;
                }
                let whole = download(answer.into_body(), &mut to, framed).await;
                if whole {
                    let _ = to.shutdown().await;
                }
            };
            let abort = upload.abort_handle();
            tokio::select! {
                () = relay => {}
                // The client has gone.
                _ = upload => {}
            }
            abort.abort();
        }
    }
}

async fn read_head(from: &mut OwnedReadHalf, early: &mut Vec<u8>) -> Option<Asked> {
    let end = loop {
        if let Some(at) = early.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if from.read_buf(early).await.ok()? == 0 {
            return None;
        }
    };
    let head: Vec<u8> = early.drain(..end).collect();
    let head = String::from_utf8(head).expect("ASCII");
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?, first.next()?);
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a field");
        let name: http::HeaderName = name.parse().expect("a name");
        let value = http::HeaderValue::from_bytes(value.trim().as_bytes());
        headers.append(name, value.expect("a value"));
    }
    let text = |name| {
        headers.get(name).map(|value: &http::HeaderValue| value.to_str().expect("ASCII").to_owned())
    };
    let host = text(header::HOST).unwrap_or_else(|| "t".to_owned());
    let key = text(header::SEC_WEBSOCKET_KEY);
    let length = text(header::CONTENT_LENGTH).map(|length| length.parse().expect("a number"));
    let chunked = text(header::TRANSFER_ENCODING).is_some();
    let method = if key.is_some() { Method::CONNECT } else { method.parse().expect("a method") };
    for name in [
        header::HOST,
        header::CONNECTION,
        header::UPGRADE,
        header::TRANSFER_ENCODING,
        header::SEC_WEBSOCKET_KEY,
    ] {
        headers.remove(name);
    }
    let mut request = Request::builder().method(method).uri(format!("https://{host}{path}"));
    if key.is_some() {
        request = request.extension(Protocol::from_static("websocket"));
    }
    let mut request = request.body(()).expect("a request");
    *request.headers_mut() = headers;
    Some(Asked { request, key, length, chunked })
}

/// The answer's head in HTTP/1.1, and whether its body goes out in chunks.
fn head_of(answer: &Response<RecvStream>, key: Option<&str>) -> (String, bool) {
    let upgraded = key.filter(|_| answer.status() == StatusCode::OK);
    let mut head = match upgraded {
        Some(key) => {
            let accept = derive_accept_key(key.as_bytes());
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n"
            )
        }
        None => format!("HTTP/1.1 {}\r\n", answer.status()),
    };
    for (name, value) in answer.headers() {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().expect("ASCII")));
    }
    let framed = upgraded.is_none()
        && !answer.headers().contains_key(header::CONTENT_LENGTH)
        && !answer.body().is_end_stream();
    if framed {
        head.push_str("transfer-encoding: chunked\r\n");
    }
    head.push_str("\r\n");
    (head, framed)
}

/// Tells whether the body has come to its end.
async fn download(
    mut body: RecvStream,
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    framed: bool,
) -> bool {
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return false };
        let bytes = match framed {
            true => [format!("{:X}\r\n", data.len()).as_bytes(), &data, b"\r\n"].concat(),
            false => data.to_vec(),
        };
        if to.write_all(&bytes).await.is_err() {
            return false;
        }
        // Only what the client has room for is asked for.
        let _ = body.flow_control().release_capacity(data.len());
    }
    !framed || to.write_all(b"0\r\n\r\n").await.is_ok()
}

/// Carries what the client says, and ends when it has gone.
async fn upload(
    mut from: OwnedReadHalf,
    early: Vec<u8>,
    mut send: SendStream<Bytes>,
    mut left: Option<usize>,
    chunked: bool,
    upgraded: bool,
    ended: bool,
) {
    let mut bytes = early;
    let mut chunks = Chunks::default();
    let mut ended = ended;
    loop {
        let heard = std::mem::take(&mut bytes);
        if !ended {
            let (data, end) = match (&mut left, chunked) {
                (_, true) => chunks.read(&heard),
                (Some(left), _) => {
                    let count = heard.len().min(*left);
                    *left -= count;
                    (heard[..count].to_vec(), *left == 0)
                }
                (None, false) => (heard, !upgraded),
            };
            if (!data.is_empty() || end) && send.send_data(data.into(), end).is_err() {
                return;
            }
            ended = end;
        }
        match from.read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) if upgraded && !ended => {
                ended = true;
                let _ = send.send_data(Bytes::new(), true);
                // The other side says when it is over.
                std::future::pending::<()>().await;
            }
            _ => return,
        }
    }
}

/// Takes chunks (RFC 9112 §7.1) apart.
#[derive(Default)]
struct Chunks(Vec<u8>);

impl Chunks {
    fn read(&mut self, heard: &[u8]) -> (Vec<u8>, bool) {
        self.0.extend_from_slice(heard);
        let mut data = Vec::new();
        loop {
            let Some(at) = self.0.windows(2).position(|window| window == b"\r\n") else {
                return (data, false);
            };
            let size = std::str::from_utf8(&self.0[..at]).expect("ASCII");
            let size = usize::from_str_radix(size, 16).expect("a chunk size");
            if self.0.len() < at + 2 + size + 2 {
                return (data, false);
            }
            data.extend_from_slice(&self.0[at + 2..at + 2 + size]);
            self.0.drain(..at + 2 + size + 2);
            if size == 0 {
                return (data, true);
            }
        }
    }
}
