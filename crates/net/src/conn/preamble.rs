//! The first bytes of a connection, before HTTP/1.1 or TLS: a PROXY header, if its peer is a proxy
//! that sends one, and the preface of HTTP/2.

use std::{io, net::SocketAddr};

use bytes::{Bytes, BytesMut};
use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

/// The preface of HTTP/2 (RFC 9113 §3.4). No method of HTTP/1.1 is called PRI.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";

/// Longest PROXY header, in bytes. The format allows 65,551, but proxies send far less.
const HEADER_MAX: usize = 4096;

/// The preamble of a connection.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Preamble {
    /// The client that the proxy speaks for; `None` if it speaks for itself, or there is no header.
    pub(crate) client: Option<SocketAddr>,
    /// Whether the client used TLS towards the proxy.
    pub(crate) encrypted: bool,
    /// Whether the preface of HTTP/2 follows.
    pub(crate) http2: bool,
    /// Bytes that were read after the header, to be read again.
    pub(crate) read_ahead: Bytes,
}

impl Preamble {
    /// Reads the preamble. A PROXY header is required if `proxied`, and not accepted otherwise.
    ///
    /// # Errors
    /// When the connection ends, or lacks a required header.
    pub(crate) async fn read(stream: &mut TcpStream, proxied: bool) -> io::Result<Self> {
        if !proxied {
            // The first bytes of most connections suffice. They stay unread.
            let mut first = [0; PREFACE.len()];
            let count = stream.peek(&mut first).await?;
            if let Some(http2) = is_preface(&first[..count]) {
                return Ok(Self { http2, ..Self::default() });
            }
        }
        let mut buffer = BytesMut::with_capacity(256);
        let mut preamble = Self::default();
        if proxied {
            let length = loop {
                match ProxyHeader::parse(&buffer, ParseConfig::default()) {
                    Ok((header, length)) => {
                        preamble.client = header.proxied_address().map(|proxied| proxied.source);
                        preamble.encrypted = header.ssl().is_some_and(|ssl| ssl.client_ssl());
                        break length;
                    }
                    Err(Error::BufferTooShort) if buffer.len() < HEADER_MAX => {
                        read_more(stream, &mut buffer).await?;
                    }
                    Err(error) => return Err(missing_header(&error.to_string())),
                }
            };
            let _ = buffer.split_to(length);
        }
        preamble.http2 = loop {
            match is_preface(&buffer) {
                Some(http2) => break http2,
                None => read_more(stream, &mut buffer).await?,
            }
        };
        preamble.read_ahead = buffer.freeze();
        Ok(preamble)
    }
}

async fn read_more(stream: &mut TcpStream, buffer: &mut BytesMut) -> io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Whether `bytes` begin with the preface of HTTP/2; `None` while they are too short to tell.
fn is_preface(bytes: &[u8]) -> Option<bool> {
    let both = bytes.len().min(PREFACE.len());
    if bytes[..both] != PREFACE[..both] {
        return Some(false);
    }
    (both == PREFACE.len()).then_some(true)
}

fn missing_header(error: &str) -> io::Error {
    let message =
        format!("no PROXY header, which proxy.protocol requires of trusted proxies ({error})");
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use proxy_header::{ProxiedAddress, SslInfo, Tlv};
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    /// Reads the preamble of a connection that sends `bytes` in pieces of this length.
    async fn read_preamble(bytes: &[u8], piece: usize, proxied: bool) -> io::Result<Preamble> {
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
        let mut preamble = Preamble::read(&mut server, proxied).await;
        sent.await.expect("sent");
        let mut rest = Vec::new();
        server.read_to_end(&mut rest).await?;
        if let Ok(preamble) = &mut preamble {
            preamble.read_ahead = [&preamble.read_ahead[..], &rest].concat().into();
        }
        preamble
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
    async fn a_header_is_removed_however_it_is_cut() {
        let request = b"GET / HTTP/1.1\r\n\r\n";
        let old = b"PROXY TCP4 192.0.2.7 192.0.2.1 5678 80\r\n".to_vec();
        for header in [old, version_2(&[]), version_2(&[Tlv::Noop(3000)])] {
            let whole = [&header[..], request].concat();
            for piece in [1, 7, 16, 100, 10_000] {
                let preamble = read_preamble(&whole, piece, true).await.expect("good");
                assert_eq!(preamble.client, Some(source()));
                assert_eq!(&preamble.read_ahead[..], request, "piece {piece}");
                assert!(!preamble.http2 && !preamble.encrypted);
            }
        }
    }

    #[tokio::test]
    async fn a_proxy_may_speak_for_itself_and_report_tls() {
        let mut local = Vec::new();
        ProxyHeader::with_local().encode_v2(&mut local).expect("fits");
        for header in [local, b"PROXY UNKNOWN\r\n".to_vec()] {
            let preamble = read_preamble(&[&header[..], b"GET /"].concat(), 100, true).await;
            assert_eq!(preamble.expect("good").client, None);
        }
        let encrypted = version_2(&[Tlv::Ssl(SslInfo::new(true, false, false, 0))]);
        let preamble = read_preamble(&[&encrypted[..], b"GET /"].concat(), 100, true).await;
        assert!(preamble.expect("good").encrypted);
    }

    #[tokio::test]
    async fn a_missing_header_is_refused() {
        let long = [&b"PROXY TCP4 "[..], &[b'1'; 5000]].concat();
        for bytes in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], &long, b"PROXY TCP4 nowhere\r\n", b"\r\nX", b"PR"]
        {
            assert!(
                read_preamble(bytes, 100, true).await.is_err(),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[tokio::test]
    async fn http_2_is_detected_however_its_preface_is_cut() {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore";
        for piece in [1, 3, 14, 100] {
            let preamble = read_preamble(preface, piece, false).await.expect("good");
            assert!(preamble.http2, "piece {piece}");
            assert_eq!(&preamble.read_ahead[..], preface);
            for other in [&b"POST /"[..], b"PUT", b"PRIORITY /", b"GET"] {
                let preamble = read_preamble(other, piece, false).await.expect("good");
                assert!(!preamble.http2);
                assert_eq!(&preamble.read_ahead[..], other);
            }
        }
    }
}
