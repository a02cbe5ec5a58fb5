//! What is detected between a client and the gateway: header fields that are not the gateway's,
//! and the proxies that they name.

use http::HeaderMap;
use serde_json::Value;

use crate::proxy::Proxy;

/// The beginnings of the names of response fields that are the gateway's own. Something in between
/// has added every other one.
const OWN_FIELDS: [&str; 20] = [
    "access-control-",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "keep-alive",
    "location",
    "retry-after",
    "sec-websocket-",
    "transfer-encoding",
    "tricast-",
    "upgrade",
    "vary",
    "www-authenticate",
    "x-accel-buffering",
    "x-content-type-options",
];

/// Fields that say nothing of who has added them, or whose values may be secret or long.
const VALUE_OMITTED: [&str; 5] =
    ["set-cookie", "content-security-policy", "report-to", "nel", "reporting-endpoints"];

/// Fields of requests that only proxies add.
const REQUEST_FIELDS: [&str; 8] = [
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-real-ip",
    "x-envoy-external-address",
    "cf-ray",
    "cdn-loop",
];

/// Longest value that is shown.
const VALUE_MAX: usize = 60;

/// What is detected between a client and the gateway.
#[derive(Clone, Debug, Default)]
pub(crate) struct Intermediaries {
    /// Those that are known, the nearest to the client first.
    known: Vec<Proxy>,
    /// Fields of a response that the gateway does not send.
    response_fields: Vec<String>,
    /// Names of fields of a request that only proxies add, as the gateway received them.
    request_fields: Vec<&'static str>,
}

impl Intermediaries {
    /// Reads the fields of a response.
    pub(crate) fn from_response(headers: &HeaderMap) -> Self {
        let values = |name: &str| {
            let values = headers.get_all(name).into_iter();
            values.filter_map(|value| Some(value.to_str().ok()?.to_owned())).collect::<Vec<_>>()
        };
        let mut found = Self::default();
        Proxy::by_field(headers).into_iter().for_each(|proxy| found.add(proxy));
        let named = ["server", "x-powered-by"].map(values).concat();
        named.iter().filter_map(|text| Proxy::named_in(text)).for_each(|proxy| found.add(proxy));
        found.add_via(&values("via").join(","));
        let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
        // Those that say most come first.
        names.sort_by_key(|name| (!["server", "via"].contains(name), *name));
        for name in names {
            if OWN_FIELDS.iter().any(|own| name.starts_with(own)) {
                continue;
            }
            let shown: String = values(name).join(", ").chars().take(VALUE_MAX).collect();
            found.response_fields.push(match VALUE_OMITTED.contains(&name) {
                true => spelled(name),
                false => format!("{}: {shown}", spelled(name)),
            });
        }
        found
    }

    /// Reads the fields of a request: `arrived` looks them up as the gateway received them, and
    /// `server` is the `Server` field of a response, as the client received it.
    pub(crate) fn from_request(
        arrived: impl Fn(&str) -> Option<String>,
        server: Option<&str>,
    ) -> Self {
        let mut found = Self::default();
        if let Some(server) = server.filter(|text| !text.is_empty()) {
            found.response_fields.push(format!("Server: {server}"));
            Proxy::named_in(server).into_iter().for_each(|proxy| found.add(proxy));
        }
        if arrived("x-envoy-external-address").is_some() {
            found.add(Proxy::Envoy);
        }
        found.add_via(&arrived("via").unwrap_or_default());
        let fields = REQUEST_FIELDS.into_iter().filter(|name| arrived(name).is_some());
        found.request_fields.extend(fields);
        found
    }

    /// Adds what the headers of a request reveal, as the gateway received them.
    pub(crate) fn add_request_info(&mut self, request_info: &Value) {
        let arrived = |name: &str| request_info["fields"][name].as_str().map(str::to_owned);
        let Self { known, request_fields, .. } = Self::from_request(arrived, None);
        known.into_iter().for_each(|proxy| self.add(proxy));
        self.request_fields = request_fields;
    }

    /// Adds the proxies that `Via` names. Each appends its own name, so that the last one is the
    /// nearest to the reader of the field.
    fn add_via(&mut self, via: &str) {
        via.rsplit(',').filter_map(Proxy::named_in).for_each(|proxy| self.add(proxy));
    }

