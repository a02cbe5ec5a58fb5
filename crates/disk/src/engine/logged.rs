//! Which namespaces are logged, as a line of `meta`: `-typing.* +rooms.** -`. A word is a pattern
//! with `+` if its channels are logged; a last word without a pattern is for all other channels.

use tricast_core::{ChannelPattern, Namespaces};

/// Writes the line.
pub(super) fn to_text(namespaces: &Namespaces<bool>) -> String {
    let sign = |logged: bool| if logged { '+' } else { '-' };
    let list = namespaces.list().iter();
    let mut words: Vec<String> =
        list.map(|(pattern, logged)| format!("{}{}", sign(*logged), pattern.as_str())).collect();
    words.push(sign(*namespaces.default_value()).to_string());
    // What says nothing about any channel is left out: another such namespace is no change.
    while words.last().is_some_and(|word| word.starts_with('+')) {
        words.pop();
    }
    words.join(" ")
}

/// Reads the line. If a word is no pattern, nothing counts as logged: rather a gap too much than a
/// loss in silence.
pub(super) fn from_text(text: &str) -> Namespaces<bool> {
    let (mut list, mut default) = (Vec::new(), true);
    for word in text.split_whitespace() {
        let logged = word.starts_with('+');
        match word.get(1..).unwrap_or_default() {
            "" => default = logged,
            pattern => match pattern.parse::<ChannelPattern>() {
                Ok(pattern) => list.push((pattern, logged)),
                Err(_) => return Namespaces::new(Vec::new(), false),
            },
        }
    }
    Namespaces::new(list, default)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let patterns = |list: &[(&str, bool)], default| {
            let read =
                |(pattern, logged): &(&str, bool)| (pattern.parse().expect("a pattern"), *logged);
            Namespaces::new(list.iter().map(read).collect(), default)
        };
        for (list, default, text) in [
            (&[][..], true, ""),
            (&[], false, "-"),
            (&[("typing.*", false)], true, "-typing.*"),
            (&[("typing.*", false), ("a", true)], true, "-typing.*"),
            (&[("a.b", true), ("a.*", false), ("@*", true)], false, "+a.b -a.* +@* -"),
        ] {
            let namespaces = patterns(list, default);
            assert_eq!(to_text(&namespaces), text);
            let read = from_text(text);
            for name in ["a.b", "a.c", "a", "typing.b", "@alice", "other"] {
                let channel = name.parse().expect("a name");
                let (of, again) = (namespaces.for_channel(&channel), read.for_channel(&channel));
                assert_eq!(of, again, "{name} in {text:?}");
            }
        }
    }
}
