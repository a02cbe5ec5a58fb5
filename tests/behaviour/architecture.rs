//! The arrows between the crates are those in ARCHITECTURE.md, and no others.

mod columns;
mod cycles;
mod document;
mod imports;
mod text;
mod words;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use cargo_metadata::{DependencyKind, MetadataCommand};

type Arrow = (String, String);

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All Rust sources of these folders of the workspace, joined.
fn rust_sources(folders: &[&Path]) -> String {
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut sources = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let is = |name: &str| path.file_name().is_some_and(|last| last == name);
            if path.is_dir() && !is("target") && !is("node_modules") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&std::fs::read_to_string(&path).expect("reads"));
            }
        }
    }
    sources
}

/// `a → b, c` lines of the block that begins with ```arrows.
fn documented() -> BTreeSet<Arrow> {
    let text = include_str!("../../ARCHITECTURE.md");
    let block = text.split("```arrows\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines = block.expect("ARCHITECTURE.md has a block of arrows").lines();
    let arrows = lines.flat_map(|line| {
        let (from, to) = line.split_once('→').expect("an arrow");
        to.split(',').map(move |to| (from.trim().to_owned(), to.trim().to_owned()))
    });
    arrows.collect()
}

#[test]
fn no_arrow_between_crates_but_those_documented() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let members: BTreeSet<_> = metadata.packages.iter().map(|one| one.name.to_string()).collect();
    let mut found = BTreeSet::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            if members.contains(&dependency.name) {
                found.insert((package.name.to_string(), dependency.name.clone()));
            }
        }
    }
    assert_eq!(found, documented());
}

/// Core speaks no protocol: it does not even depend on a library that does.
#[test]
fn core_knows_no_protocol_library() {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata");
    let core = metadata.packages.iter().find(|one| one.name.as_str() == "tricast-core");
    let dependencies = &core.expect("there is a core").dependencies;
    for dependency in dependencies.iter().filter(|one| one.kind == DependencyKind::Normal) {
        let name = dependency.name.as_str();
        let protocol = ["axum", "hyper", "http", "tungstenite", "nats", "tower", "rustls"];
        assert!(!protocol.iter().any(|word| name.contains(word)), "core depends on {name}");
    }
}

/// SECURITY.md promises a test for each threat: each that it names is there.
#[test]
fn every_test_that_security_md_names_exists() {
    let text = std::fs::read_to_string(root().join("SECURITY.md")).expect("reads");
    let sources = rust_sources(&[Path::new("crates"), Path::new("tests")]);
    let threats = text.split("## Threats").nth(1).expect("a table of threats");
    let rows =
        threats.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 4);
    let mut tests = 0;
    for row in rows {
        let cell = row.split('|').nth(3).expect("three cells");
        for name in cell.split('`').skip(1).step_by(2) {
            let fine = match name.strip_suffix("::") {
                _ if name.contains(['/', '.'])
                    || ["hostile", "unread", "writers"].contains(&name) =>
                {
                    true
                }
                Some(module) => root().join(format!("tests/behaviour/{module}.rs")).exists(),
                None => sources.contains(&format!("fn {name}(")),
            };
            assert!(fine, "SECURITY.md names {name}, and there is no such test: {row}");
            tests += 1;
        }
    }
    assert!(tests > 40, "{tests} tests read from SECURITY.md");
}
