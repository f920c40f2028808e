//! What `doctor --fix` can do: only what is safe to repeat.

/// A way to mend something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// `irsa-emu up`, with the settings that the install has: applies everything again, and loads images.
    Up,
    /// Replaces the Pods of a workload, one after the other.
    Restart(Workload),
}

/// Something that makes Pods, and makes them again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// What it is.
    pub kind: WorkloadKind,
    /// Its Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The kinds whose Pods can be replaced one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// `Deployment`
    Deployment,
    /// `StatefulSet`
    StatefulSet,
    /// `DaemonSet`
    DaemonSet,
}

impl WorkloadKind {
    /// The kind of this name.
    #[must_use]
    pub fn named(kind: &str) -> Option<Self> {
        match kind {
            "Deployment" => Some(Self::Deployment),
            "StatefulSet" => Some(Self::StatefulSet),
            "DaemonSet" => Some(Self::DaemonSet),
            _ => None,
        }
    }

    /// Its name as kubectl takes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
        }
    }
}

impl Workload {
    /// A Deployment.
    #[must_use]
    pub fn deployment(namespace: &str, name: &str) -> Self {
        Self {
            kind: WorkloadKind::Deployment,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The rest of a kubectl command that replaces its Pods.
    #[must_use]
    pub fn restart(&self) -> String {
        let Self {
            kind,
            namespace,
            name,
        } = self;
        format!("-n {namespace} rollout restart {}/{name}", kind.word())
    }
}
