//! The largest import cycle of each crate: files that can only be understood together.

use std::{collections::BTreeSet, fs, path::Path};

use super::imports::{Edges, Imports};

/// The greatest number of files in one import cycle.
const ALLOWED: usize = 5;

/// The largest set of files of which each needs each other one, directly or through others.
fn largest_cycle<'files>(edges: &Edges<'files>) -> Vec<&'files Path> {
    let cycle_of = |file: &&'files Path| {
        let needed = needed_by(edges, file);
        let back = needed.iter().filter(|other| needed_by(edges, other).contains(file));
        back.copied().collect::<Vec<_>>()
    };
    edges.keys().map(cycle_of).max_by_key(Vec::len).unwrap_or_default()
}

fn needed_by<'files>(edges: &Edges<'files>, file: &Path) -> BTreeSet<&'files Path> {
    let mut needed = BTreeSet::new();
    let mut open: Vec<_> = edges[file].iter().copied().collect();
    while let Some(next) = open.pop() {
        if needed.insert(next) {
            open.extend(&edges[next]);
        }
    }
    needed
}

/// A line for each file of the cycle: which others of the cycle it needs.
fn describe(edges: &Edges, cycle: &[&Path]) -> String {
    let line = |file: &&Path| {
        let inside = edges[file].iter().filter(|other| cycle.contains(other));
        let names: Vec<_> = inside.map(|other| other.display().to_string()).collect();
        format!("\n  {} → {}", file.display(), names.join(", "))
    };
    cycle.iter().map(line).collect()
}

#[test]
fn no_import_cycle_is_too_large() {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates");
    for entry in fs::read_dir(crates).expect("a folder") {
        let path = entry.expect("an entry").path();
        let root = path.join("src");
        let name = path.file_name().expect("a name").to_string_lossy();
        let imports = Imports::read(&root);
        let edges = imports.edges();
        let cycle = largest_cycle(&edges);
        let (count, files) = (cycle.len(), edges.len());
        let description = describe(&edges, &cycle);
        println!("{name}: {count} of {files} files in the largest import cycle{description}");
        assert!(count <= ALLOWED, "{name}: {count} files, {ALLOWED} are allowed:{description}");
    }
}

/// Each way in which a file can name what another one defines makes an edge; tests make none.
#[test]
fn imports_are_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [
        ("lib.rs", "mod a; mod b; mod deep; mod lone; pub use b::B; pub use deep::Inner;"),
        ("a.rs", "use crate::{B, deep::Inner as Other}; pub struct A; use std::fmt;"),
        ("b.rs", "pub struct B; fn b() { let _ = crate::deep::inner::Inner; }"),
        (
            "deep/mod.rs",
            "mod glob; mod inner; pub(crate) use self::{inner::Inner, glob::*}; pub type D = ();",
        ),
        ("deep/inner.rs", "pub struct Inner; use super::{Named, super::a::{self}};"),
        ("deep/glob.rs", "pub enum Named {} mod block { use crate::lone::*; }"),
        ("lone.rs", "#[cfg(test)] mod tests { use crate::a::A; } #[test] fn t() { crate::B; }"),
    ];
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("is made");
        fs::write(path, text).expect("is written");
    }
    let imports = Imports::read(folder.path());
    let edges = imports.edges();
    let found = edges.iter().flat_map(|(from, targets)| {
        targets.iter().map(|to| format!("{} → {}", from.display(), to.display()))
    });
    let expected = [
        "a.rs → b.rs",
        "a.rs → deep/inner.rs",
        "b.rs → deep/inner.rs",
        "deep/glob.rs → lone.rs",
        "deep/inner.rs → a.rs",
        "deep/inner.rs → deep/glob.rs",
    ];
    assert_eq!(found.collect::<Vec<_>>(), expected);
    let cycle: Vec<_> =
        largest_cycle(&edges).iter().map(|file| file.display().to_string()).collect();
    assert_eq!(cycle, ["a.rs", "b.rs", "deep/inner.rs"]);
}
