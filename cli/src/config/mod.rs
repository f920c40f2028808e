//! Settings from files: read, checked, and laid below flags and environment variables.
//!
//! A key of a file becomes the default of the flag that it stands for, so that a flag, its variable and its key are
//! read by the same code and precede each other in one place only.

mod discover;
mod keys;
mod schema;

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_core::suggest;

pub use self::discover::Choice;
pub use self::keys::{KEYS, Key, Origin, Shape};
use self::schema::Environment;
pub use self::schema::{RecipeEntry, ValuesFiles, json_schema};
use crate::error::CliError;

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{}{}: {problem}", .path.display(), .line.map(|line| format!(":{line}")).unwrap_or_default())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where in it.
        line: Option<u64>,
        /// What is wrong.
        problem: String,
    },
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::new(ExitStatus::Usage, "reading the configuration", error)
            .code(Code::ConfigInvalid)
            .next("irsa-emu config schema")
    }
}

/// A value of a key, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: &'static Key,
    values: Vec<String>,
    path: PathBuf,
    line: u64,
}

/// The settings of all files.
#[derive(Debug, Default)]
pub struct Config {
    entries: Vec<Entry>,
    recipes: Vec<RecipeEntry>,
    recipes_from: Option<PathBuf>,
    files: Vec<PathBuf>,
}

impl Config {
    /// Reads the files that are chosen or found; those that precede come first.
    pub fn load(choice: &Choice) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for path in choice.files() {
            let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable {
                path: path.clone(),
                source,
            })?;
            config.add(&path, &text)?;
        }
        Ok(config)
    }

    /// Adds a file below those that were added before.
    fn add(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let environment = parse(path, text)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for (key, mut values, line) in environment.settings() {
            if key.shape == Shape::Path {
                values = values
                    .iter()
                    .map(|value| folder.join(value).display().to_string())
                    .collect();
            }
            if self.entries.iter().all(|entry| entry.key.path != key.path) {
                let path = path.to_owned();
                self.entries.push(Entry {
                    key,
                    values,
                    path,
                    line,
                });
            }
        }
        if self.recipes_from.is_none()
            && let Some(recipes) = environment.recipes(folder)
        {
            self.recipes = recipes;
            self.recipes_from = Some(path.to_owned());
        }
        self.files.push(path.to_owned());
        Ok(())
    }

    /// The files that were read; those that precede come first.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The recipes that `up` applies.
    #[must_use]
    pub fn recipes(&self) -> &[RecipeEntry] {
        &self.recipes
    }

    /// The file that names the recipes.
    #[must_use]
    pub fn recipes_from(&self) -> Option<&Path> {
        self.recipes_from.as_deref()
    }

    /// Makes the values of the files the defaults of their flags. `given` is the command line without them.
    #[must_use]
    pub fn lay_below(&self, mut command: clap::Command, given: &ArgMatches) -> clap::Command {
        for entry in &self.entries {
            if entry.key.yields(&entry.values, leaf(given)) {
                continue;
            }
            let values: Vec<clap::builder::OsStr> = entry.values.iter().map(Into::into).collect();
            let with_default = |arg: clap::Arg| arg.default_values(values.clone());
            if entry.key.verbs.is_empty() {
                command = command.mut_arg(entry.key.arg, with_default);
            }
            for verb in entry.key.verbs {
                let words: Vec<&str> = verb.split(' ').collect();
                command = in_verb(command, &words, |command| {
                    command.mut_arg(entry.key.arg, with_default)
                });
            }
        }
        command
    }

    /// Where the value of a key comes from.
    #[must_use]
    pub fn origin(&self, key: &Key, matches: &ArgMatches, variable: Option<&str>) -> Origin {
        use clap::parser::ValueSource;
        match matches.value_source(key.arg) {
            Some(ValueSource::CommandLine) => Origin::Flag,
            Some(ValueSource::EnvVariable) => Origin::Variable(variable.unwrap_or_default().to_owned()),
            Some(_) => self
                .entries
                .iter()
                .find(|entry| entry.key.path == key.path && !entry.key.yields(&entry.values, matches))
                .map_or(Origin::Default, |entry| {
                    Origin::File(entry.path.clone(), entry.line)
                }),
            None => Origin::Unset,
        }
    }
}

