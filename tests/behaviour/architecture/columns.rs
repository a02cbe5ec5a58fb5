//! No line of Rust is too wide for a screen: rustfmt looks neither at comments nor into strings.

use super::text::{assert_none, texts};

const COLUMNS: usize = 100;

#[test]
fn no_line_of_rust_is_above_100_columns() {
    let found: Vec<_> = texts(&["bench", "crates", "examples", "tests"], &[".rs"])
        .into_iter()
        .map(|file| {
            let long = |line: &&str| line.chars().count() > COLUMNS;
            (file.path, file.text.lines().filter(long).count())
        })
        .collect();
    assert!(found.len() > 300, "{} files were read", found.len());
    assert_none("lines above 100 columns", &found);
}
