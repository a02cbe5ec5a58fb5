//! The guard of the configured keys: finds them in what an upstream sends, and takes them out of
//! what is told of an upstream.

use std::borrow::Cow;

use memchr::memmem::Finder;
use tricast_core::Secret;

/// A shorter secret is a placeholder, such as `none`, and part of ordinary words.
const LEAST: usize = 8;

/// The longest spelling of a byte in JSON: `\u0041`.
const ESCAPE: usize = 6;

/// The most bytes of a text that is told of an upstream.
const TOLD_MAX: usize = 2048;

/// What stands in place of a secret.
const HIDDEN: &str = "(hidden)";

/// Words before a secret in the errors of services.
const BEFORE_A_SECRET: [&str; 4] = ["bearer ", "basic ", "key=", "token="];

/// The secrets of all upstreams.
#[derive(Debug, Default)]
pub(crate) struct KeyGuard {
    finders: Vec<Finder<'static>>,
    longest: usize,
}

impl KeyGuard {
    /// Makes a guard of `secrets`.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let texts = secrets.into_iter().map(Secret::expose).filter(|text| text.len() >= LEAST);
        let mut texts: Vec<&str> = texts.collect();
        // A secret that is a part of another one is to be hidden after it.
        texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
        texts.dedup();
        let longest = texts.first().map_or(0, |text| text.len());
        let finders = texts.into_iter().map(|text| Finder::new(text).into_owned()).collect();
        Self { finders, longest }
    }

    /// Whether `text` has a secret, as it is spelled.
    pub(crate) fn finds_in(&self, text: &[u8]) -> bool {
        self.finders.iter().any(|finder| finder.find(text).is_some())
    }

    /// Whether a JSON text, of which `searched` bytes were searched before, has a secret in the
    /// rest, or in the rest and what stands before it. `spelled` is the inside of the text.
    pub(crate) fn finds_in_growing(&self, spelled: &str, searched: usize) -> bool {
        if self.finders.is_empty() || searched >= spelled.len() {
            return false;
        }
        let mut from = searched.saturating_sub(self.longest * ESCAPE);
        while !spelled.is_char_boundary(from) {
            from -= 1;
        }
        let fresh = &spelled[from..];
        self.finds_in(fresh.as_bytes())
            || fresh.contains('\\') && self.finds_in(unescape(fresh).as_bytes())
    }

    /// Returns how many bytes at the end of a JSON text may be the beginning of a secret, of which
    /// at least [`LEAST`] bytes are there; `spelled` is its inside.
    pub(crate) fn open_end(&self, spelled: &str) -> usize {
        let mut from = spelled.len().saturating_sub(self.longest * ESCAPE);
        while !spelled.is_char_boundary(from) {
            from -= 1;
        }
        let end = &spelled[from..];
        let said = if end.contains('\\') { unescape(end).into() } else { Cow::Borrowed(end) };
        let begins = |secret: &[u8]| {
            (LEAST..secret.len()).rev().find(|length| said.as_bytes().ends_with(&secret[..*length]))
        };
        let longest = self.finders.iter().filter_map(|finder| begins(finder.needle())).max();
        match longest {
            None => 0,
            // Nobody knows where in the spelling it begins.
            Some(_) if said.len() != end.len() => end.len(),
            Some(length) => length,
        }
    }

    /// Returns `text` as it may be told: without secrets or what looks like one, on one line, and
    /// not too long.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let mut told: Cow<'_, str> = text.into();
        for finder in &self.finders {
            let secret = String::from_utf8_lossy(finder.needle());
            if told.contains(&*secret) {
                told = told.replace(&*secret, HIDDEN).into();
            }
        }
        let mut told = hide_lookalikes(&told.replace(char::is_control, " "));
        if told.len() > TOLD_MAX {
            let end = (0..=TOLD_MAX).rev().find(|at| told.is_char_boundary(*at)).unwrap_or(0);
            told.truncate(end);
            told.push('…');
        }
        told
    }
}

