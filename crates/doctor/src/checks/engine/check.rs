//! What a check is, and what it can find out.

use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;

use crate::remedy::Remedy;

/// What a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// This machine
    Host,
    /// The cluster
    Cluster,
    /// Images on the nodes
    Images,
    /// The emulator
    Emulator,
    /// The webhook
    Webhook,
    /// Tokens and roles
    Identity,
    /// Recipes and their keys
    Kms,
    /// Pods and how they were injected
    Workload,
}

impl Phase {
    /// Every phase, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::Host,
        Self::Cluster,
        Self::Images,
        Self::Emulator,
        Self::Webhook,
        Self::Identity,
        Self::Kms,
        Self::Workload,
    ];

    /// What it looks at.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Host => "This machine",
            Self::Cluster => "The cluster",
            Self::Images => "Images on the nodes",
            Self::Emulator => "The emulator",
            Self::Webhook => "The webhook",
            Self::Identity => "Tokens and roles",
            Self::Kms => "Recipes and their keys",
            Self::Workload => "Pods and how they were injected",
        }
    }

    /// Its name, as `--phase` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Cluster => "cluster",
            Self::Images => "images",
            Self::Emulator => "emulator",
            Self::Webhook => "webhook",
            Self::Identity => "identity",
            Self::Kms => "kms",
            Self::Workload => "workload",
        }
    }
}

/// How much a check that does not pass matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something does not work.
    Error,
    /// Something may not work, or is inconvenient.
    Warning,
}

/// Something to check in a context of type `C`.
pub struct Check<C> {
    /// Its name, for flags and for its section in `docs/checks.md`.
    pub id: &'static str,
    /// What it is about.
    pub phase: Phase,
    /// Checks without whose success it makes no sense.
    pub needs: &'static [&'static str],
    /// How much it matters.
    pub severity: Severity,
    /// What it asks, in a few words.
    pub title: &'static str,
    /// Asks.
    pub run: for<'a> fn(&'a C) -> BoxFuture<'a, Verdict>,
}

/// What a check found out.
pub type Verdict = Result<Fine, Trouble>;

/// Nothing is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fine {
    /// It is as it should be; what was seen.
    Ok(String),
    /// There is nothing to ask about; why.
    Skipped(String),
}

/// Something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Whether it is only worth a warning.
    pub warning: bool,
    /// What is wrong, and why.
    pub message: String,
    /// The object it is about.
    pub object: Option<String>,
    /// The command that fixes it, or shows more.
    pub fix: String,
    /// What `doctor --fix` does about it, where that is safe to repeat.
    pub remedy: Option<Box<Remedy>>,
    /// Whether `fix` is only what stands behind `kubectl` and the name of the cluster.
    pub(super) is_kubectl: bool,
}

/// Knows the cluster that checks are about.
pub trait Kubectl {
    /// A command of kubectl for it.
    fn kubectl(&self, words: &str) -> String;
}

impl Trouble {
    /// Something is wrong, and this command fixes it or shows more.
    pub fn new(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            warning: false,
            message: message.into(),
            object: None,
            fix: fix.into(),
            remedy: None,
            is_kubectl: false,
        }
    }

    /// Something is wrong, and these words of kubectl show more. The name of the cluster, which a function with nothing
    /// but a client does not know, comes before them when the check ends.
    pub fn kubectl(message: impl Into<String>, words: impl Into<String>) -> Self {
        Self {
            is_kubectl: true,
            ..Self::new(message, words)
        }
    }

    /// Something is worth a warning.
    pub fn warning(message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            warning: true,
            ..Self::new(message, fix)
        }
    }

    /// Names the object.
    #[must_use]
    pub fn about(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Names what `doctor --fix` does about it.
    #[must_use]
    pub fn repaired_by(mut self, remedy: Remedy) -> Self {
        self.remedy = Some(Box::new(remedy));
        self
    }
}

/// All is well.
pub fn fine(seen: impl Into<String>) -> Verdict {
    Ok(Fine::Ok(seen.into()))
}

/// There is nothing to check.
pub fn nothing(why: impl Into<String>) -> Verdict {
    Ok(Fine::Skipped(why.into()))
}

/// The result of a check in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// Worth a look.
    Warning,
    /// Wrong.
    Error,
    /// Not asked.
    Skipped,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// Its id.
    pub id: &'static str,
    /// Its phase.
    pub phase: Phase,
    /// Its result in one word.
    pub mark: Mark,
    /// Its result in a sentence.
    pub message: String,
    /// The object it is about.
    pub object: Option<String>,
    /// The command that helps.
    pub fix: Option<String>,
    /// What `doctor --fix` does about it.
    pub remedy: Option<Remedy>,
    /// How long it took.
    pub took: Duration,
}

impl CheckResult {
    /// Whether those that need the check can be asked.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.mark, Mark::Ok | Mark::Warning)
    }
}
