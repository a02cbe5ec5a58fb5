//! Words that are never right in technical English, in documents, comments and messages.

use super::text::{Text, assert_none, texts};

/// Words that stop a reader: each has a plain replacement.
const WORDS: [&str; 6] = ["whoever", "whomever", "whom", "anew", "is none", "are none"];

/// How many of `WORDS` are in `text`; identifiers and options (`--kill-whom`) are one word.
fn count(text: &str) -> usize {
    let text = text.to_lowercase();
    let is_part = |letter: char| letter.is_alphanumeric() || "_-".contains(letter);
    let of = |word: &&str| {
        let found = text.match_indices(word).filter(|(at, word)| {
            let (before, after) = (&text[..*at], &text[at + word.len()..]);
            !before.ends_with(is_part) && !after.starts_with(is_part) && !before.ends_with("there ")
        });
        found.count()
    };
    WORDS.iter().map(of).sum()
}

/// The part of a file that counts: not the list above, not the past in the change log, and in
/// Markdown no quotations: lines after `>`, and code.
fn own_words(file: &Text) -> String {
    let text = match file.path.as_str() {
        "tests/behaviour/architecture/words.rs" => "",
        "CHANGELOG.md" => file.text.split("\n## ").nth(1).unwrap_or_default(),
        _ => &file.text,
    };
    if !file.path.ends_with(".md") {
        return text.to_owned();
    }
    let lines = text.lines().filter(|line| !line.starts_with('>'));
    let lines = lines.map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("`"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn no_word_stops_a_reader() {
    let folders = ["bench", "crates", "dashboard", "docs", "examples", "ops", "tests"];
    let endings = [".md", ".rs", ".toml", ".py", ".sh", ".ts", ".mjs", ".html", "Makefile"];
    let found: Vec<_> = texts(&folders, &endings)
        .into_iter()
        .map(|file| {
            let count = count(&own_words(&file));
            (file.path, count)
        })
        .collect();
    assert!(found.len() > 400, "{} files were read", found.len());
    assert_none("words that stop a reader", &found);
}

#[test]
fn words_are_found_whole() {
    for (text, expected) in [
        ("Whoever asks, and for whom", 2),
        ("`whoever_takes_over`, --kill-whom=main, anewer", 0),
        ("it is none; they\nare none.", 2),
        ("there is none", 0),
    ] {
        assert_eq!(count(text), expected, "{text}");
    }
}
