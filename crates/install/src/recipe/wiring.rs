//! What a Recipe makes and what its app needs to know, in every format.

use std::collections::BTreeMap;

use irsa_emu_core::contract::{self, env};
use irsa_emu_core::recipe::RecipeSpec;
use serde::Serialize;

/// The Helm values that an app needs beside its own.
pub const HELM_VALUES: &str = "# nothing to change: the values for EKS serve here, too\n{}";

/// An AWS resource of a Recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Its ARN.
    pub arn: String,
    /// What it is.
    pub kind: &'static str,
    /// More about it: aliases, or the ServiceAccounts that may use it.
    pub detail: String,
}

/// What a Recipe makes.
#[must_use]
pub fn made(spec: &RecipeSpec) -> Vec<Made> {
    let keys = spec.kms.keys.iter().map(|key| Made {
        arn: spec.key_arn(key),
        kind: "KMS key",
        detail: key.aliases.join(", "),
    });
    let roles = spec.iam.roles.iter().map(|role| Made {
        // A Recipe that was checked has sound roles.
        arn: spec.role_arn(role).map(|arn| arn.to_string()).unwrap_or_default(),
        kind: "IAM role",
        detail: role
            .trusted()
            .map(|(namespace, name)| format!("for ServiceAccount {namespace}/{name}"))
            .collect::<Vec<_>>()
            .join(", "),
    });
    keys.chain(roles).collect()
}

/// The ServiceAccounts of a Recipe, each with the role that its annotation must name.
#[must_use]
pub fn accounts(spec: &RecipeSpec) -> Vec<(String, String, String)> {
    let mut accounts = Vec::new();
    for role in &spec.iam.roles {
        let Ok(arn) = spec.role_arn(role) else { continue };
        for (namespace, name) in role.trusted() {
            accounts.push((namespace.to_owned(), name.to_owned(), arn.to_string()));
        }
    }
    accounts
}

/// The variables for an app that is wired by hand.
#[must_use]
pub fn variables(spec: &RecipeSpec) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::from([
        (env::REGION.to_owned(), spec.region.clone()),
        (env::DEFAULT_REGION.to_owned(), spec.region.clone()),
        (env::ENDPOINT.to_owned(), contract::emulator_url()),
        (env::ENDPOINT_STS.to_owned(), contract::sts_front_url()),
    ]);
    for rule in &spec.inject {
        let filled = rule.env.iter().map(|(name, value)| {
            (
                name.clone(),
                value.replace("{emulator}", &contract::emulator_url()),
            )
        });
        variables.extend(filled);
    }
    variables
}

/// The table of what is made. Where it is too wide for the terminal, each resource takes two lines, for an ARN that is
/// broken cannot be copied.
#[must_use]
pub fn table(made: &[Made], columns: Option<usize>) -> String {
    let about = |made: &Made| {
        let detail = Some(&made.detail).filter(|detail| !detail.is_empty());
        detail.map_or_else(
            || made.kind.to_owned(),
            |detail| format!("{}, {detail}", made.kind),
        )
    };
    let width = made.iter().map(|made| made.arn.len()).max().unwrap_or_default();
    let widest = made.iter().map(|made| width + 4 + about(made).len()).max();
    let fits = columns.is_none_or(|columns| widest.unwrap_or_default() <= columns);
    let lines = made.iter().map(|made| {
        if fits {
            format!("  {:width$}  {}", made.arn, about(made))
        } else {
            format!("  {}\n    {}", made.arn, about(made))
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_too_wide_has_two_lines_for_each() {
        let made = |arn: &str, detail: &str| Made {
            arn: arn.to_owned(),
            kind: "KMS key",
            detail: detail.to_owned(),
        };
        let table = |columns| super::table(&[made("arn:a", "alias/x"), made("arn:long", "")], columns);
        let wide = "  arn:a     KMS key, alias/x\n  arn:long  KMS key";
        assert_eq!(table(None), wide);
        assert_eq!(table(Some(28)), wide);
        assert_eq!(
            table(Some(27)),
            "  arn:a\n    KMS key, alias/x\n  arn:long\n    KMS key"
        );
    }
}
