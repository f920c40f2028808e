//! Fails on a circle of imports between files, and on an import that runs up the list of layers.
//!
//! A file imports another if it names something that the other defines, by `use` or by a path, wherever re-exports take it
//! from. A `mod name;` is no import. `layers.txt`, beside this crate, is the list: imports run down it only.

mod graph;
mod layers;
#[cfg(test)]
mod tests;
mod text;
mod tree;
mod workspace;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};

pub use graph::{Circle, Import, Imports, Names};
pub use layers::Layers;
pub use tree::Root;
pub use workspace::Workspace;

/// The imports of every file of a workspace.
pub fn imports(workspace: &Workspace) -> Result<Imports> {
    Ok(Imports::of(&tree::Tree::read(
        &workspace.roots,
        &workspace.sources,
    )?))
}

/// A line for each thing that is wrong with the workspace in this folder.
pub fn check(folder: &Path) -> Result<Vec<String>> {
    let workspace = Workspace::read(folder)?;
    let list = folder.join("tests/imports/layers.txt");
    let text = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    wrong(
        &workspace,
        &Layers::read(&text).with_context(|| list.display().to_string())?,
    )
}

fn wrong(workspace: &Workspace, layers: &Layers) -> Result<Vec<String>> {
    let imports = imports(workspace)?;
    let circles = imports.circles();
    let mut lines: Vec<String> = circles.iter().map(|circle| shown(circle, &imports)).collect();
    lines.extend(layers.upward(&imports));
    lines.extend(layers.gaps(&workspace.sources.keys().map(String::as_str)));
    Ok(lines)
}

/// A circle's size, and the imports of its shortest round, a line each.
#[must_use]
pub fn shown(circle: &Circle, imports: &Imports) -> String {
    let next = circle.shortest.iter().cycle().skip(1);
    let round = circle
        .shortest
        .iter()
        .zip(next)
        .filter_map(|(from, to)| imports.between(from, to));
    let mut text = format!(
        "{} files import each other; the shortest circle:",
        circle.files.len()
    );
    for import in round {
        let _ = write!(text, "\n  {import}");
    }
    text
}
