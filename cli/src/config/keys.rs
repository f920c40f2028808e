//! The keys of a file, and the flags they stand for.

use std::fmt;
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

/// A key of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key with those above it, such as `emulator.hostPort`.
    pub path: &'static str,
    /// The verbs that have the flag, each with those above it (`images list`), the one that it is named after first; none
    /// where every verb has it.
    pub verbs: &'static [&'static str],
    /// The flag, as the parser knows it.
    pub arg: &'static str,
    /// What the file has for it.
    pub shape: Shape,
}

/// The shape of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Switch,
    /// A list of strings.
    List,
    /// A path, relative to the file that names it.
    Path,
    /// Strings by name, each `NAME=VALUE` to the flag.
    Map,
}

const fn global(path: &'static str, arg: &'static str) -> Key {
    Key {
        path,
        verbs: &[],
        arg,
        shape: Shape::Text,
    }
}

const fn of(verbs: &'static [&'static str], path: &'static str, arg: &'static str) -> Key {
    Key {
        path,
        verbs,
        arg,
        shape: Shape::Text,
    }
}

const fn shaped(shape: Shape, key: Key) -> Key {
    Key { shape, ..key }
}

/// The verb that makes an environment.
const UP: &[&str] = &["up"];
/// The verbs with the options of an install.
const INSTALL: &[&str] = &["up", "render", "inject"];
/// The verbs with the options of the emulator.
const EMULATOR: &[&str] = &["up", "render"];
/// The verbs that have to do with images.
const IMAGES: &[&str] = &["up", "render", "images list", "images save", "images load"];
/// The verbs that have to do with the sidecar's image.
const SIDECAR: &[&str] = &[
    "up",
    "render",
    "inject",
    "images list",
    "images save",
    "images load",
];

/// Every key that stands for a flag. `recipes` does not: it holds more than a flag can.
pub const KEYS: &[Key] = &[
    global("name", "name"),
    of(UP, "cluster.provider", "cluster"),
    global("cluster.context", "context"),
    of(UP, "cluster.nodeImage", "node_image"),
    shaped(Shape::Path, of(UP, "cluster.configFile", "cluster_config")),
    shaped(Shape::Switch, of(UP, "cluster.switchContext", "switch_context")),
    of(INSTALL, "backend", "backend"),
    of(UP, "aws.baseCredentials", "base_credentials"),
    of(INSTALL, "aws.stsEndpoint", "sts_endpoint"),
    shaped(Shape::Switch, of(INSTALL, "aws.sessionTags", "session_tags")),
    of(IMAGES, "emulator.image", "emulator_image"),
    shaped(Shape::Map, of(EMULATOR, "emulator.env", "emulator_env")),
    of(EMULATOR, "emulator.resources.memory", "emulator_memory"),
    of(EMULATOR, "emulator.resources.cpu", "emulator_cpu"),
    shaped(
        Shape::Path,
        of(UP, "emulator.authTokenFile", "emulator_auth_token_file"),
    ),
    shaped(
        Shape::Number,
        of(&["up", "doctor"], "emulator.hostPort", "host_port"),
    ),
    of(INSTALL, "emulator.region", "region"),
    of(&["env"], "emulator.accountId", "account"),
    of(IMAGES, "webhook.image", "webhook_image"),
    of(SIDECAR, "webhook.sidecarImage", "sidecar_image"),
    of(INSTALL, "webhook.defaultDelivery", "default_delivery"),
    of(INSTALL, "webhook.profile", "profile"),
    of(INSTALL, "webhook.roles", "roles"),
    shaped(
        Shape::List,
        of(INSTALL, "webhook.issuerAliases", "issuer_aliases"),
    ),
    of(INSTALL, "webhook.composeRoleArn", "compose_role_arn"),
    of(UP, "timeout", "timeout"),
    global("progress", "progress"),
    global("color", "color"),
];

impl Key {
    /// The verb that its flag is named after; none where every verb has it.
    #[must_use]
    pub fn verb(&self) -> Option<&'static str> {
        self.verbs.first().copied()
    }

    /// Whether the value of a file is ignored, because the user gave a flag that excludes it.
    #[must_use]
    pub fn yields(&self, values: &[String], given: &ArgMatches) -> bool {
        match self.path {
            "cluster.provider" => typed(given, "context").is_some(),
            "cluster.context" => typed(given, "cluster").is_some_and(|from| from == "kind" || from == "k3d"),
            "webhook.image" => typed(given, "webhook_binary").is_some(),
            "webhook.sidecarImage" => typed(given, "sidecar_binary").is_some(),
            // A flag without a value is `false` if it is not given.
            _ => values == ["false"],
        }
    }
}

/// The value of a flag or of its variable.
fn typed(given: &ArgMatches, arg: &str) -> Option<String> {
    let mut values = given.try_get_raw(arg).ok().flatten()?;
    let by_hand = [Some(ValueSource::CommandLine), Some(ValueSource::EnvVariable)];
    let value = values
        .next()
        .filter(|_| by_hand.contains(&given.value_source(arg)));
    value.map(|value| value.to_string_lossy().into_owned())
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag.
    Flag,
    /// An environment variable.
    Variable(String),
    /// A line of a file.
    File(PathBuf, u64),
    /// It is built in.
    Default,
    /// There is none.
    Unset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("flag"),
            Self::Variable(name) => f.write_str(name),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
            Self::Unset => f.write_str("unset"),
        }
    }
}
