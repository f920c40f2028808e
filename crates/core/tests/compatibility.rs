//! The page that compares us with EKS names a test for every row; each of them must exist.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_row_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/eks-compatibility.md")).unwrap();
    let mut code = String::new();
    for folder in [
        "crates/core/src",
        "crates/core/tests",
        "webhook/src",
        "tests/e2e/src",
    ] {
        sources(&root.join(folder), &mut code);
    }
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Behaviour"))
        .collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        let test = row
            .trim_end_matches(['|', ' '])
            .rsplit('`')
            .nth(1)
            .unwrap_or_default();
        let exists = code.contains(&format!("fn {test}(")) || code.contains(&format!("\"{test}\""));
        assert!(!test.is_empty() && exists, "no test of this name: {row}");
    }
}