/// Changes the parser of one verb, which is named with those above it.
fn in_verb(
    command: clap::Command,
    words: &[&str],
    change: impl FnOnce(clap::Command) -> clap::Command,
) -> clap::Command {
    match words.split_first() {
        None => change(command),
        Some((word, below)) => command.mut_subcommand(*word, |command| in_verb(command, below, change)),
    }
}

/// The matches of the innermost verb.
fn leaf(matches: &ArgMatches) -> &ArgMatches {
    match matches.subcommand() {
        Some((_, below)) => leaf(below),
        None => matches,
    }
}

fn parse(path: &Path, text: &str) -> Result<Environment, ConfigError> {
    let environment: Result<Option<Environment>, _> = serde_saphyr::from_str(text);
    environment.map(Option::unwrap_or_default).map_err(|error| {
        let line = error.location().map(|location| location.line());
        ConfigError::Wrong {
            path: path.to_owned(),
            line,
            problem: problem(error.without_snippet()),
        }
    })
}

fn problem(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    let (what, word, expected) = match error {
        E::SerdeUnknownField { field, expected, .. } => ("key", field, expected),
        E::SerdeUnknownVariant {
            variant, expected, ..
        } => ("value", variant, expected),
        // The place is reported before, and need not be reported again.
        other => {
            let text = other.to_string();
            return text.split(" at line ").next().unwrap_or(&text).to_owned();
        }
    };
    match suggest::closest(word, expected.iter().copied()) {
        Some(close) => format!("unknown {what} `{word}`; did you mean `{close}`?"),
        None => format!("unknown {what} `{word}`; there are: {}", expected.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        match Config::default().add(Path::new("irsa-emu.yaml"), text) {
            Ok(()) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, expected) in [
            (
                "nmae: x\n",
                "irsa-emu.yaml:1: unknown key `nmae`; did you mean `name`?",
            ),
            (
                "name: x\nemulator:\n  hostport: 1\n",
                "irsa-emu.yaml:3: unknown key `hostport`; did you mean `hostPort`?",
            ),
            (
                "webhook: {profile: strict}\n",
                "irsa-emu.yaml:1: unknown value `strict`; did you mean `strict-eks`?",
            ),
            (
                "recipes:\n- {recipe: a, vales: b}\n",
                "irsa-emu.yaml:2: unknown key `vales`; did you mean `values`?",
            ),
            (
                "name: Not_A_Name\n",
                "irsa-emu.yaml:1: `Not_A_Name`: expected at most 49 lower-case letters, digits and inner hyphens",
            ),
            (
                "emulator:\n  env: {LOCALSTACK_AUTH_TOKEN: hunter2}\n",
                "irsa-emu.yaml:2: LOCALSTACK_AUTH_TOKEN is a secret, and the variables of a container are not: \
set the variable LOCALSTACK_AUTH_TOKEN where irsa-emu runs, or use --emulator-auth-token-file",
            ),
            (
                "emulator: {resources: {memory: 3GB}}\n",
                "irsa-emu.yaml:1: `3GB`: expected a quantity of memory such as 3Gi or 1500Mi",
            ),
            (
                "\nemulator: {region: US}\n",
                "irsa-emu.yaml:2: `US`: expected an AWS region such as us-east-1",
            ),
            (
                "kind: Recipe\n",
                "irsa-emu.yaml:1: unknown value `Recipe`; there are: Environment",
            ),
        ] {
            assert_eq!(wrong(text), expected, "{text}");
        }
        for text in [
            "name: a\nname: b\n",
            "emulator: {hostPort: 70000}\n",
            "name: [\n",
            "- a\n",
        ] {
            assert!(wrong(text).starts_with("irsa-emu.yaml:"), "{}", wrong(text));
        }
    }

    #[test]
    fn a_file_may_be_empty_and_a_section_too() {
        for text in [
            "",
            "# nothing\n",
            "cluster:\n",
            "apiVersion: irsa-emu.dev/v1alpha1\nkind: Environment\n",
        ] {
            assert_eq!(wrong(text), "accepted", "{text}");
        }
    }

    #[test]
    fn the_paths_of_recipes_are_relative_to_their_file() {
        let mut config = Config::default();
        let text = "recipes:\n- vault-awskms\n- ./own.yaml\n- {recipe: vault-awskms, values: v.yaml, set: {account: 012345678901}}\n";
        config.add(Path::new("/project/irsa-emu.yaml"), text).unwrap();
        config
            .add(Path::new("/home/config.yaml"), "recipes: [other]\n")
            .unwrap();
        let (name, file, full) = (&config.recipes()[0], &config.recipes()[1], &config.recipes()[2]);
        assert_eq!(
            (name.recipe.as_str(), file.recipe.as_str()),
            ("vault-awskms", "/project/./own.yaml")
        );
        assert_eq!(full.values, Some(ValuesFiles::One("/project/v.yaml".into())));
        assert_eq!(full.set["account"], "012345678901");
    }

    /// A value of every key for a file, its words, and other words for the flag.
    const SAMPLES: &[(&str, &str, &str, &str)] = &[
        ("name", "mine", "mine", "other"),
        ("cluster.provider", "existing", "existing", "kind"),
        ("cluster.context", "kind-a", "kind-a", "kind-b"),
        ("cluster.nodeImage", "node:1", "node:1", "node:2"),
        ("cluster.configFile", "kind.yaml", "kind.yaml", "other.yaml"),
        ("cluster.switchContext", "true", "true", ""),
        ("backend", "aws", "aws", "emulator"),
        ("aws.baseCredentials", "env", "env", "secret"),
        ("aws.stsEndpoint", "http://a", "http://a", "http://b"),
        ("aws.sessionTags", "true", "true", ""),
        ("emulator.image", "ls:1", "ls:1", "ls:2"),
        ("emulator.env", "{A: 01, B: 'x=y'}", "A=01 B=x=y", "C=1"),
        ("emulator.resources.memory", "3Gi", "3Gi", "4Gi"),
        ("emulator.resources.cpu", "2", "2", "500m"),
        ("emulator.authTokenFile", "token", "token", "other"),
        ("emulator.hostPort", "1", "1", "2"),
        ("emulator.region", "eu-west-1", "eu-west-1", "eu-west-2"),
        (
            "emulator.accountId",
            "'000000000001'",
            "000000000001",
            "000000000002",
        ),
        ("webhook.image", "wh:1", "wh:1", "wh:2"),
        ("webhook.sidecarImage", "sc:1", "sc:1", "sc:2"),
        ("webhook.defaultDelivery", "sidecar", "sidecar", "web-identity"),
        ("webhook.profile", "strict-eks", "strict-eks", "default"),
        ("webhook.roles", "strict", "strict", "auto"),
        ("webhook.issuerAliases", "[a, b]", "a b", "c"),
        (
            "webhook.composeRoleArn",
            "'000000000001'",
            "000000000001",
            "000000000002",
        ),
        ("timeout", "9m", "9m", "8m"),
        ("progress", "plain", "plain", "quiet"),
        ("color", "never", "never", "always"),
    ];

    fn yaml(path: &str, value: &str) -> String {
        let keys: Vec<&str> = path.split('.').collect();
        let line = |(depth, key): (usize, &&str)| format!("{}{key}:", "  ".repeat(depth));
        let lines: Vec<String> = keys.iter().enumerate().map(line).collect();
        format!("{} {value}\n", lines.join("\n"))
    }

    /// What a key comes to with a command line: its words and its origin.
    fn comes_to(config: &Config, key: &Key, flag: &[String]) -> (String, Origin) {
        let command = || crate::command_line::command().mut_args(|arg| arg.env(None));
        let mut words = vec!["irsa-emu".to_owned(), key.verb().unwrap_or("up").to_owned()];
        words.extend_from_slice(flag);
        let given = command().try_get_matches_from(&words).unwrap();
        let matches = config
            .lay_below(command(), &given)
            .try_get_matches_from(&words)
            .unwrap();
        let matches = leaf(&matches);
        let raw = matches.try_get_raw(key.arg).ok().flatten().into_iter().flatten();
        let words: Vec<_> = raw.map(|word| word.to_string_lossy().into_owned()).collect();
        (words.join(" "), config.origin(key, matches, None))
    }

    #[test]
    fn a_flag_beats_the_projects_file_which_beats_the_users_file() {
        let paths: Vec<&str> = SAMPLES.iter().map(|sample| sample.0).collect();
        assert_eq!(
            paths,
            KEYS.iter().map(|key| key.path).collect::<Vec<_>>(),
            "a sample for every key"
        );
        let command = crate::command_line::command();
        for (key, (path, value, words, other)) in KEYS.iter().zip(SAMPLES) {
            let verb = key
                .verb()
                .map_or(Some(&command), |verb| command.find_subcommand(verb))
                .unwrap();
            let long = verb.get_arguments().find(|arg| arg.get_id() == key.arg).unwrap();
            let long = format!("--{}", long.get_long().unwrap());
            let flag: Vec<String> = [long, (*other).to_owned()]
                .into_iter()
                .filter(|word| !word.is_empty())
                .collect();
            let mut config = Config::default();
            config.add(Path::new("project.yaml"), &yaml(path, value)).unwrap();
            let line = path.split('.').count() as u64;
            let from_file = (words.to_string(), Origin::File("project.yaml".into(), line));
            assert_eq!(comes_to(&config, key, &[]), from_file, "{path}");
            let flagged = if other.is_empty() { words } else { other };
            assert_eq!(
                comes_to(&config, key, &flag),
                (flagged.to_string(), Origin::Flag),
                "{path}"
            );
            let mut users = Config::default();
            users.add(Path::new("other.yaml"), "").unwrap();
            users.add(Path::new("project.yaml"), &yaml(path, value)).unwrap();
            users.add(Path::new("user.yaml"), &yaml(path, value)).unwrap();
            assert_eq!(comes_to(&users, key, &[]), from_file, "{path}");
            let origin = comes_to(&Config::default(), key, &[]).1;
            assert!(matches!(origin, Origin::Default | Origin::Unset), "{path}");
        }
    }

    #[test]
    fn the_reference_lists_exactly_these_keys() {
        let page = include_str!("../../../docs/cli.md");
        let section = page
            .split("\n## ")
            .find(|section| section.starts_with("Configuration"));
        let section = section.unwrap_or_default();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let command = crate::command_line::command();
        let mut expected = Vec::new();
        for key in KEYS {
            let verb = key
                .verb()
                .map_or(Some(&command), |verb| command.find_subcommand(verb))
                .unwrap();
            let arg = verb.get_arguments().find(|arg| arg.get_id() == key.arg).unwrap();
            let verb = key.verb().map(|verb| format!("{verb} ")).unwrap_or_default();
            let (long, variable) = (arg.get_long().unwrap(), arg.get_env().unwrap().to_str().unwrap());
            expected.push(format!("| `{}` | `{verb}--{long}` | `{variable}` |", key.path));
        }
        expected.push("| `recipes` | `up --recipe` | `IRSA_EMU_RECIPE` |".to_owned());
        assert_eq!(rows, expected, "\n{}", expected.join("\n"));
    }

    #[test]
    fn a_file_is_ignored_where_a_flag_excludes_it() {
        let mut config = Config::default();
        let text = "cluster: {provider: kind}\nwebhook: {image: i}\n";
        config.add(Path::new("f"), text).unwrap();
        let key = |path: &str| KEYS.iter().find(|key| key.path == path).unwrap();
        let with = |config: &Config, path: &str, flags: &[&str]| {
            comes_to(
                config,
                key(path),
                &flags.iter().map(|flag| (*flag).to_owned()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            with(&config, "cluster.provider", &["--context", "x"]).1,
            Origin::Default
        );
        assert_eq!(
            with(&config, "webhook.image", &["--webhook-binary", "x"]).1,
            Origin::Unset
        );
        let mut config = Config::default();
        config
            .add(
                Path::new("f"),
                "cluster: {context: kind-x, switchContext: false}\n",
            )
            .unwrap();
        assert_eq!(
            with(&config, "cluster.context", &["--cluster", "kind"]).1,
            Origin::Unset
        );
        assert_eq!(
            with(&config, "cluster.context", &["--cluster", "existing"]).0,
            "kind-x"
        );
        assert_eq!(
            with(&config, "cluster.switchContext", &["--switch-context"]).1,
            Origin::Flag
        );
    }
}
