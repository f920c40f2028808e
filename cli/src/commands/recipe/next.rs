//! What to do once the AWS resources of a recipe are there: deploy the app, into this cluster and no other.

use std::fmt::Write as _;
use std::path::PathBuf;

use irsa_emu_core::kubectl::kubectl;
use irsa_emu_core::recipe::RecipeSpec;

use irsa_emu_core::shell::shell_quoted;
use irsa_emu_install::recipe::wiring;

/// The chart whose values `--values` reads.
const CHART: &str = "hashicorp/vault";
/// The release of Vault's own documentation.
const RELEASE: &str = "vault";

/// The next command. It names the cluster: the current context may be one in production.
pub(super) fn command<'a>(
    spec: &RecipeSpec,
    values: impl IntoIterator<Item = &'a PathBuf>,
    release: Option<&str>,
    context: &str,
) -> String {
    let accounts = wiring::accounts(spec);
    let namespace = accounts.first().map_or("default", |(namespace, ..)| namespace);
    let mut files = values.into_iter().peekable();
    if files.peek().is_none() {
        return format!("{} -n {namespace} apply -f app.yaml", kubectl(context));
    }
    let mut line = format!(
        "helm upgrade --install {} {CHART} --kube-context {} -n {namespace}",
        release.unwrap_or(RELEASE),
        shell_quoted(context)
    );
    for file in files {
        let _ = write!(line, " -f {}", shell_quoted(&file.display().to_string()));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_next_command_names_the_cluster() {
        let spec: RecipeSpec = serde_json::from_value(json!({
            "account": "123456789012", "region": "us-east-1",
            "iam": {"roles": [{"name": "Vault", "serviceAccounts": ["kube-system/vault"]}]},
        }))
        .unwrap();
        let none: [PathBuf; 0] = [];
        assert_eq!(
            command(&spec, &none, None, "kind-irsa-emu"),
            "kubectl --context kind-irsa-emu -n kube-system apply -f app.yaml"
        );
        let files = [PathBuf::from("a.yaml"), PathBuf::from("b c.yaml")];
        assert_eq!(
            command(&spec, &files, None, "kind-irsa-emu"),
            "helm upgrade --install vault hashicorp/vault --kube-context kind-irsa-emu -n kube-system -f a.yaml -f 'b c.yaml'"
        );
        assert!(
            command(&spec, &files, Some("kms"), "my $x").starts_with(
                "helm upgrade --install kms hashicorp/vault --kube-context 'my $x' -n kube-system"
            )
        );
    }
}
