//! The origin check. A browser sends requests on behalf of any page, and only the server can check
//! which page that is. CORS keeps responses from foreign pages, but stops neither WebSockets nor
//! simple POSTs.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, header},
};
use tricast_core::{Denied, Kind};

use crate::http::{forwarded, kinds, problem::Problem};

/// The fields that only a browser sets. Of two, the one that a check reads need not be the one that
/// the browser has set.
const BROWSER_FIELDS: [&str; 3] = ["Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode"];

/// Refuses a request that has a field of a security check twice.
pub(crate) fn check_single_fields(headers: &HeaderMap) -> Result<(), Problem> {
    let twice = |name: &&str| headers.get_all(*name).into_iter().nth(1).is_some();
    match BROWSER_FIELDS.into_iter().find(twice) {
        None => Ok(()),
        Some(name) => {
            let detail = format!("{name} is given twice; send what the browser sends, once");
            Err(Problem::new(Kind::BadParameter, detail).for_parameter(name))
        }
    }
}

/// Refuses publishing requests of foreign pages. The host of the request is settled.
pub(crate) fn check(request: &Request, allowed_origins: &[String]) -> Result<(), Denied> {
    let headers = request.headers();
    // CONNECT opens a WebSocket over HTTP/2.
    let publishes = [Method::POST, Method::DELETE, Method::CONNECT].contains(request.method())
        || tricast_ws::has_token(headers, header::UPGRADE, "websocket");
    if publishes && !is_allowed(headers, allowed_origins) {
        // A browser hides the response to a refused WebSocket from its page. The operator finds the
        // reason in the log.
        let header_text = |name: &str| -> String {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().chars().take(100).collect()
        };
        let detail = format!(
            "pages of origin {:?} may not publish or open a WebSocket at host {:?}; add the origin \
             to cors.origins, or make the proxy pass the Host that the browser sent",
            header_text("origin"),
            header_text("host")
        );
        return Err(Denied::new(kinds::FORBIDDEN_ORIGIN, detail));
    }
    Ok(())
}

/// Refuses a request with the token cookie if the browser sent it for a foreign page.
pub(crate) fn check_cookie(headers: &HeaderMap, allowed_origins: &[String]) -> Result<(), Problem> {
    if may_use_cookie(headers, allowed_origins) {
        return Ok(());
    }
    let detail = "pages of this origin may not use the cookie of tokens.cookie; add the origin to \
                  cors.origins";
    Err(Problem::new(kinds::FORBIDDEN_ORIGIN, detail))
}

/// Returns whether cookies count: the request comes from no page, or from one that may publish.
pub(crate) fn may_use_cookie(headers: &HeaderMap, allowed_origins: &[String]) -> bool {
    // Some requests of foreign pages carry no Origin: navigations, images, scripts.
    let is_own_site = |site: &HeaderValue| site == "same-origin" || site == "none";
    let hidden = !headers.contains_key(header::ORIGIN)
        && !headers.get("sec-fetch-site").is_none_or(is_own_site);
    !hidden && is_allowed(headers, allowed_origins)
}

/// Returns whether the page of a request may publish. A request without `Origin` does not come from
/// a page. Pages of the gateway's own host may publish. If a proxy changes the host, the proxy can
/// report it (`X-Forwarded-Host`, `Forwarded`). Browsers report it too (`Sec-Fetch-Site`), for
/// POSTs on trustworthy origins, but not for WebSockets. A page can set none of these fields.
fn is_allowed(headers: &HeaderMap, allowed_origins: &[String]) -> bool {
    let field = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let mut hosts = field("host").into_iter().chain(forwarded::hosts(headers));
    allowed_origins.iter().any(|one| one == "*" || one == origin)
        || field("sec-fetch-site") == Some("same-origin")
        || hosts.any(|host| is_same_host(origin, host.trim()))
}

/// Returns whether a page of `origin` came from `host`. Proxies often pass the name without its
/// port, so a host without a port is compared by name.
fn is_same_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let name = |authority: &str| match authority.rfind(':') {
        Some(at) if !authority[at..].contains(']') => authority[..at].to_ascii_lowercase(),
        _ => authority.to_ascii_lowercase(),
    };
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    let host = host.strip_suffix(default_port).unwrap_or(host);
    let host_has_port = name(host).len() != host.len();
    name(authority) == name(host) && (!host_has_port || authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_of_this_host_or_of_listed_origins_may_publish() {
        let allows = |fields: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.insert(*name, value.parse().expect("fits"));
            }
            is_allowed(&headers, &["https://listed.example".to_owned()])
        };
        assert!(allows(&[("host", "gateway")]));
        assert!(allows(&[("origin", "https://listed.example"), ("host", "gateway")]));
        assert!(allows(&[("origin", "http://gateway:8080"), ("host", "gateway:8080")]));
        assert!(allows(&[("origin", "https://a"), ("host", "b"), ("x-forwarded-host", "a")]));
        assert!(allows(&[
            ("origin", "https://a"),
            ("host", "b"),
            ("sec-fetch-site", "same-origin")
        ]));
        assert!(!allows(&[("origin", "https://evil.example"), ("host", "gateway")]));
        assert!(!allows(&[
            ("origin", "https://a"),
            ("host", "b"),
            ("sec-fetch-site", "same-site")
        ]));
        assert!(!allows(&[("origin", "null"), ("host", "gateway")]));
        assert!(!allows(&[("origin", "http://gateway.evil.example"), ("host", "gateway")]));
        assert!(allows(&[("origin", "http://gateway"), ("host", "gateway:80")]));
        assert!(allows(&[("origin", "https://a:8443"), ("host", "a")]), "nginx's $host");
        assert!(!allows(&[("origin", "http://a:3000"), ("host", "a:8080")]));
        assert!(allows(&[
            ("origin", "https://a"),
            ("host", "b"),
            ("x-forwarded-host", "a, inner")
        ]));
        assert!(allows(&[
            ("origin", "https://a"),
            ("host", "b"),
            ("forwarded", "for=1.1.1.1;host=a")
        ]));
        assert!(!allows(&[("origin", "https://a"), ("host", "b"), ("forwarded", "for=a;host=c")]));
        assert!(allows(&[("origin", "http://[::1]:8080"), ("host", "[::1]:8080")]));
        assert!(!allows(&[("origin", "http://[::1]:3000"), ("host", "[::1]:8080")]));
    }
}
