//! Advice: a sentence for each symptom, and a more specific one for each known proxy.

use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

use crate::intermediaries::Intermediaries;

/// Sentences by symptom, then by proxy. `any` is for all others, and `unnamed` is added to it where
/// nothing says which proxy is there. Tests compare them with real proxies.
const SENTENCES: &str = include_str!("advice.json");

type Table = HashMap<String, HashMap<String, String>>;

static TABLE: LazyLock<Table> =
    LazyLock::new(|| serde_json::from_str(SENTENCES).unwrap_or_default());

/// Returns what to change about `symptom`: advice for the proxies that are there, and no others.
pub(crate) fn advice(symptom: &str, intermediaries: &Intermediaries) -> String {
    let Some(sentences) = TABLE.get(symptom) else { return String::new() };
    let own = intermediaries.known().iter().filter_map(|proxy| {
        let key = format!("{proxy:?}").to_lowercase();
        Some(format!("{}: {}", proxy.name(), sentences.get(&key)?))
    });
    let own: Vec<_> = own.collect();
    if !own.is_empty() {
        return own.join("; ");
    }
    let any = sentences.get("any").cloned().unwrap_or_default();
    match sentences.get("unnamed").filter(|_| intermediaries.is_unnamed()) {
        Some(unnamed) => format!("{any}; {unnamed}"),
        None => any,
    }
}

/// Joins the remedies of possible causes, the most likely first.
pub(crate) fn in_order(remedies: impl IntoIterator<Item = String>) -> String {
    let remedies: Vec<_> = remedies.into_iter().collect();
    remedies.join("; if that is not the cause: ")
}

/// Returns the sentences of all symptoms, for the proxy that the headers reveal: `arrived` looks up
/// request headers as the gateway received them, and `server` is the response header that the
/// client received.
pub fn sentences(
    arrived: impl Fn(&str) -> Option<String>,
    server: Option<&str>,
) -> BTreeMap<&'static str, String> {
    let found = Intermediaries::from_request(arrived, server);
    TABLE.keys().map(|symptom| (symptom.as_str(), advice(symptom, &found))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symptom_has_a_sentence_for_any_proxy_and_names_only_known_ones() {
        assert!(TABLE.len() > 10);
        let known = [
            "any",
            "unnamed",
            "nginx",
            "haproxy",
            "caddy",
            "apache",
            "varnish",
            "lighttpd",
            "traefik",
            "envoy",
            "squid",
            "nghttpx",
            "express",
            "cloudflare",
            "cloudfront",
        ];
        for (symptom, sentences) in &*TABLE {
            assert!(sentences.contains_key("any"), "{symptom}");
            for proxy in sentences.keys() {
                assert!(known.contains(&proxy.as_str()), "{symptom}: {proxy}");
            }
        }
        let of = |server: Option<&str>, symptom: &str| sentences(|_| None, server)[symptom].clone();
        assert!(of(Some("haproxy"), "held-back").starts_with("HAProxy: set option"));
        assert!(of(Some("nginx/1.22.1"), "no-upgrade").starts_with("nginx: "));
        assert!(of(None, "no-upgrade").starts_with("something in between"));
        // nginx would send that with every request, upgrade or not.
        assert!(!of(Some("nginx"), "no-upgrade").contains("\"upgrade\""));
        assert!(of(Some("haproxy"), "no-resume").starts_with("something in between"));
    }

    /// HAProxy adds nothing to requests or responses, so its sentence cannot be chosen by name; and
    /// it must not be given where another proxy has named itself.
    #[test]
    fn haproxy_is_named_only_where_nothing_else_is() {
        for (symptom, sentences) in &*TABLE {
            let of = |server| super::sentences(|_| None, server)[symptom.as_str()].clone();
            assert!(!of(Some("gws")).contains("HAProxy"), "{symptom}");
            assert!(!of(Some("nginx/1.22.1")).contains("HAProxy"), "{symptom}");
            assert_eq!(
                of(None).contains("HAProxy"),
                sentences.contains_key("unnamed"),
                "{symptom}"
            );
        }
        let of = |symptom: &str| super::sentences(|_| None, None)[symptom].clone();
        assert!(of("held-back").contains("option http-no-delay"));
        assert!(of("unnoticed").contains("option abortonclose"));
    }

    #[test]
    fn several_proxies_get_their_own_sentences() {
        let via = |name: &str| (name == "via").then(|| "1.1 varnish".to_owned());
        let both = super::sentences(via, Some("nginx"))["buffered"].clone();
        assert!(both.starts_with("nginx: ") && both.contains("; Varnish: "), "{both}");
    }
}
