//! Holds the arrows between the crates to the floor plan drawn in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each crate of the workspace with those it depends on to be built.
type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_crates_depend_on_each_other_as_drawn() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md");
    let page = fs::read_to_string(&path).expect("ARCHITECTURE.md stands in the root");
    assert_eq!(built(), drawn(&page), "left: what cargo says; right: ARCHITECTURE.md, Arrows");
}

fn built() -> Arrows {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec();
    let metadata = metadata.expect("cargo metadata runs");
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|package| &**package.name).collect();
    let arrows = metadata.packages.iter().map(|package| {
        let built = package.dependencies.iter().filter(|dependency| {
            dependency.kind != DependencyKind::Development && ours.contains(&*dependency.name)
        });
        let name = package.name.to_string();
        (name, built.map(|dependency| dependency.name.clone()).collect())
    });
    arrows.collect()
}

/// The first fenced block below the heading `## Arrows`: lines `crate -> dependency, dependency`.
fn drawn(page: &str) -> Arrows {
    let (_, section) = page.split_once("\n## Arrows\n").expect("a heading '## Arrows'");
    let block = section.split("```").nth(1).expect("a fenced block below it");
    let lines = block.lines().skip(1).filter(|line| !line.trim().is_empty());
    lines.map(|line| parse_arrow(line).unwrap_or_else(|| panic!("no arrow: {line}"))).collect()
}

fn parse_arrow(line: &str) -> Option<(String, BTreeSet<String>)> {
    let (from, to) = line.split_once("->")?;
    let to = to.split(',').map(str::trim).filter(|name| !name.is_empty());
    Some((from.trim().to_owned(), to.map(str::to_owned).collect()))
}

#[test]
fn an_arrow_names_one_crate_and_those_below_it() {
    let page = "# X\n## Arrows\nwords\n```text\na -> b, c\nb ->\n\n```\nd -> e\n";
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let expected = [("a".to_owned(), set(&["b", "c"])), ("b".to_owned(), set(&[]))];
    assert_eq!(drawn(page), expected.into());
}
