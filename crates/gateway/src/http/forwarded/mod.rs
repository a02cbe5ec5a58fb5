//! Who a request comes from, by which scheme and host, with proxies in between: `X-Forwarded-*`, or `Forwarded` (RFC 7239).

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

/// The client's address; `None` where none is known that stands for a client: on loopback, and where proxies say nothing.
///
/// Each proxy adds the address that it was reached from behind those that it was told. So the list is read from
/// its end, for as long as who has written is trusted: what stands before that anybody could have put there.
pub(crate) fn client_address(peer: Peer, headers: &HeaderMap, proxy: &Proxy) -> Option<IpAddr> {
    let mut address = match peer {
        Peer::Ip(address) => Some(address.ip().to_canonical()),
        Peer::Unix | Peer::Unknown => None,
    };
    if proxy.trusts_peer(peer) {
        for hop in hops(headers, proxy.fields) {
            // What cannot be read is no address, and who stands before it is not known: that was written by a proxy that is trusted, and
            // counted as nobody.
            let Some(hop) = hop.as_deref().and_then(parse) else { break };
            address = Some(hop);
            if !proxy.trusts(&hop) {
                break;
            }
        }
    }
    address.filter(|address| !address.is_loopback() && !proxy.trusts(address))
}

/// What the nearest proxy says of how it was reached.
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

/// By which host the nearest proxy says that it was asked.
pub(crate) fn host(headers: &HeaderMap, fields: ForwardedFields) -> Option<&str> {
    match fields {
        ForwardedFields::XForwarded => last(headers, "x-forwarded-host"),
        ForwardedFields::Forwarded => {
            elements(headers).next().and_then(|element| value(element, "host"))
        }
    }
}

/// All hosts that anybody names in either family. For whether a page is at home it does not matter who has written them: a page
/// cannot.
pub(crate) fn hosts(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all("x-forwarded-host").into_iter().flat_map(|field| field.to_str());
    let named = elements(headers).filter_map(|element| value(element, "host"));
    fields.flat_map(|field| field.split(',')).map(str::trim).chain(named)
}

/// The addresses that proxies have written down, the nearest first; `None` for what is none.
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

/// The last member of a field that is a list.
fn last<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let field = headers.get_all(name).into_iter().next_back()?.to_str().ok()?;
    field.rsplit(',').next().map(str::trim)
}

/// The elements of `Forwarded`, the nearest proxy's first (RFC 7239 §4).
fn elements(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let fields = headers.get_all("forwarded").into_iter().map(HeaderValue::to_str);
    let fields: Vec<_> = fields.collect();
    // What is not ASCII is an element that says nothing.
    let elements = fields.into_iter().rev().flat_map(|field| rsplit(field.unwrap_or("?"), b','));
    // A list may have empty members (RFC 9110 §5.6.1).
    elements.filter(|element| !element.trim().is_empty())
}

/// What an element says under this name.
fn value<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    let pairs = rsplit(element, b';').into_iter().filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
    let value = named.next()?.1.trim();
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// Parts between separators that stand in no quoted string, the last first. It reads from the end, where the proxy has
/// written: a quote that a client leaves open in front cannot swallow that.
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

/// An address as proxies write it: with a port or without.
fn parse(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_matches(['[', ']']).parse::<IpAddr>();
    let address = bare.or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests;
