//! Options of an examination.

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::Context as _;
use http::Uri;

/// The gateway to examine, and how to examine it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The URL by which clients reach the gateway.
    pub gateway: GatewayUrl,
    /// A token or API key, if the gateway requires one.
    pub token: Option<String>,
    /// The channel of test messages; `None` creates a new one.
    pub channel: Option<String>,
    /// A PEM file of certificates to trust, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Time for which silent streams are watched; zero skips that.
    pub idle: Duration,
}

/// The URL of a gateway, with its `base_path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUrl {
    encrypted: bool,
    host: String,
    port: u16,
    /// Host and port, as the URL has them.
    authority: String,
    base_path: String,
}

impl std::str::FromStr for GatewayUrl {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let example = example(text);
        let uri: Uri = text.parse().with_context(|| format!("{text:?} is not a URL; {example}"))?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => anyhow::bail!("{text:?} begins with neither https:// nor http://; {example}"),
        };
        let authority =
            uri.authority().with_context(|| format!("{text:?} has no host; {example}"))?;
        anyhow::ensure!(uri.query().is_none(), "{text:?} has a query; pass a token with --token");
        anyhow::ensure!(
            !authority.as_str().contains('@'),
            "{text:?} has a user name or password; pass a token with --token"
        );
        // Browsers write an origin in lower case, without the default port.
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

    /// Returns the origin of the URL (RFC 6454).
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

/// Says how to write a URL that was written as `text`.
fn example(text: &str) -> String {
    let is_bare = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && !text.contains("://")
        && !text.contains(char::is_whitespace);
    if !is_bare {
        return "write it as https://example.com, followed by the gateway's base_path".to_owned();
    }
    let authority = text.split('/').next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, _)) if !authority.ends_with(']') => host,
        _ => authority,
    };
    // Certificates are rare for an address, and for a name without a domain.
    let is_local = !host.contains('.') || host.parse::<std::net::IpAddr>().is_ok();
    let scheme = if is_local && !authority.ends_with(":443") { "http" } else { "https" };
    format!("write {scheme}://{text}")
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
        for (text, advice) in [
            ("localhost:8080", "write http://localhost:8080"),
            ("localhost:8080/realtime", "write http://localhost:8080/realtime"),
            ("127.0.0.1:8080", "write http://127.0.0.1:8080"),
            ("[::1]:8080", "write http://[::1]:8080"),
            ("gateway", "write http://gateway"),
            ("example.com", "write https://example.com"),
            ("localhost:443", "write https://localhost:443"),
            ("ftp://a", "write it as https://example.com"),
            ("", "write it as https://example.com"),
        ] {
            let error = format!("{:#}", text.parse::<GatewayUrl>().expect_err(text));
            assert!(error.contains(advice), "{text}: {error}");
        }
    }
}
