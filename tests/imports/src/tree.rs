//! The modules of every crate, and the file that defines what a path names.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use crate::text::{self, ModuleText, Path};

/// Where a crate starts.
#[derive(Clone, Debug)]
pub struct Root {
    /// The name that other crates import; a program has none.
    pub library: Option<String>,
    /// Its first file, from the workspace's folder.
    pub file: String,
}

struct Module {
    file: String,
    root: usize,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    text: ModuleText,
}

/// What a path stands for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Module(usize),
    /// An item, and the file that defines it.
    Item {
        file: String,
        name: String,
    },
}

/// The modules of all crates of a workspace.
pub(crate) struct Tree {
    modules: Vec<Module>,
    libraries: BTreeMap<String, usize>,
}

/// One step of the resolution, kept so that two imports of each other end.
type Step = (usize, Path);

impl Tree {
    /// Reads the crates that start at these roots. Files that only tests declare are not read.
    pub(crate) fn read(roots: &[Root], sources: &BTreeMap<String, String>) -> Result<Self> {
        let mut tree = Self {
            modules: Vec::new(),
            libraries: BTreeMap::new(),
        };
        for root in roots {
            let folder = root.file.rsplit_once('/').map_or("", |(folder, _)| folder);
            let first = tree.modules.len();
            tree.add_file(&root.file, folder, None, sources)?;
            if let Some(library) = &root.library {
                tree.libraries.insert(library.clone(), first);
            }
        }
        Ok(tree)
    }

    fn add_file(
        &mut self,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        sources: &BTreeMap<String, String>,
    ) -> Result<usize> {
        let source = sources
            .get(file)
            .with_context(|| format!("{file} is not there"))?;
        let text = text::read(source).map_err(|error| anyhow::anyhow!("{file}: {error}"))?;
        self.add(text, file, folder, parent, sources)
    }

    fn add(
        &mut self,
        mut text: ModuleText,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        sources: &BTreeMap<String, String>,
    ) -> Result<usize> {
        let id = self.modules.len();
        let (files, inline) = (std::mem::take(&mut text.files), std::mem::take(&mut text.inline));
        let root = parent.map_or(id, |parent| self.modules[parent].root);
        self.modules.push(Module {
            file: file.to_owned(),
            root,
            parent,
            children: BTreeMap::new(),
            text,
        });
        for name in files {
            let beside = format!("{folder}/{name}.rs");
            let path = if sources.contains_key(&beside) {
                beside
            } else {
                format!("{folder}/{name}/mod.rs")
            };
            let child = self
                .add_file(&path, &format!("{folder}/{name}"), Some(id), sources)
                .with_context(|| format!("{file}: mod {name}"))?;
            self.modules[id].children.insert(name, child);
        }
        for (name, text) in inline {
            let child = self.add(text, file, &format!("{folder}/{name}"), Some(id), sources)?;
            self.modules[id].children.insert(name, child);
        }
        Ok(id)
    }

    /// Every module's number.
    pub(crate) fn ids(&self) -> std::ops::Range<usize> {
        0..self.modules.len()
    }

    /// The file of a module.
    pub(crate) fn file(&self, module: usize) -> &str {
        &self.modules[module].file
    }

    /// What a module uses of others: the file that defines it, its name, and the line that names it.
    pub(crate) fn used(&self, module: usize) -> Vec<(Target, usize)> {
        let text = &self.modules[module].text;
        let paths = text.paths.iter().flat_map(|(path, line)| {
            self.resolve(module, path)
                .into_iter()
                .map(move |target| (target, *line))
        });
        let globs = text
            .names
            .iter()
            .filter(|(name, _)| !self.has(module, name))
            .flat_map(|(name, line)| {
                let found = self.by_globs(module, std::slice::from_ref(name), &mut BTreeSet::new());
                found.into_iter().flatten().map(move |target| (target, *line))
            });
        paths.chain(globs).collect()
    }

    /// Whether the module itself defines, declares or imports the name.
    fn has(&self, module: usize, name: &str) -> bool {
        let module = &self.modules[module];
        module.text.defined.contains(name)
            || module.text.imported.contains_key(name)
            || module.children.contains_key(name)
    }

    /// What the path stands for in this module; nothing if it leaves the workspace.
    fn resolve(&self, module: usize, path: &[String]) -> Vec<Target> {
        self.resolve_step(module, path, &mut BTreeSet::new())
            .unwrap_or_default()
    }

    /// `None`: no such name here.
    fn resolve_step(&self, module: usize, path: &[String], seen: &mut BTreeSet<Step>) -> Option<Vec<Target>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(self.inside(self.modules[module].root, rest, seen)),
            "self" => Some(self.inside(module, rest, seen)),
            "super" => {
                let parent = self.modules[module].parent?;
                if rest.first().is_some_and(|next| next == "super") {
                    return self.resolve_step(parent, rest, seen);
                }
                Some(self.inside(parent, rest, seen))
            }
            _ => self.lookup(module, path, seen).or_else(|| {
                self.libraries
                    .get(first)
                    .map(|library| self.inside(*library, rest, seen))
            }),
        }
    }

    /// What a path stands for from within a module that it surely is in.
    fn inside(&self, module: usize, path: &[String], seen: &mut BTreeSet<Step>) -> Vec<Target> {
        if path.is_empty() {
            return vec![Target::Module(module)];
        }
        // What a macro makes has no definition that can be read: the module's own file stands for it.
        self.lookup(module, path, seen)
            .unwrap_or_else(|| vec![self.item(module, &path[0])])
    }

    fn lookup(&self, module: usize, path: &[String], seen: &mut BTreeSet<Step>) -> Option<Vec<Target>> {
        let step = (module, path.to_vec());
        if !seen.insert(step.clone()) {
            return Some(Vec::new());
        }
        let found = self.lookup_new(module, path, seen);
        seen.remove(&step);
        found
    }

    fn lookup_new(&self, module: usize, path: &[String], seen: &mut BTreeSet<Step>) -> Option<Vec<Target>> {
        let (name, rest) = path.split_first()?;
        let here = &self.modules[module];
        let child = here.children.get(name);
        if let (Some(child), false) = (child, rest.is_empty()) {
            return Some(self.inside(*child, rest, seen));
        }
        let mut found = Vec::new();
        let mut is_known = child.is_some();
        found.extend(child.map(|child| Target::Module(*child)));
        for import in here.text.imported.get(name).into_iter().flatten() {
            is_known = true;
            for target in self.resolve_step(module, import, seen).unwrap_or_default() {
                match target {
                    Target::Module(module) => found.extend(self.inside(module, rest, seen)),
                    item @ Target::Item { .. } => found.push(item),
                }
            }
        }
        if here.text.defined.contains(name) {
            is_known = true;
            found.push(self.item(module, name));
        }
        if is_known {
            Some(found)
        } else {
            self.by_globs(module, path, seen)
        }
    }

    fn by_globs(&self, module: usize, path: &[String], seen: &mut BTreeSet<Step>) -> Option<Vec<Target>> {
        self.modules[module].text.globs.iter().find_map(|glob| {
            let targets = self.resolve_step(module, glob, seen)?;
            targets.into_iter().find_map(|target| match target {
                Target::Module(module) => self.lookup(module, path, seen),
                Target::Item { .. } => None,
            })
        })
    }

    fn item(&self, module: usize, name: &str) -> Target {
        Target::Item {
            file: self.modules[module].file.clone(),
            name: name.to_owned(),
        }
    }
}
