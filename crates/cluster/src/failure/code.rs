//! The codes of errors: what scripts may rely on. Messages may change, codes may not.

use serde::{Serialize, Serializer};

use super::exit::ExitStatus;

macro_rules! codes {
    ($($variant:ident $name:literal $retryable:literal $meaning:literal;)+) => {
        /// What kind of failure it is. A code is never renamed, and never gets another meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name, as scripts see it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }

            /// Whether the same command may succeed later although nobody changed anything.
            #[must_use]
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$variant => $retryable),+ }
            }
        }
    };
}

codes! {
    Failed "failed" false "The command failed, for none of the reasons below.";
    Usage "usage" false "The command line is wrong.";
    ConfigInvalid "config-invalid" false "A configuration file, or a value in it, is wrong.";
    KubeconfigInvalid "kubeconfig-invalid" false "A kubeconfig cannot be read.";
    ContextUnknown "context-unknown" false "The kubeconfig has no such context.";
    UnsafeContext "unsafe-context" false "The context is not known to be local, and was not allowed.";
    ConfirmationRequired "confirmation-required" false "The command needs a confirmation, and there is no terminal to ask.";
    NoCluster "no-cluster" false "There is no cluster of this install yet.";
    ClusterUnreachable "cluster-unreachable" true "The API server of the cluster does not respond.";
    ClusterNotReady "cluster-not-ready" true "The cluster's nodes, DNS or ServiceAccounts are not ready yet.";
    ClusterDiffers "cluster-differs" false "The cluster differs from what you ask for, and `--recreate` is not given.";
    ClusterNotOurs "cluster-not-ours" false "irsa-emu did not create the cluster, so it does not delete it.";
    NotInstalled "not-installed" false "irsa-emu is not installed in the cluster.";
    NotReady "not-ready" true "Something exists but is not ready.";
    NoCredentials "no-credentials" false "Something that was explained gets no credentials.";
    TrustRefused "trust-refused" false "A trust policy that was checked does not allow the ServiceAccount.";
    ServiceAccountUnknown "service-account-unknown" false "The cluster has no such ServiceAccount.";
    NoRole "no-role" false "Nothing names a role for the ServiceAccount.";
    RoleRefused "role-refused" false "STS does not allow the ServiceAccount to assume the role.";
    DockerMissing "docker-missing" false "Docker is not installed.";
    DockerUnavailable "docker-unavailable" false "Docker does not run, or this user may not use it.";
    DockerFailed "docker-failed" true "Docker refused a request.";
    ToolMissing "tool-missing" false "A program that is needed is not on PATH.";
    ToolFailed "tool-failed" false "A program that irsa-emu started failed.";
    PortTaken "port-taken" false "Another program uses the port on this machine.";
    ImageUnusable "image-unusable" false "An image, or the program for one, is missing or does not fit.";
    ImagesRequired "images-required" false "Images cannot be put on the nodes of this cluster, and none were named.";
    LeftBehind "left-behind" true "Something that was removed still exists.";
    RecipeUnknown "recipe-unknown" false "There is no such recipe, and no such file.";
    RecipeInvalid "recipe-invalid" false "A recipe file, or a parameter of it, is wrong.";
    RecipeTaken "recipe-taken" false "Another Recipe of the cluster has a resource that this one would take.";
    ParametersMissing "parameters-missing" false "A recipe needs parameters that are not given.";
    ValuesInvalid "values-invalid" false "The values of the app cannot be read, or lack something.";
    RealAws "real-aws" false "The backend is real AWS, where irsa-emu creates nothing and has no endpoint.";
    Prerequisite "prerequisite" false "A prerequisite is missing.";
    Timeout "timeout" true "The command took longer than allowed.";
    Interrupted "interrupted" true "The command got SIGINT or SIGTERM.";
}

impl Code {
    /// The code of an error that has no code but the exit code.
    #[must_use]
    pub fn of(exit: ExitStatus) -> Self {
        match exit {
            ExitStatus::Ok | ExitStatus::Pending | ExitStatus::Failed | ExitStatus::Passed(_) => Self::Failed,
            ExitStatus::Usage => Self::Usage,
            ExitStatus::Unsafe => Self::UnsafeContext,
            ExitStatus::Prerequisite => Self::Prerequisite,
            ExitStatus::Timeout => Self::Timeout,
            ExitStatus::Interrupted | ExitStatus::Terminated => Self::Interrupted,
        }
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_reference_lists_exactly_these_codes() {
        let page = include_str!("../../../../docs/cli.md");
        let section = page
            .split("\n## ")
            .find(|section| section.starts_with("Error codes"));
        let rows: Vec<&str> = section
            .unwrap_or_default()
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        let expected: Vec<String> = Code::ALL
            .iter()
            .map(|code| {
                let retry = if code.is_retryable() { "yes" } else { "no" };
                format!("| `{}` | {retry} | {} |", code.name(), code.meaning())
            })
            .collect();
        assert_eq!(rows, expected, "\n{}", expected.join("\n"));
    }

    #[test]
    fn codes_are_unique_and_easy_to_match() {
        let names: HashSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            let plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(code.name().chars().all(plain), "{}", code.name());
            assert!(code.meaning().ends_with('.'), "{}", code.name());
        }
    }
}
