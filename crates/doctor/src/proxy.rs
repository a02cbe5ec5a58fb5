//! Which proxy it seems to be, from what each of them adds to answers and requests.

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

/// A proxy that there is advice for.
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

    /// From an answer's head: the nearest to the client, as far as it shows itself.
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

    /// From what the gateway's page tells of a request.
    pub(crate) fn from_request_info(request_info: &Value) -> Option<Self> {
        Self::detect(|name| request_info["fields"][name].as_str().map(str::to_owned), None)
    }

    /// From what arrived at the gateway, and what answers say of their server.
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
