//! Commands of kubectl that are printed. Each names its cluster: the current context may be one in production.

use crate::shell::shell_quoted;

/// What stands for a context where there is no cluster.
const NO_CONTEXT: &str = "NAME";

/// The words that every command begins with.
#[must_use]
pub fn kubectl(context: &str) -> String {
    format!("kubectl --context {}", shell_quoted(context))
}

/// The same where no cluster is looked at: whoever reads it fills in the name.
#[must_use]
pub fn kubectl_of_no_cluster() -> String {
    kubectl(NO_CONTEXT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_names_its_cluster_as_a_shell_reads_it() {
        assert_eq!(kubectl("kind-irsa-emu"), "kubectl --context kind-irsa-emu");
        assert_eq!(kubectl("my $x"), "kubectl --context 'my $x'");
        assert_eq!(kubectl_of_no_cluster(), "kubectl --context NAME");
    }
}
