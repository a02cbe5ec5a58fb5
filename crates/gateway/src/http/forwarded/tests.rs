//! The client's address by either family of fields, which no client can forge.

use super::*;

fn proxy(fields: ForwardedFields) -> Proxy {
    let trusted = ["127.0.0.0/8", "10.0.0.0/8", "unix"].map(|text| text.parse().expect("fits"));
    Proxy { trusted: trusted.into(), fields, protocol: false }
}

fn fields(name: &'static str, values: &[&str]) -> HeaderMap {
    let value = |value: &&str| (name, value.parse::<HeaderValue>().expect("a field"));
    let mut headers = HeaderMap::new();
    for (name, value) in values.iter().map(value) {
        headers.append(name, value);
    }
    headers
}

fn peer(text: &str) -> Peer {
    match text {
        "unix" => Peer::Unix,
        _ => Peer::Ip(SocketAddr::new(text.parse().expect("an address"), 1234)),
    }
}

fn of(from: &str, forwarded: &[&str]) -> Option<String> {
    let headers = fields("x-forwarded-for", forwarded);
    let address = client_address(peer(from), &headers, &proxy(ForwardedFields::XForwarded));
    address.map(|address| address.to_string())
}

fn of_forwarded(from: &str, forwarded: &[&str]) -> Option<String> {
    let headers = fields("forwarded", forwarded);
    let address = client_address(peer(from), &headers, &proxy(ForwardedFields::Forwarded));
    address.map(|address| address.to_string())
}

#[test]
fn the_nearest_that_is_no_proxy_is_the_client() {
    let is = |from, forwarded: &[&str], client: &str| {
        assert_eq!(of(from, forwarded).as_deref(), Some(client), "{from} {forwarded:?}");
    };
    is("192.0.2.7", &[], "192.0.2.7");
    is("::ffff:192.0.2.7", &[], "192.0.2.7");
    is("127.0.0.1", &["192.0.2.7"], "192.0.2.7");
    is("10.1.1.1", &["192.0.2.7, 10.2.2.2"], "192.0.2.7");
    is("10.1.1.1", &["192.0.2.7:5678"], "192.0.2.7");
    is("10.1.1.1", &["[2001:db8::1]:5678"], "2001:db8::1");
    is("unix", &["198.51.100.1, 192.0.2.7"], "192.0.2.7");
}

#[test]
fn the_same_with_the_field_of_rfc_7239() {
    let is = |from, forwarded: &[&str], client: &str| {
        assert_eq!(of_forwarded(from, forwarded).as_deref(), Some(client), "{from} {forwarded:?}");
    };
    is("192.0.2.7", &["for=198.51.100.1"], "192.0.2.7");
    is("127.0.0.1", &["for=192.0.2.7"], "192.0.2.7");
    is("10.1.1.1", &["For=192.0.2.7;proto=https;by=10.1.1.1, for=10.2.2.2"], "192.0.2.7");
    is("10.1.1.1", &["for=198.51.100.1, for=192.0.2.7"], "192.0.2.7");
    is("10.1.1.1", &["for=198.51.100.1", "for=192.0.2.7"], "192.0.2.7");
    is("10.1.1.1", &["for=\"[2001:db8::1]:4711\";host=\"a,b;c\""], "2001:db8::1");
    is("10.1.1.1", &["for=\"192.0.2.7:5678\""], "192.0.2.7");
    is("unix", &["for=192.0.2.7"], "192.0.2.7");
    // A quote left open in front does not hide what the proxy has written after it.
    is("10.1.1.1", &["for=\"198.51.100.1, for=192.0.2.7"], "192.0.2.7");
    is("10.1.1.1", &["for=198.51.100.1, for=192.0.2.7, , "], "192.0.2.7");
    assert_eq!(of_forwarded("10.1.1.1", &[]), None);
}

