//! The client's address, scheme and host behind proxies: `X-Forwarded-*` or `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderValue};
use tricast_net::{Peer, TrustedPeers};

use crate::settings::{ForwardedFields, Proxy};

impl TrustedPeers for Proxy {
    fn trusts_peer(&self, peer: Peer) -> bool {
        match peer {
            Peer::Ip(address) => self.trusts(&address.ip().to_canonical()),
            Peer::Unix => self.trusts_unix(),
            Peer::Unknown => false,
        }
    }
}

/// Returns the client's address, or `None` if none is known that identifies a client: on loopback,
/// and where a proxy does not report one.
///
/// Each proxy appends the address of its peer to the list that it received. So the list is read
/// from its end, for as long as the proxy that wrote an entry is trusted. Anybody could have
/// written the entries before that.
pub(crate) fn client_address(peer: Peer, headers: &HeaderMap, proxy: &Proxy) -> Option<IpAddr> {
    let mut address = match peer {
        Peer::Ip(address) => Some(address.ip().to_canonical()),
        Peer::Unix | Peer::Unknown => None,
    };
    if proxy.trusts_peer(peer) {
        for hop in hops(headers, proxy.fields) {
            // After an entry that is not an address, the hops before it are unknown. The address
            // stays that of the trusted proxy, which does not count as a client.
            let Some(hop) = hop.as_deref().and_then(parse) else { break };
            address = Some(hop);
            if !proxy.trusts(&hop) {
                break;
            }
        }
    }
    address.filter(|address| !address.is_loopback() && !proxy.trusts(address))
}

/// Returns the scheme that the nearest proxy reports.
pub(crate) fn scheme(headers: &HeaderMap, fields: ForwardedFields) -> Option<&str> {
    let given = match fields {
        ForwardedFields::XForwarded => last(headers, "x-forwarded-proto"),
        ForwardedFields::Forwarded => {
            elements(headers).next().and_then(|element| value(element, "proto"))
        }
    };
    ["https", "http"]
        .into_iter()
        .find(|known| given.is_some_and(|given| given.eq_ignore_ascii_case(known)))
}

/// Returns the host that the nearest proxy reports.
pub(crate) fn host(headers: &HeaderMap, fields: ForwardedFields) -> Option<&str> {
    match fields {
        ForwardedFields::XForwarded => last(headers, "x-forwarded-host"),
        ForwardedFields::Forwarded => {
            elements(headers).next().and_then(|element| value(element, "host"))
        }
    }
}

/// Returns all hosts in either family of fields. The origin check may trust all of them, because no
/// page can set these fields.
pub(crate) fn hosts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all("x-forwarded-host").into_iter().flat_map(|field| field.to_str());
    let named = elements(headers).filter_map(|element| value(element, "host"));
    fields.flat_map(|field| field.split(',')).map(str::trim).chain(named)
}

/// Returns the addresses that proxies have added, the nearest first; `None` for one that is not
/// readable.
fn hops(headers: &HeaderMap, fields: ForwardedFields) -> Vec<Option<String>> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(|text| text.trim().to_owned());
    match fields {
        ForwardedFields::XForwarded => {
            let fields: Vec<_> = headers.get_all("x-forwarded-for").into_iter().collect();
            let hops = fields.iter().rev();
            let members = hops.flat_map(|field| field.as_bytes().rsplit(|b| *b == b','));
            members.filter(|member| !member.trim_ascii().is_empty()).map(text).collect()
        }
        ForwardedFields::Forwarded => {
            elements(headers).map(|element| value(element, "for").map(str::to_owned)).collect()
        }
    }
}

/// Returns the last member of a list field.
fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let field = headers.get_all(name).into_iter().next_back()?.to_str().ok()?;
    field.rsplit(',').next().map(str::trim)
}

/// Returns the elements of `Forwarded`, the nearest proxy's first (RFC 7239 §4).
fn elements(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all("forwarded").into_iter().map(HeaderValue::to_str);
    let fields: Vec<_> = fields.collect();
    // A field that is not ASCII counts as one element without parameters.
    let elements = fields.into_iter().rev().flat_map(|field| rsplit(field.unwrap_or("?"), b','));
    // A list may have empty members (RFC 9110 §5.6.1).
    elements.filter(|element| !element.trim().is_empty())
}

/// Returns the parameter `name` of an element.
fn value<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let pairs = rsplit(element, b';').into_iter().filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    let value = named.next()?.1.trim();
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// Splits at separators outside quoted strings, and returns the last part first. It scans from the
/// end, where the proxy has written: a quote that a client leaves open at the front cannot swallow
/// the proxy's part.
fn rsplit(text: &str, separator: u8) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut parts, mut end, mut quoted) = (Vec::new(), bytes.len(), false);
    for at in (0..bytes.len()).rev() {
        let escaped = at > 0 && bytes[at - 1] == b'\\';
        match bytes[at] {
            b'"' if !escaped => quoted = !quoted,
            byte if byte == separator && !quoted => {
                parts.push(&text[at + 1..end]);
                end = at;
            }
            _ => {}
        }
    }
    parts.push(&text[..end]);
    parts
}

/// Parses an address as proxies write it: with or without a port.
fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_matches(['[', ']']).parse::<IpAddr>();
    let address = bare.or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
