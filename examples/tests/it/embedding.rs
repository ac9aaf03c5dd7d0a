//! The versions in `docs/embedding.md` are those of the workspace.

use std::{fs, path::Path};

#[test]
fn the_versions_of_the_crates_in_signatures_are_those_of_the_workspace() {
    let read = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap();
    let (docs, manifest) = (read("docs/embedding.md"), read("Cargo.toml"));
    let version_of = |name: &str| {
        let line = manifest.lines().find(|line| line.starts_with(&format!("{name} = ")));
        let line = line.unwrap_or_else(|| panic!("{name} is not a dependency of the workspace"));
        line.split('"').nth(1).expect("a version").to_owned()
    };
    let table = docs.lines().skip_while(|line| !line.starts_with("| crate | version |"));
    let rows: Vec<_> = table.skip(2).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 5, "{rows:?}");
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert_eq!(cells[2], version_of(cells[1]), "{}", cells[1]);
    }
}
