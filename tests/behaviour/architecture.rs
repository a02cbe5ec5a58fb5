//! The arrows between the crates are those in ARCHITECTURE.md, and no others.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, MetadataCommand};

type Arrow = (String, String);

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

/// Core speaks no protocol: it cannot even name one.
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
