//! Known proxies: those that advice has sentences of their own for.

use http::HeaderMap;
use serde::Serialize;

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
    Squid,
    Nghttpx,
    Express,
    Cloudflare,
    Cloudfront,
}

/// Words by which proxies name themselves, in lower case.
const WORDS: [(&str, Proxy); 14] = [
    ("nginx", Proxy::Nginx),
    ("openresty", Proxy::Nginx),
    ("haproxy", Proxy::Haproxy),
    ("caddy", Proxy::Caddy),
    ("apache", Proxy::Apache),
    ("varnish", Proxy::Varnish),
    ("lighttpd", Proxy::Lighttpd),
    ("traefik", Proxy::Traefik),
    ("envoy", Proxy::Envoy),
    ("squid", Proxy::Squid),
    ("nghttpx", Proxy::Nghttpx),
    ("express", Proxy::Express),
    ("cloudflare", Proxy::Cloudflare),
    ("cloudfront", Proxy::Cloudfront),
];

/// Header fields that only one proxy sends.
const FIELDS: [(&str, Proxy); 3] = [
    ("cf-ray", Proxy::Cloudflare),
    ("x-amz-cf-id", Proxy::Cloudfront),
    ("x-varnish", Proxy::Varnish),
];

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
            Proxy::Squid => "Squid",
            Proxy::Nghttpx => "nghttpx",
            Proxy::Express => "Express",
            Proxy::Cloudflare => "Cloudflare",
            Proxy::Cloudfront => "CloudFront",
        }
    }

    /// Detects a proxy by a field that only it sends.
    pub(crate) fn by_field(headers: &HeaderMap) -> Vec<Self> {
        let known = FIELDS.into_iter().filter(|(name, _)| headers.contains_key(*name));
        known.map(|(_, proxy)| proxy).collect()
    }

    /// Detects a proxy by its name in a text.
    pub(crate) fn named_in(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        WORDS.into_iter().find(|(word, _)| text.contains(word)).map(|(_, proxy)| proxy)
    }
}
