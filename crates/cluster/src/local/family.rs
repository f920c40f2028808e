//! Clusters whose nodes are containers, by the program that makes them.

/// Clusters whose nodes are containers, by the program that makes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Family {
    /// Made by kind.
    #[default]
    Kind,
    /// Made by k3d.
    K3d,
}

impl Family {
    /// All of them, the preferred one first.
    pub const ALL: [Self; 2] = [Self::Kind, Self::K3d];

    /// The program that makes them.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Kind => "kind",
            Self::K3d => "k3d",
        }
    }

    /// The context that the program writes for a cluster.
    #[must_use]
    pub fn context(self, cluster: &str) -> String {
        format!("{}-{cluster}", self.program())
    }

    /// The family and the cluster that a context belongs to by its name.
    #[must_use]
    pub fn of_context(context: &str) -> Option<(Self, &str)> {
        Self::ALL.into_iter().find_map(|family| {
            let name = context.strip_prefix(family.program())?.strip_prefix('-')?;
            (!name.is_empty()).then_some((family, name))
        })
    }

    /// The labels that all containers of a cluster have.
    pub(crate) fn labels(self, cluster: &str) -> Vec<String> {
        match self {
            Self::Kind => vec![format!("io.x-k8s.kind.cluster={cluster}")],
            Self::K3d => vec!["app=k3d".to_owned(), format!("k3d.cluster={cluster}")],
        }
    }

    /// The label with the role of a container of a cluster.
    pub(crate) fn role_label(self) -> &'static str {
        match self {
            Self::Kind => "io.x-k8s.kind.role",
            Self::K3d => "k3d.role",
        }
    }

    /// Whether Pods run on a container of this role.
    pub(crate) fn runs_pods(self, role: &str) -> bool {
        match self {
            Self::Kind => role != "external-load-balancer",
            Self::K3d => matches!(role, "server" | "agent"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_tells_its_family_and_cluster() {
        assert_eq!(
            Family::of_context("kind-irsa-emu"),
            Some((Family::Kind, "irsa-emu"))
        );
        assert_eq!(Family::of_context("k3d-x"), Some((Family::K3d, "x")));
        for other in ["kind-", "kindness", "minikube", ""] {
            assert_eq!(Family::of_context(other), None, "{other}");
        }
        assert_eq!(Family::K3d.context("x"), "k3d-x");
    }

    #[test]
    fn balancers_run_no_pods() {
        assert!(Family::Kind.runs_pods("control-plane") && Family::K3d.runs_pods("agent"));
        assert!(!Family::Kind.runs_pods("external-load-balancer"));
        assert!(!Family::K3d.runs_pods("loadbalancer"));
    }
}
