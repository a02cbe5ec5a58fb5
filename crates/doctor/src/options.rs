//! Where the gateway is to be found, and as whom.

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::Context as _;
use http::Uri;

/// What to examine, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where clients reach the gateway.
    pub gateway: GatewayUrl,
    /// A token or API key, if the gateway wants one.
    pub token: Option<String>,
    /// A channel to publish test messages to; a new one if there is none.
    pub channel: Option<String>,
    /// A file of certificates to believe in, in PEM, instead of those that the system believes in.
    pub ca_file: Option<PathBuf>,
    /// For how long to watch idle streams; not at all, if zero.
    pub idle: Duration,
}

/// The address of a gateway, with its `base_path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUrl {
    encrypted: bool,
    host: String,
    port: u16,
    /// Host and port as the URL has them.
    authority: String,
    base_path: String,
}

impl std::str::FromStr for GatewayUrl {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let example = "write it as https://example.com, with the gateway's base_path behind it if there is one";
        let uri: Uri = text.parse().with_context(|| format!("{text:?} is no URL; {example}"))?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => anyhow::bail!("{text:?} begins with neither https:// nor http://; {example}"),
        };
        let authority =
            uri.authority().with_context(|| format!("{text:?} names no host; {example}"))?;
        anyhow::ensure!(uri.query().is_none(), "{text:?} has a query; give a token by --token");
        anyhow::ensure!(
            !authority.as_str().contains('@'),
            "{text:?} has a name or password; give a token by --token"
        );
        // As browsers write an origin: in small letters, without the scheme's own port.
        let named = authority.host().to_ascii_lowercase();
        let own = if encrypted { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(own);
        let authority = if port == own { named.clone() } else { format!("{named}:{port}") };
        let host = named.trim_matches(['[', ']']).to_owned();
        let base_path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { encrypted, host, port, authority, base_path })
    }
}

impl fmt::Display for GatewayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url(""))
    }
}

impl GatewayUrl {
    pub(crate) fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As a browser names the pages of this place (RFC 6454).
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.encrypted { "https" } else { "http" }, self.authority)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin(), self.base_path)
    }

    pub(crate) fn websocket_url(&self, path: &str) -> String {
        let scheme = if self.encrypted { "wss" } else { "ws" };
        format!("{scheme}://{}{}{path}", self.authority, self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_url_has_no_query() {
        let gateway: GatewayUrl = "https://example.com/realtime/".parse().expect("one");
        assert_eq!(gateway.url("/sse/a"), "https://example.com/realtime/sse/a");
        assert_eq!(gateway.websocket_url("/ws/a"), "wss://example.com/realtime/ws/a");
        assert_eq!((gateway.host(), gateway.port()), ("example.com", 443));
        let local: GatewayUrl = "http://[::1]:8080".parse().expect("one");
        assert_eq!(
            (local.host(), local.port(), local.origin().as_str()),
            ("::1", 8080, "http://[::1]:8080")
        );
        let plain: GatewayUrl = "http://LOCALHOST:80".parse().expect("one");
        assert_eq!(plain.url("/sse/a"), "http://localhost/sse/a");
        for bad in ["example.com", "ftp://a", "https://a?token=x", "", "https://", "http://u:p@a"] {
            assert!(bad.parse::<GatewayUrl>().is_err(), "{bad}");
        }
    }
}