/// Hides what follows words such as `Bearer`, and what begins as a key of OpenAI does.
fn hide_lookalikes(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.~+/=*".contains(c);
    let lower = text.to_ascii_lowercase();
    let mut told = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &lower[at..];
        let begins_word = !told.ends_with(|c: char| c.is_ascii_alphanumeric());
        let before = BEFORE_A_SECRET.iter().find(|word| rest.starts_with(**word));
        let kept = match before {
            Some(word) => word.len(),
            None if begins_word && rest.starts_with("sk-") => 0,
            None => {
                let next = text[at..].chars().next().map_or(1, char::len_utf8);
                told.push_str(&text[at..at + next]);
                at += next;
                continue;
            }
        };
        let secret = text[at + kept..].find(|c| !is_part(c)).unwrap_or(text.len() - at - kept);
        told.push_str(&text[at..at + kept]);
        if secret > 0 {
            told.push_str(HIDDEN);
        }
        at += kept + secret;
    }
    told
}

/// Returns what a part of a JSON text says. Escapes that the cut has left without their beginning
/// or end are passed over.
fn unescape(spelled: &str) -> String {
    let mut text = String::with_capacity(spelled.len());
    let mut rest = spelled;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = &rest[at..];
        let code = escape.get(2..6).filter(|_| escape.as_bytes().get(1) == Some(&b'u'));
        let (said, length) = match code.and_then(|code| u32::from_str_radix(code, 16).ok()) {
            Some(code) => (char::from_u32(code), 6),
            None => (
                escape[1..].chars().next(),
                1 + escape[1..].chars().next().map_or(0, char::len_utf8),
            ),
        };
        text.extend(said);
        rest = &escape[length..];
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "canary/0123456789";

    fn guard() -> KeyGuard {
        let secrets = [KEY, "", "none"].map(|text| Secret::from(text.to_owned()));
        KeyGuard::new(&secrets)
    }

    #[test]
    fn a_key_is_found_however_it_is_spelled_and_cut() {
        let spellings = [
            KEY.to_owned(),
            KEY.replace('/', "\\/"),
            KEY.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect(),
        ];
        for spelling in spellings {
            let whole = format!("so {spelling} it is ü");
            for cut in (0..whole.len()).filter(|at| whole.is_char_boundary(*at)) {
                let begins = guard().finds_in_growing(&whole[..cut], 0);
                assert!(begins || guard().finds_in_growing(&whole, cut), "{whole} at {cut}");
            }
        }
        assert!(!guard().finds_in_growing("the canary, and none else \\n", 0));
        assert!(!KeyGuard::default().finds_in_growing(KEY, 0));
    }

    #[test]
    fn the_beginning_of_a_key_is_an_open_end() {
        for (spelled, expected) in [
            ("so canary/", 0),
            ("so canary/01", 9),
            ("so canary/012345678", 16),
            (KEY, 0),
            ("canary/01 ", 0),
            ("ü canary\\/012", 14),
        ] {
            assert_eq!(guard().open_end(spelled), expected, "{spelled}");
        }
        assert_eq!(KeyGuard::default().open_end(KEY), 0);
    }

    #[test]
    fn what_is_told_has_no_key() {
        for (text, expected) in [
            (format!("bad key {KEY}!"), "bad key (hidden)!"),
            (
                "Incorrect API key: sk-proj-a_b*** given".to_owned(),
                "Incorrect API key: (hidden) given",
            ),
            ("Authorization: BEARER a.b-c\r\nx".to_owned(), "Authorization: BEARER (hidden)  x"),
            ("/v1?api_key=s3cret&x=1".to_owned(), "/v1?api_key=(hidden)&x=1"),
            ("a task-force".to_owned(), "a task-force"),
            ("grün".to_owned(), "grün"),
        ] {
            assert_eq!(guard().scrub(&text), expected);
        }
        let long = guard().scrub(&"ä".repeat(5000));
        assert!(long.len() <= TOLD_MAX + 3 && long.ends_with('…'));
    }
}
