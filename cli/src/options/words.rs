//! Words that flags, variables and files share: names of choices, and how values are read.

use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Deserialize;

use irsa_emu_cluster::local::choice::Asked;
use irsa_emu_cluster::local::family::Family;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProgressMode {
    /// `tty` on a terminal, else `plain`.
    Auto,
    /// One line that is updated while a step runs.
    Tty,
    /// A line for each change, and one every 15 seconds while a step runs.
    Plain,
    /// A JSON object for each change, and for every message.
    Json,
    /// Nothing but errors.
    Quiet,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ColorMode {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl From<ColorMode> for clap::ColorChoice {
    fn from(mode: ColorMode) -> Self {
        match mode {
            ColorMode::Auto => Self::Auto,
            ColorMode::Always => Self::Always,
            ColorMode::Never => Self::Never,
        }
    }
}

/// Where the cluster of an install comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClusterFrom {
    /// The install's own cluster; else the current context, if the install is there; else a new one
    Auto,
    /// A cluster of this install, created by kind
    Kind,
    /// A cluster of this install, created by k3d
    K3d,
    /// The cluster of --context, or of the current context
    Existing,
}

impl ClusterFrom {
    /// What the user asked for.
    #[must_use]
    pub fn asked(self) -> Asked {
        match self {
            Self::Auto => Asked::Auto,
            Self::Kind => Asked::Own(Family::Kind),
            Self::K3d => Asked::Own(Family::K3d),
            Self::Existing => Asked::Existing,
        }
    }
}

/// Where backend `aws` has its base credentials from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BaseCredentialsFrom {
    /// The Secret `irsa-emu-aws-credentials` that is in the Namespace `irsa-emu`
    Secret,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, written into that Secret
    Env,
}

/// Reads a duration: digits with `s`, `m` or `h`; bare digits are seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (digits, factor) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let seconds: Option<u64> = digits
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(factor));
    match seconds {
        // More than a day is a mistake, and keeps every sum of durations far from overflow.
        Some(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("expected a duration such as 90s, 5m or 1h, of at most a day".to_owned()),
    }
}

/// Reads a version of Kubernetes 1; returns its minor version.
pub fn kubernetes_minor(text: &str) -> Result<u32, String> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    let (major, minor) = (parts.next(), parts.next());
    match minor.map(str::parse) {
        Some(Ok(minor)) if major == Some("1") => Ok(minor),
        _ => Err("expected a version of Kubernetes such as 1.31".to_owned()),
    }
}

/// Reads the assignment of a parameter.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Checks the name of an install: it becomes a label, a cluster name and a container name.
pub fn instance_name(text: &str) -> Result<String, String> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let edges_fit = !text.starts_with('-') && !text.ends_with('-');
    // kind appends `-control-plane`, and a host name has at most 63 characters.
    if (1..=49).contains(&text.len()) && edges_fit && text.bytes().all(inner) {
        return Ok(text.to_owned());
    }
    Err("expected at most 49 lower-case letters, digits and inner hyphens".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_and_bounds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "s",
            "0",
            "-1s",
            "5d",
            "1.5h",
            "99999999999999999999h",
            "25h",
            "ü",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_version_of_kubernetes_may_be_long_or_short() {
        for text in ["1.31", "v1.31", "1.31.4", "v1.31.4-k3s1"] {
            assert_eq!(kubernetes_minor(text), Ok(31), "{text}");
        }
        for text in ["", "1", "2.31", "1.x", "31"] {
            assert!(kubernetes_minor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_assignment_has_a_name() {
        assert_eq!(assignment("a=b=c"), Ok(("a".into(), "b=c".into())));
        assert_eq!(assignment("a="), Ok(("a".into(), String::new())));
        assert!(assignment("=b").is_err());
        assert!(assignment("a").is_err());
    }

    #[test]
    fn an_instance_name_fits_labels_and_host_names() {
        for text in ["irsa-emu", "a", "ci-42"] {
            assert_eq!(instance_name(text).as_deref(), Ok(text));
        }
        for text in ["", "-a", "a-", "A", "a_b", "a.b", "a/b", &"a".repeat(50)] {
            assert!(instance_name(text).is_err(), "{text}");
        }
    }
}