/// Trusted proxies, and loopback, are never counted as clients.
#[test]
fn a_client_that_no_proxy_names_has_no_address() {
    for from in ["10.1.1.1", "127.0.0.1", "unix"] {
        for text in [
            "for=unknown",
            "for=_hidden, for=10.2.2.2",
            "proto=https",
            "for=192.0.2.7, for=\"\u{e9}\"",
        ] {
            assert_eq!(of_forwarded(from, &[text]), None, "{from} {text}");
        }
        for text in ["unknown", "192.0.2.7, unknown", "unknown, 10.2.2.2", ""] {
            assert_eq!(of(from, &[text]), None, "{from} {text}");
        }
        assert_eq!(of(from, &["192.0.2.7, , "]).as_deref(), Some("192.0.2.7"));
    }
}

#[test]
fn only_the_family_that_is_set_counts() {
    let both = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=192.0.2.7")];
    let value = |(name, text): (&'static str, &str)| {
        (axum::http::HeaderName::from_static(name), text.parse::<HeaderValue>().expect("a field"))
    };
    let headers: HeaderMap = both.into_iter().map(value).collect();
    let by = |fields| {
        client_address(peer("10.1.1.1"), &headers, &proxy(fields))
            .map(|address| address.to_string())
    };
    assert_eq!(by(ForwardedFields::XForwarded).as_deref(), Some("198.51.100.1"));
    assert_eq!(by(ForwardedFields::Forwarded).as_deref(), Some("192.0.2.7"));
}

#[test]
fn a_client_cannot_forge_its_address() {
    assert_eq!(of("192.0.2.7", &["198.51.100.1"]).as_deref(), Some("192.0.2.7"));
    assert_eq!(of("10.1.1.1", &["198.51.100.1, 192.0.2.7"]).as_deref(), Some("192.0.2.7"));
    assert_eq!(of("10.1.1.1", &["198.51.100.1", "192.0.2.7"]).as_deref(), Some("192.0.2.7"));
    let distrusting = Proxy { trusted: Vec::new(), ..proxy(ForwardedFields::XForwarded) };
    let headers = fields("x-forwarded-for", &["198.51.100.1"]);
    assert_eq!(client_address(Peer::Unix, &headers, &distrusting), None);
}

#[test]
fn loopback_and_proxies_that_name_no_client_are_not_clients() {
    assert_eq!(of("127.0.0.1", &[]), None);
    assert_eq!(of("unix", &[]), None);
    assert_eq!(of("10.1.1.1", &["10.2.2.2"]), None);
}

#[test]
fn an_unreadable_hop_does_not_hide_a_nearer_client() {
    assert_eq!(of("10.1.1.1", &["unknown, 192.0.2.7"]).as_deref(), Some("192.0.2.7"));
    let mut headers = HeaderMap::new();
    let bytes = HeaderValue::from_bytes(b"\xe9, 192.0.2.7").expect("a field");
    headers.append("x-forwarded-for", bytes);
    let client = client_address(peer("10.1.1.1"), &headers, &proxy(ForwardedFields::XForwarded));
    assert_eq!(client.map(|address| address.to_string()).as_deref(), Some("192.0.2.7"));
}

#[test]
fn the_scheme_and_the_host_are_what_the_nearest_proxy_says() {
    let x = |name, value| fields(name, &[value]);
    let old = ForwardedFields::XForwarded;
    assert_eq!(scheme(&x("x-forwarded-proto", "https"), old), Some("https"));
    assert_eq!(scheme(&x("x-forwarded-proto", "https, HTTP"), old), Some("http"));
    assert_eq!(scheme(&x("x-forwarded-proto", "javascript"), old), None);
    assert_eq!(
        host(&x("x-forwarded-host", "a.example, b.example:8443"), old),
        Some("b.example:8443")
    );
    let both =
        x("forwarded", "for=1.1.1.1;proto=http;host=a, for=\"x\";Proto=https;host=\"b:8443\"");
    assert_eq!(scheme(&both, ForwardedFields::Forwarded), Some("https"));
    assert_eq!(host(&both, ForwardedFields::Forwarded), Some("b:8443"));
    assert_eq!(scheme(&both, old), None);
}
