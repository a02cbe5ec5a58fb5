//! The host that a request addresses. Origin checks compare it, so there must be exactly one, and
//! it must be valid.

use axum::{
    extract::Request,
    http::{HeaderValue, Version, header},
};

use crate::http::{kinds, problem::Problem};

/// Checks the host of `request`, and leaves it in its `Host` field, where everything else reads it.
///
/// # Errors
/// When there is none or more than one, or when it is invalid.
pub(crate) fn settle(request: &mut Request) -> Result<(), Problem> {
    let version = request.version();
    let mut fields = request.headers().get_all(header::HOST).into_iter();
    let field = fields.next();
    let target = request.uri().authority().map(|authority| authority.as_str());
    let is_required = match version {
        Version::HTTP_09 | Version::HTTP_10 => false,
        Version::HTTP_11 => true,
        // RFC 9113 §8.3.1: `:authority` takes its place.
        _ => target.is_none(),
    };
    if fields.next().is_some() || (is_required && field.is_none()) {
        let detail = "a request has exactly one Host field (RFC 9112 section 3.2); send one";
        return Err(Problem::new(kinds::NO_HOST, detail));
    }
    let is_valid_field = field.is_none_or(|field| is_host(field.as_bytes()));
    if !is_valid_field || target.is_some_and(|target| !is_host(target.as_bytes())) {
        let detail = "the host must be a name or an address with an optional port, such as \
                      example.org:8080 or [::1] (RFC 9110 section 7.2)";
        return Err(Problem::new(kinds::BAD_HOST, detail));
    }
    let Some(target) = target else { return Ok(()) };
    // RFC 9113 §8.3.1: over HTTP/2 they must be the same. RFC 9112 §3.2.2: over HTTP/1.1, Host is
    // ignored if the target names a host.
    let differs =
        field.is_some_and(|field| !field.as_bytes().eq_ignore_ascii_case(target.as_bytes()));
    if differs && version >= Version::HTTP_2 {
        let detail = "Host differs from :authority; leave Host out";
        return Err(Problem::new(kinds::BAD_HOST, detail));
    }
    // A valid host is a valid field value.
    if let Ok(host) = HeaderValue::from_str(target) {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// Returns whether `text` is a host and an optional port (RFC 9110 §7.2, RFC 3986 §3.2.2). An empty
/// one is that of a target without an authority.
fn is_host(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (is_valid, rest) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((literal, rest)) => (is_ip_literal(literal), rest),
        None => {
            let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            (is_registered_name(name) && (!name.is_empty() || rest.is_empty()), rest)
        }
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    is_valid && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

/// Returns whether `text` is what stands in brackets: an IPv6 address or one of a future version.
fn is_ip_literal(text: &str) -> bool {
    let is_future = || {
        let (version, address) = text.strip_prefix(['v', 'V'])?.split_once('.')?;
        let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_hexdigit());
        let is_address = !address.is_empty() && address.bytes().all(|b| is_plain(&b) || b == b':');
        Some(is_version && is_address)
    };
    text.parse::<std::net::Ipv6Addr>().is_ok() || is_future().unwrap_or(false)
}

/// Returns whether `text` is a registered name, of which an IPv4 address is one.
fn is_registered_name(text: &str) -> bool {
    let mut parts = text.split('%');
    let is_escaped = |part: &str| match part.as_bytes() {
        [high, low, rest @ ..] => {
            high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && rest.iter().all(is_plain)
        }
        _ => false,
    };
    parts.next().is_some_and(|first| first.bytes().all(|byte| is_plain(&byte)))
        && parts.all(is_escaped)
}

/// The characters of a host that stand for themselves (RFC 3986 §2.2, §2.3).
fn is_plain(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte)
}
