//! Detects proxies by the headers that they add to requests and responses.

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

/// A proxy with advice of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Proxy {
    Nginx,
    Haproxy,
    Caddy,
    Apache,
    Varnish,
    Lighttpd,
    Traefik,
    Envoy,
    Cloudflare,
    Cloudfront,
}

impl Proxy {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Proxy::Nginx => "nginx",
            Proxy::Haproxy => "HAProxy",
            Proxy::Caddy => "Caddy",
            Proxy::Apache => "Apache httpd",
            Proxy::Varnish => "Varnish",
            Proxy::Lighttpd => "lighttpd",
            Proxy::Traefik => "Traefik",
            Proxy::Envoy => "Envoy",
            Proxy::Cloudflare => "Cloudflare",
            Proxy::Cloudfront => "CloudFront",
        }
    }

    /// Detects the proxy nearest to the client, by the headers of a response.
    pub(crate) fn from_response(headers: &HeaderMap) -> Option<Self> {
        let field = |name: &str| {
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.collect::<Vec<_>>().join(", ").to_ascii_lowercase()
        };
        if headers.contains_key("cf-ray") {
            return Some(Proxy::Cloudflare);
        }
        if headers.contains_key("x-amz-cf-id") {
            return Some(Proxy::Cloudfront);
        }
        if headers.contains_key("x-varnish") {
            return Some(Proxy::Varnish);
        }
        Self::named_in(&field("server")).or_else(|| Self::named_in(&field("via")))
    }

    /// Detects a proxy by the headers of a request, as the gateway received them.
    pub(crate) fn from_request_info(request_info: &Value) -> Option<Self> {
        Self::detect(|name| request_info["fields"][name].as_str().map(str::to_owned), None)
    }

    /// Detects a proxy by request headers at the gateway, and by the `Server` header of a response.
    pub(crate) fn detect(
        arrived: impl Fn(&str) -> Option<String>,
        server: Option<&str>,
    ) -> Option<Self> {
        if arrived("x-envoy-external-address").is_some() {
            return Some(Proxy::Envoy);
        }
        let via = arrived("via").unwrap_or_default();
        let server = server.unwrap_or_default().to_ascii_lowercase();
        Self::named_in(&server).or_else(|| Self::named_in(&via.to_ascii_lowercase()))
    }

    fn named_in(text: &str) -> Option<Self> {
        let known = [
            ("nginx", Proxy::Nginx),
            ("openresty", Proxy::Nginx),
            ("haproxy", Proxy::Haproxy),
            ("caddy", Proxy::Caddy),
            ("apache", Proxy::Apache),
            ("varnish", Proxy::Varnish),
            ("lighttpd", Proxy::Lighttpd),
            ("traefik", Proxy::Traefik),
            ("envoy", Proxy::Envoy),
            ("cloudflare", Proxy::Cloudflare),
            ("cloudfront", Proxy::Cloudfront),
        ];
        known.into_iter().find(|(name, _)| text.contains(name)).map(|(_, proxy)| proxy)
    }
}
