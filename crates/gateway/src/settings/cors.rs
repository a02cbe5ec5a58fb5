//! Pages of other origins (CORS).

use axum::http::Uri;
use serde::{Deserialize, Serialize};

/// `[cors]`
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Cors {
    pub origins: Vec<String>,
}

classify!(Cors {
    // The routes are built with them.
    restart: origins;
});

impl Cors {
    pub(super) fn check(&self) -> anyhow::Result<()> {
        for origin in &self.origins {
            anyhow::ensure!(
                origin == "*" || is_origin(origin),
                "cors.origins: {origin:?} is not an origin as browsers send it; write it like \
                 \"https://app.example\", without a path and without the scheme's default port"
            );
        }
        Ok(())
    }

    /// Whether pages of every origin are allowed.
    pub(super) fn allows_any_origin(&self) -> bool {
        self.origins.iter().any(|origin| origin == "*")
    }
}

/// Returns whether a browser could send this origin: a scheme, a host, and a port only if it is not
/// the scheme's default.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return false };
    let ports = [("https", 443), ("http", 80)];
    let plain = text == format!("{scheme}://{authority}") && text == text.to_ascii_lowercase();
    plain
        && !authority.as_str().contains('@')
        && !ports.contains(&(scheme, authority.port_u16().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_in_the_settings_is_one_that_a_browser_sends() {
        for good in ["https://app.example", "http://localhost:3000", "http://[::1]:8080"] {
            assert!(is_origin(good), "{good}");
        }
        for bad in [
            "https://a.example/",
            "app.example",
            "https://A.example",
            "https://a:443",
            "*.example",
            "https://u@a",
        ] {
            assert!(!is_origin(bad), "{bad}");
        }
    }
}
