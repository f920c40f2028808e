//! Which file imports which, and the circles among them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::tree::{Target, Tree};

/// A name that one file takes from another, and the line where it does so first.
pub type Names = BTreeMap<String, usize>;

/// Which file imports which, with the names that it takes.
#[derive(Clone, Debug, Default)]
pub struct Imports(BTreeMap<String, BTreeMap<String, Names>>);

/// One import, with all names that ride on it.
#[derive(Clone, Debug)]
pub struct Import<'a> {
    /// The file that imports.
    pub from: &'a str,
    /// The file that defines what is imported.
    pub to: &'a str,
    /// What is imported.
    pub names: &'a Names,
}

impl fmt::Display for Import<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} imports {}: ", self.from, self.to)?;
        for (at, (name, line)) in self.names.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(out, "{comma}{name} (line {line})")?;
        }
        Ok(())
    }
}

/// Files each of which reaches all others by imports.
#[derive(Clone, Debug, PartialEq)]
pub struct Circle {
    /// All of them.
    pub files: BTreeSet<String>,
    /// The shortest way round; the last imports the first.
    pub shortest: Vec<String>,
}

impl Imports {
    /// Reads them from the modules of a workspace.
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut imports = Self::default();
        for module in tree.ids() {
            let from = tree.file(module);
            for (target, line) in tree.used(module) {
                if let Target::Item { file, name } = target
                    && file != from
                {
                    imports.add(from, &file, name, line);
                }
            }
        }
        imports
    }

    fn add(&mut self, from: &str, to: &str, name: String, line: usize) {
        let names = self
            .0
            .entry(from.to_owned())
            .or_default()
            .entry(to.to_owned())
            .or_default();
        let first = names.entry(name).or_insert(line);
        *first = line.min(*first);
    }

    /// All imports, by file.
    pub fn all(&self) -> impl Iterator<Item = Import<'_>> {
        self.0
            .iter()
            .flat_map(|(from, targets)| targets.iter().map(move |(to, names)| Import { from, to, names }))
    }

    /// The import of one file by another, if there is one.
    #[must_use]
    pub fn between(&self, from: &str, to: &str) -> Option<Import<'_>> {
        let (from, targets) = self.0.get_key_value(from)?;
        let (to, names) = targets.get_key_value(to)?;
        Some(Import { from, to, names })
    }

    fn targets(&self, file: &str) -> impl Iterator<Item = &str> {
        self.0
            .get(file)
            .into_iter()
            .flat_map(|targets| targets.keys().map(String::as_str))
    }

    /// The circles, the largest first.
    pub fn circles(&self) -> Vec<Circle> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .0
            .keys()
            .map(|file| (file.as_str(), self.reached(file)))
            .collect();
        let mut circles: Vec<Circle> = Vec::new();
        for (file, others) in &reached {
            if !others.contains(file) || circles.iter().any(|circle| circle.files.contains(*file)) {
                continue;
            }
            let returns = |other: &&&str| reached.get(**other).is_some_and(|others| others.contains(file));
            let files: BTreeSet<String> = others
                .iter()
                .filter(returns)
                .map(|other| (*other).to_owned())
                .collect();
            let shortest = files
                .iter()
                .filter_map(|file| self.way_back(file))
                .min_by_key(Vec::len)
                .unwrap_or_default();
            circles.push(Circle { files, shortest });
        }
        circles.sort_by(|one, other| {
            other
                .files
                .len()
                .cmp(&one.files.len())
                .then_with(|| one.files.cmp(&other.files))
        });
        circles
    }

    fn reached(&self, start: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&str> = self.targets(start).collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(self.targets(file));
            }
        }
        reached
    }

    /// The shortest circle that the file is in, from the file on.
    fn way_back(&self, start: &str) -> Option<Vec<String>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(file) = next.pop_front() {
            for target in self.targets(file) {
                if target == start {
                    let back = std::iter::successors(Some(file), |file| came_from.get(file).copied());
                    let mut way: Vec<String> = back.map(str::to_owned).collect();
                    way.reverse();
                    return Some(way);
                }
                if !came_from.contains_key(target) {
                    came_from.insert(target, file);
                    next.push_back(target);
                }
            }
        }
        None
    }

    /// The names without which the circle would be smallest, with the size of the largest circle that is left.
    #[must_use]
    pub fn cuts(&self, circle: &Circle) -> Vec<(usize, String, String)> {
        let inside = self.within(circle);
        let names: BTreeSet<(&str, &str)> = inside
            .all()
            .flat_map(|import| import.names.keys().map(move |name| (import.to, name.as_str())))
            .collect();
        let mut cuts: Vec<(usize, String, String)> = names
            .into_iter()
            .map(|(file, name)| {
                let left = inside
                    .without(file, name)
                    .circles()
                    .first()
                    .map_or(0, |circle| circle.files.len());
                (left, file.to_owned(), name.to_owned())
            })
            .filter(|(left, ..)| *left < circle.files.len())
            .collect();
        cuts.sort();
        cuts
    }

    /// Only the imports between the files of a circle.
    #[must_use]
    pub fn within(&self, circle: &Circle) -> Self {
        let mut inside = Self::default();
        for import in self
            .all()
            .filter(|import| circle.files.contains(import.from) && circle.files.contains(import.to))
        {
            inside
                .0
                .entry(import.from.to_owned())
                .or_default()
                .insert(import.to.to_owned(), import.names.clone());
        }
        inside
    }

    fn without(&self, file: &str, name: &str) -> Self {
        let mut left = self.clone();
        for targets in left.0.values_mut() {
            if let Some(names) = targets.get_mut(file) {
                names.remove(name);
                if names.is_empty() {
                    targets.remove(file);
                }
            }
        }
        left
    }
}
