//! ARCHITECTURE.md names files and tests that exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{root, rust_sources};

fn document() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).expect("reads")
}

/// The paths that `text` names: words with a `/` that end in `.rs`, and folders in backticks.
fn paths(text: &str) -> BTreeSet<String> {
    let separators = |c: char| c.is_whitespace() || "`()|,;".contains(c);
    let words = text.split(separators).filter(|word| word.contains("/src/"));
    words.flat_map(alternatives).collect()
}

/// `a/{b,c}.rs` stands for two paths. Words are split at commas, so the braces may be apart.
fn alternatives(word: &str) -> Vec<String> {
    let Some((head, tail)) = word.split_once('{') else {
        return vec![word.trim_end_matches(['.', ':']).to_owned()];
    };
    vec![format!("{head}{}.rs", tail.split(['}', '.']).next().unwrap_or_default())]
}

fn exists(path: &str) -> bool {
    let place =
        |base: PathBuf| base.join(path).exists() || base.join(format!("{path}.rs")).exists();
    place(root().to_path_buf()) || place(root().join("crates"))
}

#[test]
fn the_files_that_it_names_exist() {
    let paths = paths(&document());
    assert!(paths.len() > 40, "{} paths read from ARCHITECTURE.md", paths.len());
    let missing: Vec<_> = paths.iter().filter(|path| !exists(path)).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what does not exist: {missing:#?}");
}

#[test]
fn the_tests_of_its_invariants_exist() {
    let text = document();
    let sources = rust_sources(&[Path::new("crates"), Path::new("tests")]);
    let invariants = text.matches("**Invariant: ").count();
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("Tests: ")).collect();
    assert_eq!(lines.len(), invariants, "each invariant names its tests");
    for line in lines {
        // Names have underscores; a path among them is checked above.
        for name in line.split('`').skip(1).step_by(2).filter(|name| !name.contains('/')) {
            assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}: {line}");
        }
    }
}
