//! What to change: one sentence for each symptom, and a better one where it is known which proxy it is.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use crate::proxy::Proxy;

/// By symptom, then by proxy; `any` is for all others. Tests hold it against what real proxies do.
const SENTENCES: &str = include_str!("advice.json");

type Table = HashMap<String, HashMap<String, String>>;

static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(SENTENCES).unwrap_or_default());

/// What to do about `symptom`.
pub(crate) fn advice(symptom: &str, proxy: Option<Proxy>) -> String {
    let Some(sentences) = TABLE.get(symptom) else { return String::new() };
    let own = proxy.and_then(|proxy| {
        let key = format!("{proxy:?}").to_lowercase();
        Some(format!("{}: {}", proxy.name(), sentences.get(&key)?))
    });
    own.or_else(|| sentences.get("any").cloned()).unwrap_or_default()
}

/// The sentences for whoever stands in between, as far as it shows itself: by what arrived at the gateway, and by what the client
/// was told of the server.
pub fn sentences(
    arrived: impl Fn(&str) -> Option<String>,
    server: Option<&str>,
) -> BTreeMap<&'static str, String> {
    let proxy = Proxy::detect(arrived, server);
    TABLE.keys().map(|symptom| (symptom.as_str(), advice(symptom, proxy))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symptom_has_a_sentence_for_any_proxy_and_names_only_known_ones() {
        assert!(TABLE.len() > 10);
        let known = [
            "any",
            "nginx",
            "haproxy",
            "caddy",
            "apache",
            "varnish",
            "lighttpd",
            "traefik",
            "envoy",
            "cloudflare",
            "cloudfront",
        ];
        for (symptom, sentences) in &*TABLE {
            assert!(sentences.contains_key("any"), "{symptom}");
            for proxy in sentences.keys() {
                assert!(known.contains(&proxy.as_str()), "{symptom}: {proxy}");
            }
        }
        assert!(advice("held-back", Some(Proxy::Haproxy)).starts_with("HAProxy: set option"));
        let of = |server| sentences(|_| None, server)["no-upgrade"].clone();
        assert!(of(Some("nginx/1.22.1")).starts_with("nginx: "));
        assert!(of(None).starts_with("something in between"));
        // With that on every request nginx would ask for an upgrade where nobody has.
        assert!(!of(Some("nginx")).contains("\"upgrade\""));
        // HAProxy adds nothing to answers or requests: its sentence is never asked for by name.
        assert!(
            advice("held-back", None)
                .contains("HAProxy shows itself by nothing: option http-no-delay")
        );
        assert!(
            advice("unnoticed", None)
                .contains("HAProxy shows itself by nothing: option abortonclose")
        );
        assert!(advice("no-resume", Some(Proxy::Haproxy)).starts_with("something in between"));
    }
}
