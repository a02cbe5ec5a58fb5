//! The text files of the repository, as far as their words are our own.

use std::{fs, path::PathBuf};

use super::root;

/// Folders of what is installed, built or recorded.
const FOREIGN: [&str; 7] =
    ["target", "node_modules", "dist", "corpus", "artifacts", ".venv", ".go"];

/// A file and its path from the root of the repository.
pub(crate) struct Text {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All files with one of these endings in `folders`, and the files in the root itself.
pub(crate) fn texts(folders: &[&str], endings: &[&str]) -> Vec<Text> {
    let mut texts = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut files = files_of_the_root();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy();
            match path.is_dir() {
                true if FOREIGN.contains(&&*name) => {}
                true => open.push(path),
                false => files.push(path),
            }
        }
    }
    files.sort();
    for file in files {
        let name = file.file_name().expect("a name").to_string_lossy();
        if endings.iter().any(|ending| name.ends_with(ending)) {
            let path = file.strip_prefix(root()).expect("is below").display().to_string();
            texts.push(Text { path, text: fs::read_to_string(&file).expect("text") });
        }
    }
    texts
}

fn files_of_the_root() -> Vec<PathBuf> {
    let entries = fs::read_dir(root()).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.is_file()).collect()
}

/// Fails when a file has any of `what`, and says how many each file has.
pub(crate) fn assert_none(what: &str, found: &[(String, usize)]) {
    let count: usize = found.iter().map(|(_, count)| count).sum();
    let files = found.iter().filter(|(_, count)| *count > 0);
    let list: String = files.map(|(path, count)| format!("\n{count:5} {path}")).collect();
    assert!(count == 0, "{count} {what}:{list}");
}