    fn add(&mut self, proxy: Proxy) {
        if !self.known.contains(&proxy) {
            self.known.push(proxy);
        }
    }

    /// Those that are known, the nearest to the client first.
    pub(crate) fn known(&self) -> &[Proxy] {
        &self.known
    }

    /// Whether nothing says who it is. A proxy that adds no fields, such as HAProxy, may be there.
    pub(crate) fn is_unnamed(&self) -> bool {
        let names_itself = self.request_fields.iter().any(|name| ["via", "cf-ray"].contains(name));
        self.known.is_empty() && self.response_fields.is_empty() && !names_itself
    }

    /// Whether anything is certainly there.
    pub(crate) fn are_present(&self) -> bool {
        !self.is_unnamed() || !self.request_fields.is_empty()
    }

    /// Names what is there, or the fields that show it.
    pub(crate) fn names(&self) -> Option<String> {
        let names: Vec<_> = self.known.iter().map(|proxy| proxy.name()).collect();
        match names.is_empty() {
            false => Some(names.join(", ")),
            true => self.response_fields.first().cloned(),
        }
    }

    /// Describes what was found, with the fields that show it.
    pub(crate) fn describe(&self) -> String {
        let names: Vec<_> = self.known.iter().map(|proxy| proxy.name()).collect();
        let arriving: Vec<_> = self.request_fields.iter().map(|name| spelled(name)).collect();
        let mut fields = self.response_fields.clone();
        if !arriving.is_empty() {
            fields.push(format!("the gateway receives {}", arriving.join(", ")));
        }
        let fields = fields.join("; ");
        match (self.is_unnamed(), self.are_present(), names.is_empty()) {
            (_, false, _) => "no proxy detected".to_owned(),
            (true, true, _) => {
                format!("a proxy that does not say which one it is is in between ({fields})")
            }
            (false, _, true) => format!("in between, by its header fields: {fields}"),
            (false, _, false) if fields.is_empty() => {
                format!("in between: {}", names.join(", "))
            }
            (false, _, false) => format!("in between: {} ({fields})", names.join(", ")),
        }
    }
}

/// Spells the name of a field as people do.
fn spelled(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(fields: &[(&'static str, &'static str)]) -> Intermediaries {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().expect("a value"));
        }
        Intermediaries::from_response(&headers)
    }

    #[test]
    fn a_gateway_alone_shows_nothing() {
        let own = [("content-type", "application/json"), ("vary", "origin"), ("date", "now")];
        let own = found(&own);
        assert!(own.is_unnamed() && !own.are_present());
        assert_eq!(own.describe(), "no proxy detected");
        assert_eq!(own.names(), None);
    }

    #[test]
    fn every_field_that_is_not_the_gateways_is_shown() {
        let squid = [("via", "1.1 vm (squid/5.7)"), ("x-cache", "MISS from vm")];
        let squid = found(&squid);
        assert_eq!(squid.known(), [Proxy::Squid]);
        assert_eq!(
            squid.describe(),
            "in between: Squid (Via: 1.1 vm (squid/5.7); X-Cache: MISS from vm)"
        );
        let unknown = found(&[("server", "gws"), ("set-cookie", "AWSALB=secret")]);
        assert!(!unknown.is_unnamed());
        assert_eq!(unknown.describe(), "in between, by its header fields: Server: gws; Set-Cookie");
        assert_eq!(unknown.names().as_deref(), Some("Server: gws"));
    }

    #[test]
    fn the_nearest_proxy_comes_first() {
        let chain = [("via", "1.1 nginx, 1.1 varnish"), ("cf-ray", "1")];
        assert_eq!(found(&chain).known(), [Proxy::Cloudflare, Proxy::Varnish, Proxy::Nginx]);
    }

    #[test]
    fn a_proxy_that_only_forwards_an_address_is_there_but_unnamed() {
        let mut quiet = Intermediaries::default();
        quiet.add_request_info(&serde_json::json!({"fields": {"x-forwarded-for": "192.0.2.1"}}));
        assert!(quiet.is_unnamed() && quiet.are_present());
        assert!(quiet.describe().contains("the gateway receives X-Forwarded-For"), "{quiet:?}");
        assert!(!quiet.describe().contains("192.0.2.1"), "{quiet:?}");
    }
}
