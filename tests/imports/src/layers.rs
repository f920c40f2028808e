//! The list that imports may run down only, and the imports that run up.

use anyhow::{Context as _, Result, bail};

use crate::graph::Imports;

/// The layers, from top to bottom.
pub struct Layers(Vec<Layer>);

struct Layer {
    name: String,
    /// Files, and folders that end with `/`.
    places: Vec<String>,
}

impl Layers {
    /// Reads one layer a line, `name: file folder/ ...`, the top first. Empty lines and those that start with `#` are left out.
    pub fn read(text: &str) -> Result<Self> {
        let mut layers = Vec::new();
        for line in text
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        {
            let (name, places) = line
                .split_once(':')
                .with_context(|| format!("{line:?}: no `name:` in front of the files"))?;
            let places: Vec<String> = places.split_whitespace().map(str::to_owned).collect();
            if places.is_empty() {
                bail!("{line:?}: no file and no folder");
            }
            layers.push(Layer {
                name: name.trim().to_owned(),
                places,
            });
        }
        Ok(Self(layers))
    }

    /// The number of a file's layer, 0 at the top: the layer that names most of its path.
    fn of(&self, file: &str) -> Option<usize> {
        let matches = |place: &&String| {
            file == place.as_str() || (place.ends_with('/') && file.starts_with(place.as_str()))
        };
        let depth = |layer: &Layer| layer.places.iter().filter(matches).map(String::len).max();
        self.0
            .iter()
            .enumerate()
            .filter_map(|(at, layer)| Some((depth(layer)?, at)))
            .max()
            .map(|(_, at)| at)
    }

    /// A line for each import that runs up.
    #[must_use]
    pub fn upward(&self, imports: &Imports) -> Vec<String> {
        imports
            .all()
            .filter_map(|import| {
                let (from, to) = (self.of(import.from)?, self.of(import.to)?);
                (to < from).then(|| {
                    format!(
                        "{import}; {} may not import {}",
                        self.0[from].name, self.0[to].name
                    )
                })
            })
            .collect()
    }

    /// A line for each file without a layer, and for each place of the list without a file.
    pub fn gaps<'a>(&self, files: &(impl Iterator<Item = &'a str> + Clone)) -> Vec<String> {
        let unlisted = files
            .clone()
            .filter(|file| self.of(file).is_none())
            .map(|file| format!("{file} is in no layer"));
        let is_there = |place: &str| {
            files
                .clone()
                .any(|file| file == place || (place.ends_with('/') && file.starts_with(place)))
        };
        let empty = self.0.iter().flat_map(|layer| {
            let gone = layer.places.iter().filter(|place| !is_there(place));
            gone.map(move |place| format!("{place} of the layer {} is not there", layer.name))
        });
        unlisted.chain(empty).collect()
    }
}
