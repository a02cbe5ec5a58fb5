//! The arrows between the folders of core are those in ARCHITECTURE.md, and no others.

use std::{collections::BTreeSet, path::Path};

use super::{Arrow, documented, imports::Imports};

/// `log` for each file in that folder, `hub` for `hub.rs`.
fn folder_of(file: &Path) -> String {
    let first = file.components().next().expect("a path").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

#[test]
fn no_arrow_between_folders_of_core_but_those_documented() {
    let core = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/core/src");
    let imports = Imports::read(Path::new(core));
    let found: BTreeSet<Arrow> = imports
        .edges()
        .iter()
        .flat_map(|(from, targets)| targets.iter().map(|to| (folder_of(from), folder_of(to))))
        .filter(|(from, to)| from != to)
        .collect();
    let documented = documented("core-arrows");
    let describe = |arrows: BTreeSet<&Arrow>| {
        arrows.iter().map(|(from, to)| format!("\n  {from} → {to}")).collect::<String>()
    };
    let new = describe(found.difference(&documented).collect());
    let gone = describe(documented.difference(&found).collect());
    assert_eq!(found, documented, "\nnot in ARCHITECTURE.md:{new}\nno longer in core:{gone}");
}
