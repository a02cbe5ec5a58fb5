//! Which pages may speak: a browser sends requests for any page that asks, and only the server can
//! tell whose page it was. CORS keeps answers from foreign pages, but neither WebSockets nor plain POSTs.

use axum::{
    extract::Request,
    http::{HeaderMap, Method, Version, header},
};
use tricast_core::Kind;

use crate::problem::Problem;

/// Refuses a page that may not speak, and a request that does not say whom it speaks to.
pub(crate) fn check(request: &Request, listed: &[String]) -> Result<(), Problem> {
    let headers = request.headers();
    if request.version() == Version::HTTP_11 && !headers.contains_key(header::HOST) {
        let detail = "HTTP/1.1 requires a Host field (RFC 9112 section 3.2)";
        return Err(Problem::new(Kind::NoHost, detail));
    }
    let speaks = request.method() == Method::POST
        || tricast_ws::has_token(headers, header::UPGRADE, "websocket");
    if speaks && !is_allowed(headers, listed) {
        let detail = "pages of this origin may not speak here; add it to cors.origins, \
                      or let the proxy pass the Host that the browser sent";
        return Err(Problem::new(Kind::ForbiddenOrigin, detail));
    }
    Ok(())
}

/// No origin is no page. A page of the gateway's own host is at home; behind a proxy that changes
/// the host, browsers say so themselves, or the proxy does. A page can set none of these fields.
fn is_allowed(headers: &HeaderMap, listed: &[String]) -> bool {
    let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = origin.split_once("://").map(|(_, host)| host);
    listed.iter().any(|one| one == "*" || one == origin)
        || field("sec-fetch-site") == Some("same-origin")
        || host.is_some() && (field("host") == host || field("x-forwarded-host") == host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_at_home_or_listed_speak() {
        let ask = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, value.parse().expect("fits"));
            }
            is_allowed(&headers, &["https://listed.example".to_owned()])
        };
        assert!(ask(&[("host", "gateway")]));
        assert!(ask(&[("origin", "https://listed.example"), ("host", "gateway")]));
        assert!(ask(&[("origin", "http://gateway:8080"), ("host", "gateway:8080")]));
        assert!(ask(&[("origin", "https://a"), ("host", "b"), ("x-forwarded-host", "a")]));
        assert!(ask(&[("origin", "https://a"), ("host", "b"), ("sec-fetch-site", "same-origin")]));
        assert!(!ask(&[("origin", "https://evil.example"), ("host", "gateway")]));
        assert!(!ask(&[("origin", "https://a"), ("host", "b"), ("sec-fetch-site", "same-site")]));
        assert!(!ask(&[("origin", "null"), ("host", "gateway")]));
        assert!(!ask(&[("origin", "http://gateway.evil.example"), ("host", "gateway")]));
    }
}
