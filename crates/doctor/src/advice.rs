//! Advice: a sentence for each symptom, and a more specific one for each known proxy.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use crate::proxy::Proxy;

/// Sentences by symptom, then by proxy; `any` is for all others. Tests compare them with real
/// proxies.
const SENTENCES: &str = include_str!("advice.json");

type Table = HashMap<String, HashMap<String, String>>;

static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(SENTENCES).unwrap_or_default());

/// Returns what to change about `symptom`.
pub(crate) fn advice(symptom: &str, proxy: Option<Proxy>) -> String {
    let Some(sentences) = TABLE.get(symptom) else { return String::new() };
    let own = proxy.and_then(|proxy| {
        let key = format!("{proxy:?}").to_lowercase();
        Some(format!("{}: {}", proxy.name(), sentences.get(&key)?))
    });
    own.or_else(|| sentences.get("any").cloned()).unwrap_or_default()
}

/// Returns the sentences of all symptoms, for the proxy that the headers reveal: `arrived` looks up
/// request headers as the gateway received them, and `server` is the response header that the
/// client received.
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
        // nginx would send that with every request, upgrade or not.
        assert!(!of(Some("nginx")).contains("\"upgrade\""));
        // HAProxy adds nothing to requests or responses, so its sentence cannot be chosen by name.
        assert!(
            advice("held-back", None)
                .contains("for HAProxy, which cannot be detected, set option http-no-delay")
        );
        assert!(
            advice("unnoticed", None)
                .contains("for HAProxy, which cannot be detected, set option abortonclose")
        );
        assert!(advice("no-resume", Some(Proxy::Haproxy)).starts_with("something in between"));
    }
}
