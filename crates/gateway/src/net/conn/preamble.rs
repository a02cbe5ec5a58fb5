//! What a connection begins with, before HTTP/1.1 or TLS: a PROXY header, if its peer is a proxy that sends one, and the preface of HTTP/2.

use std::{io, net::SocketAddr};

use bytes::{Bytes, BytesMut};
use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// What a client of HTTP/2 says first (RFC 9113 §3.4). No method of HTTP/1.1 is called PRI.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// A header of version 2 may be as long as 65,551 bytes; what proxies send is far below this.
const LONGEST: usize = 4096;

/// What was said first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Of whom the proxy speaks; `None` if it speaks for itself, or there is none.
    pub(crate) client: Option<SocketAddr>,
    /// The client spoke TLS with the proxy.
    pub(crate) encrypted: bool,
    /// It goes on in HTTP/2, or so it seems.
    pub(crate) http2: bool,
    /// What was read behind the header, to be read again.
    pub(crate) ahead: Bytes,
}

impl Greeting {
    /// Reads as much as it takes; `proxied` says that a header has to come, and may not else.
    ///
    /// # Errors
    /// When the connection ends, or begins with anything but the header that it has to begin with.
    pub(crate) async fn read(stream: &mut TcpStream, proxied: bool) -> io::Result<Self> {
        if !proxied {
            // Most connections say at once what they are. The bytes stay where they are.
            let mut first = [0; PREFACE.len()];
            let count = stream.peek(&mut first).await?;
            if let Some(http2) = is_preface(&first[..count]) {
                return Ok(Self { http2, ..Self::default() });
            }
        }
        let mut heard = BytesMut::with_capacity(256);
        let mut greeting = Self::default();
        if proxied {
            let length = loop {
                match ProxyHeader::parse(&heard, ParseConfig::default()) {
                    Ok((header, length)) => {
                        greeting.client = header.proxied_address().map(|proxied| proxied.source);
                        greeting.encrypted = header.ssl().is_some_and(|ssl| ssl.client_ssl());
                        break length;
                    }
                    Err(Error::BufferTooShort) if heard.len() < LONGEST => {
                        read_more(stream, &mut heard).await?;
                    }
                    Err(error) => return Err(no_header(&error.to_string())),
                }
            };
            let _ = heard.split_to(length);
        }
        greeting.http2 = loop {
            match is_preface(&heard) {
                Some(http2) => break http2,
                None => read_more(stream, &mut heard).await?,
            }
        };
        greeting.ahead = heard.freeze();
        Ok(greeting)
    }
}

async fn read_more(stream: &mut TcpStream, heard: &mut BytesMut) -> io::Result<()> {
    match stream.read_buf(heard).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Whether these are the first bytes of HTTP/2; `None` while they may be.
fn is_preface(bytes: &[u8]) -> Option<bool> {
    let both = bytes.len().min(PREFACE.len());
    if bytes[..both] != PREFACE[..both] {
        return Some(false);
    }
    (both == PREFACE.len()).then_some(true)
}

fn no_header(error: &str) -> io::Error {
    let what = format!("no PROXY header from a trusted proxy, as proxy.protocol demands ({error})");
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use proxy_header::{ProxiedAddress, SslInfo, Tlv};
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Reads a greeting that comes in the pieces that `cuts` make of `bytes`.
    async fn greet(bytes: &[u8], piece: usize, proxied: bool) -> io::Result<Greeting> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let mut client = TcpStream::connect(listener.local_addr()?).await?;
        client.set_nodelay(true)?;
        let (mut server, _) = listener.accept().await?;
        let bytes = bytes.to_vec();
        let sent = tokio::spawn(async move {
            for piece in bytes.chunks(piece) {
                client.write_all(piece).await.expect("takes it");
                tokio::task::yield_now().await;
            }
            client.shutdown().await.expect("ends");
        });
        let mut greeting = Greeting::read(&mut server, proxied).await;
        sent.await.expect("sent");
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await?;
        if let Ok(greeting) = &mut greeting {
            greeting.ahead = [&greeting.ahead[..], &rest].concat().into();
        }
        greeting
    }

    fn source() -> SocketAddr {
        "192.0.2.7:5678".parse().expect("an address")
    }

    fn version_2(tlvs: &[Tlv<'static>]) -> Vec<u8> {
        let addresses = ProxiedAddress::stream(source(), "192.0.2.1:80".parse().expect("one"));
        let mut bytes = Vec::new();
        let header = ProxyHeader::with_tlvs(Some(addresses), tlvs.iter().cloned());
        header.encode_v2(&mut bytes).expect("fits");
        bytes
    }

    #[tokio::test]
    async fn a_header_is_taken_off_however_it_is_cut() {
        let request = b"GET / HTTP/1.1\r\n\r\n";
        let old = b"PROXY TCP4 192.0.2.7 192.0.2.1 5678 80\r\n".to_vec();
        for header in [old, version_2(&[]), version_2(&[Tlv::Noop(3000)])] {
            let whole = [&header[..], request].concat();
            for piece in [1, 7, 16, 100, 10_000] {
                let greeting = greet(&whole, piece, true).await.expect("good");
                assert_eq!(greeting.client, Some(source()));
                assert_eq!(&greeting.ahead[..], request, "piece {piece}");
                assert!(!greeting.http2 && !greeting.encrypted);
            }
        }
    }

    #[tokio::test]
    async fn a_proxy_speaks_for_itself_and_tells_of_tls() {
        let mut local = Vec::new();
        ProxyHeader::with_local().encode_v2(&mut local).expect("fits");
        for header in [local, b"PROXY UNKNOWN\r\n".to_vec()] {
            let greeting = greet(&[&header[..], b"GET /"].concat(), 100, true).await;
            assert_eq!(greeting.expect("good").client, None);
        }
        let encrypted = version_2(&[Tlv::Ssl(SslInfo::new(true, false, false, 0))]);
        let greeting = greet(&[&encrypted[..], b"GET /"].concat(), 100, true).await;
        assert!(greeting.expect("good").encrypted);
    }

    #[tokio::test]
    async fn who_has_to_send_a_header_and_does_not_is_refused() {
        let long = [&b"PROXY TCP4 "[..], &[b'1'; 5000]].concat();
        for bytes in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], &long, b"PROXY TCP4 nowhere\r\n", b"\r\nX", b"PR"]
        {
            assert!(greet(bytes, 100, true).await.is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[tokio::test]
    async fn http_2_shows_by_its_preface_however_it_is_cut() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore";
        for piece in [1, 3, 14, 100] {
            let greeting = greet(preface, piece, false).await.expect("good");
            assert!(greeting.http2, "piece {piece}");
            assert_eq!(&greeting.ahead[..], preface);
            for other in [&b"POST /"[..], b"PUT", b"PRIORITY /", b"GET"] {
                let greeting = greet(other, piece, false).await.expect("good");
                assert!(!greeting.http2);
                assert_eq!(&greeting.ahead[..], other);
            }
        }
    }
}
