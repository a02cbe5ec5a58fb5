//! The transport of an attack.

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tricast_tests::Certificate;

use crate::gateway::Gateway;

/// The way in which a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Clear,
    Tls,
    /// With prior knowledge (RFC 9113 §3.3).
    Http2,
    Http2OverTls,
}

/// A connection over any transport.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Transport {
    pub(crate) const ALL: [Self; 4] = [Self::Clear, Self::Tls, Self::Http2, Self::Http2OverTls];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clear => "in clear",
            Self::Tls => "TLS",
            Self::Http2 => "HTTP/2 in clear",
            Self::Http2OverTls => "HTTP/2 over TLS",
        }
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2OverTls)
    }

    pub(crate) async fn connect(self, gateway: &Gateway, certificate: &Certificate) -> Box<dyn Io> {
        let protocol = match self {
            Self::Clear | Self::Http2 => {
                return Box::new(TcpStream::connect(gateway.clear).await.expect("connects"));
            }
            Self::Tls => "http/1.1",
            Self::Http2OverTls => "h2",
        };
        let socket = TcpStream::connect(gateway.encrypted).await.expect("connects");
        let name = "localhost".try_into().expect("a name");
        let stream = certificate.connector(&[protocol]).connect(name, socket).await;
        Box::new(stream.expect("speaks TLS"))
    }
}
