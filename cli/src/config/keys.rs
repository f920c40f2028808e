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
    /// The verb that has the flag; `None` where every verb has it.
    pub verb: Option<&'static str>,
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
}

const fn global(path: &'static str, arg: &'static str) -> Key {
    Key {
        path,
        verb: None,
        arg,
        shape: Shape::Text,
    }
}

const fn of(verb: &'static str, path: &'static str, arg: &'static str) -> Key {
    Key {
        path,
        verb: Some(verb),
        arg,
        shape: Shape::Text,
    }
}

const fn shaped(shape: Shape, key: Key) -> Key {
    Key { shape, ..key }
}

/// Every key that stands for a flag. `recipes` does not: it says more than a flag can.
pub const KEYS: &[Key] = &[
    global("name", "name"),
    of("up", "cluster.provider", "cluster"),
    global("cluster.context", "context"),
    of("up", "cluster.nodeImage", "node_image"),
    shaped(Shape::Switch, of("up", "cluster.switchContext", "switch_context")),
    of("up", "backend", "backend"),
    of("up", "aws.baseCredentials", "base_credentials"),
    of("up", "aws.stsEndpoint", "sts_endpoint"),
    shaped(Shape::Switch, of("up", "aws.sessionTags", "session_tags")),
    of("up", "emulator.image", "emulator_image"),
    shaped(Shape::Number, of("up", "emulator.hostPort", "host_port")),
    of("up", "emulator.region", "region"),
    of("env", "emulator.accountId", "account"),
    of("up", "webhook.image", "webhook_image"),
    of("up", "webhook.sidecarImage", "sidecar_image"),
    of("up", "webhook.defaultDelivery", "default_delivery"),
    of("up", "webhook.profile", "profile"),
    of("up", "webhook.roles", "roles"),
    shaped(Shape::List, of("up", "webhook.issuerAliases", "issuer_aliases")),
    of("up", "webhook.composeRoleArn", "compose_role_arn"),
    of("up", "timeout", "timeout"),
    global("progress", "progress"),
    global("color", "color"),
];

impl Key {
    /// Whether the value of a file makes way, because the user typed something that excludes it.
    #[must_use]
    pub fn yields(&self, values: &[String], given: &ArgMatches) -> bool {
        match self.path {
            "cluster.provider" => typed(given, "context").is_some(),
            "cluster.context" => typed(given, "cluster").is_some_and(|from| from == "kind" || from == "k3d"),
            "webhook.image" => typed(given, "webhook_binary").is_some(),
            "webhook.sidecarImage" => typed(given, "sidecar_binary").is_some(),
            // `false` is what a flag without a value says by not being there.
            _ => values == ["false"],
        }
    }
}

/// What a flag or its variable says.
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
