//! Whose address a request comes from, with proxies in between (`X-Forwarded-For`).

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The client's address; `None` where none is known that stands for a client: on loopback, and where proxies say nothing.
///
/// Each proxy adds the address that it was reached from behind those that it was told. So the list is read from
/// its end, for as long as who has written is `trusted`: what stands before that anybody could have put there.
pub(crate) fn of_client(
    peer: SocketAddr,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Option<IpAddr> {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.ip().to_canonical();
    if is_trusted(&address) {
        let fields: Vec<_> = headers.get_all("x-forwarded-for").into_iter().collect();
        let hops = fields.iter().rev().flat_map(|field| field.as_bytes().rsplit(|b| *b == b','));
        for hop in hops {
            // What cannot be read stands for whoever has passed it on: nobody gets rid of an address that way.
            let Some(hop) = parse(hop) else { return Some(address) };
            address = hop;
            if !is_trusted(&address) {
                break;
            }
        }
    }
    (!address.is_loopback() && !is_trusted(&address)).then_some(address)
}

/// An address as proxies write it: with a port or without.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    let bare = hop.trim_matches(['[', ']']).parse::<IpAddr>();
    let address = bare.or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for field in forwarded {
            headers.append("x-forwarded-for", field.parse().expect("a field"));
        }
        let trusted = ["127.0.0.0/8", "10.0.0.0/8"].map(|net| net.parse().expect("a network"));
        let peer = SocketAddr::new(peer.parse().expect("an address"), 1234);
        of_client(peer, &headers, &trusted).map(|address| address.to_string())
    }

    #[test]
    fn the_nearest_that_is_no_proxy_is_the_client() {
        let is = |peer, forwarded: &[&str], client: &str| {
            assert_eq!(of(peer, forwarded).as_deref(), Some(client), "{peer} {forwarded:?}");
        };
        is("192.0.2.7", &[], "192.0.2.7");
        is("::ffff:192.0.2.7", &[], "192.0.2.7");
        is("127.0.0.1", &["192.0.2.7"], "192.0.2.7");
        is("10.1.1.1", &["192.0.2.7, 10.2.2.2"], "192.0.2.7");
        is("10.1.1.1", &["192.0.2.7:5678"], "192.0.2.7");
        is("10.1.1.1", &["[2001:db8::1]:5678"], "2001:db8::1");
    }

    #[test]
    fn nobody_makes_up_an_address() {
        assert_eq!(of("192.0.2.7", &["198.51.100.1"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(of("10.1.1.1", &["198.51.100.1, 192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        assert_eq!(of("10.1.1.1", &["198.51.100.1", "192.0.2.7"]).as_deref(), Some("192.0.2.7"));
    }

    #[test]
    fn loopback_and_silent_proxies_are_no_clients() {
        assert_eq!(of("127.0.0.1", &[]), None);
        assert_eq!(of("10.1.1.1", &["10.2.2.2"]), None);
    }

    #[test]
    fn what_cannot_be_read_is_whoever_passed_it_on() {
        assert_eq!(of("10.1.1.1", &["unknown"]).as_deref(), Some("10.1.1.1"));
        assert_eq!(of("10.1.1.1", &["192.0.2.7, unknown"]).as_deref(), Some("10.1.1.1"));
        assert_eq!(of("10.1.1.1", &["unknown, 192.0.2.7"]).as_deref(), Some("192.0.2.7"));
        let mut headers = HeaderMap::new();
        let bytes = axum::http::HeaderValue::from_bytes(b"\xe9, 192.0.2.7").expect("a field");
        headers.append("x-forwarded-for", bytes);
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let peer = "10.1.1.1:1".parse().expect("an address");
        let client = of_client(peer, &headers, &trusted).map(|address| address.to_string());
        assert_eq!(client.as_deref(), Some("192.0.2.7"));
    }
}
