//! Trust policies in files: plain documents, and those in what `terraform show -json` prints.

use std::collections::BTreeMap;

use irsa_emu_core::names::is_account;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::{IssuerAlias, TrustPolicy, WebIdentityRequest, evaluate};
use serde::Serialize;
use serde_json::Value;

/// The account of a role of which nobody names one.
const NO_ACCOUNT: &str = "000000000000";
/// The name under which the role would be assumed; a real one is chosen by the SDK.
const SESSION: &str = "irsa-emu-trust-policy";

/// A role's trust policy, found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What the file calls it: an address of Terraform, the ARN of the role, or the file itself.
    pub title: String,
    /// The role's name.
    pub name: Option<String>,
    /// The role's ARN.
    pub arn: Option<String>,
    /// The policy; none where Terraform knows it only after it has applied something.
    pub policy: Option<String>,
}

/// Why a file has no trust policies.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustFileError {
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    Json(String),
    /// It is what `terraform plan -json` or `apply -json` prints while it works.
    #[error("it is the log of Terraform's -json; expected the output of `terraform show -json`")]
    Log,
    /// It is JSON of another kind.
    #[error("it is neither a trust policy (it has no Statement) nor the output of `terraform show -json`")]
    Other,
    /// Terraform's output has no role.
    #[error("Terraform's output has no aws_iam_role in its values")]
    NoRoles,
}

/// Who asks, and as whom.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The subject of the token.
    pub subject: &'a str,
    /// The audience of the token.
    pub audience: &'a str,
    /// The issuer of the token, without its scheme.
    pub issuer: &'a str,
    /// Issuers that mean this one.
    pub aliases: &'a [IssuerAlias],
    /// The condition keys of the time.
    pub time_keys: &'a BTreeMap<String, Vec<String>>,
}

/// What STS would decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decided {
    /// It lets the ServiceAccount in.
    Allow,
    /// It does not, or IAM would not store the policy.
    Deny,
    /// The policy is not known.
    Unknown,
}

/// What was decided about one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// The file.
    pub file: String,
    /// What the file calls the role.
    pub title: String,
    /// The role's ARN; its account may be that of the provider that the policy names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What was decided.
    pub decided: Decided,
    /// The statement that decides, or the condition that fails.
    pub decision: String,
    /// What is open in the statements that let it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The trust policies of a file.
pub fn read(text: &str, title: &str) -> Result<Vec<Found>, TrustFileError> {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let first = text.lines().next().unwrap_or_default();
            let is_log = serde_json::from_str::<Value>(first)
                .is_ok_and(|line| line["@level"].is_string() && line["type"].is_string());
            return Err(if is_log {
                TrustFileError::Log
            } else {
                TrustFileError::Json(error.to_string())
            });
        }
    };
    if value.get("Statement").is_some() {
        return Ok(vec![Found {
            title: title.to_owned(),
            name: None,
            arn: None,
            // As text, as a key that stands twice is seen only there.
            policy: Some(text.to_owned()),
        }]);
    }
    if value["format_version"].is_string() {
        return of_terraform(&value);
    }
    // `aws iam get-role` and `list-roles`.
    let roles = value["Roles"].as_array().map_or_else(
        || value.get("Role").into_iter().collect::<Vec<_>>(),
        |roles| roles.iter().collect(),
    );
    let found: Vec<Found> = roles.into_iter().filter_map(of_iam).collect();
    if found.is_empty() {
        return Err(TrustFileError::Other);
    }
    Ok(found)
}

fn of_iam(role: &Value) -> Option<Found> {
    let text = |name: &str| role[name].as_str().map(str::to_owned);
    Some(Found {
        title: text("Arn").or_else(|| text("RoleName"))?,
        name: text("RoleName"),
        arn: text("Arn"),
        policy: policy_of(&role["AssumeRolePolicyDocument"]),
    })
}

/// A policy as text or as an object.
fn policy_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(_) => Some(value.to_string()),
        _ => None,
    }
}

/// The roles in the values of a plan, or of a state.
fn of_terraform(value: &Value) -> Result<Vec<Found>, TrustFileError> {
    let mut found = Vec::new();
    let root = ["/planned_values/root_module", "/values/root_module"]
        .into_iter()
        .find_map(|pointer| value.pointer(pointer));
    let mut modules: Vec<&Value> = root.into_iter().collect();
    while let Some(module) = modules.pop() {
        let resources = module["resources"].as_array().into_iter().flatten();
        found.extend(
            resources
                .filter(|resource| resource["type"] == "aws_iam_role")
                .map(of_resource),
        );
        // The last is looked at first, so that roles come in the order of the file.
        modules.extend(module["child_modules"].as_array().into_iter().flatten().rev());
    }
    if found.is_empty() {
        return Err(TrustFileError::NoRoles);
    }
    Ok(found)
}

fn of_resource(resource: &Value) -> Found {
    let values = &resource["values"];
    let text = |name: &str| values[name].as_str().map(str::to_owned);
    Found {
        title: resource["address"].as_str().unwrap_or("aws_iam_role").to_owned(),
        name: text("name"),
        arn: text("arn"),
        policy: policy_of(&values["assume_role_policy"]),
    }
}

impl Found {
    /// Whether a user means this role: by its name, its ARN, or what the file calls it.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        self.title == word || self.name.as_deref() == Some(word) || self.arn.as_deref() == Some(word)
    }

    /// What STS would decide.
    #[must_use]
    pub fn judge(&self, file: &str, asking: &Asking<'_>) -> Judged {
        let judged = |role: Option<String>, decided, decision: String, warnings| Judged {
            file: file.to_owned(),
            title: self.title.clone(),
            role,
            decided,
            decision,
            warnings,
        };
        let Some(text) = &self.policy else {
            let decision = "the policy is known only after Terraform has applied what it names".to_owned();
            return judged(self.arn.clone(), Decided::Unknown, decision, Vec::new());
        };
        let policy = match TrustPolicy::parse(text) {
            Ok(policy) => policy,
            Err(problem) => {
                let decision = format!("IAM does not accept the policy: {problem}");
                return judged(self.arn.clone(), Decided::Deny, decision, Vec::new());
            }
        };
        let arn = self.arn.clone().unwrap_or_else(|| self.arn_by(text));
        let role = match RoleArn::parse(&arn) {
            Ok(role) => role,
            Err(problem) => {
                let decision = format!("`{arn}` is not a role: {problem}");
                return judged(Some(arn), Decided::Deny, decision, Vec::new());
            }
        };
        let decision = evaluate(
            &policy,
            &WebIdentityRequest {
                role: &role,
                provider: asking.issuer,
                aliases: asking.aliases,
                subject: asking.subject,
                audiences: &[asking.audience.to_owned()],
                session_name: SESSION,
                claims: &BTreeMap::new(),
                keys: asking.time_keys,
            },
        );
        let decided = if decision.is_allowed() {
            Decided::Allow
        } else {
            Decided::Deny
        };
        let warnings = decision.warnings.iter().map(ToString::to_string).collect();
        let known = (self.arn.is_some() || self.name.is_some()).then_some(arn);
        judged(known, decided, decision.to_string(), warnings)
    }

    /// The role's ARN where only its name is known: a role can trust only the providers of its own account, so the account is
    /// that of the first provider that the policy names.
    fn arn_by(&self, policy: &str) -> String {
        let mut texts = Vec::new();
        if let Ok(value) = serde_json::from_str(policy) {
            texts_of(&value, &mut texts);
        }
        let provider = texts.iter().find_map(|text| {
            let (head, _) = text.split_once(":oidc-provider/")?;
            let (partition, account) = head.strip_prefix("arn:")?.split_once(":iam::")?;
            is_account(account).then_some((partition, account))
        });
        let (partition, account) = provider.unwrap_or(("aws", NO_ACCOUNT));
        let name = self.name.as_deref().unwrap_or("role");
        format!("arn:{partition}:iam::{account}:role/{name}")
    }
}

fn texts_of(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, texts)),
        Value::Object(members) => members.values().for_each(|member| texts_of(member, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use irsa_emu_core::trust_policy::DEFAULT_ALIASES;
    use serde_json::json;

    use super::*;

    const EKS: &str = "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";

    fn policy(account: &str, subject: &str) -> Value {
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": format!("arn:aws:iam::{account}:oidc-provider/{EKS}")},
            "Condition": {"StringEquals": {format!("{EKS}:sub"): subject, format!("{EKS}:aud"): "sts.amazonaws.com"}},
        }]})
    }

    fn decided(found: &Found) -> (Decided, String) {
        let keys = BTreeMap::new();
        let asking = Asking {
            subject: "system:serviceaccount:shop:web",
            audience: "sts.amazonaws.com",
            issuer: "issuer.example",
            aliases: DEFAULT_ALIASES,
            time_keys: &keys,
        };
        let judged = found.judge("f", &asking);
        (judged.decided, judged.decision)
    }

    #[test]
    fn a_plain_document_is_judged_in_the_account_of_its_provider() {
        for (subject, expected) in [
            ("system:serviceaccount:shop:web", Decided::Allow),
            ("system:serviceaccount:shop:other", Decided::Deny),
        ] {
            let text = policy("111122223333", subject).to_string();
            let found = read(&text, "trust.json").unwrap();
            let (decided, decision) = decided(&found[0]);
            assert_eq!(decided, expected, "{decision}");
            assert!(decision.starts_with("statement 0"), "{decision}");
        }
        let twice = r#"{"Statement": {"Effect": "Allow", "Effect": "Deny"}}"#;
        let (decided, decision) = decided(&read(twice, "t").unwrap()[0]);
        assert_eq!(decided, Decided::Deny);
        assert!(decision.contains("`Effect` stands twice"), "{decision}");
    }

    #[test]
    fn roles_of_terraform_are_found_in_modules_of_plan_and_state() {
        let role = |address: &str, policy: Option<Value>| {
            let policy = policy.map(|policy| Value::String(policy.to_string()));
            json!({"address": address, "type": "aws_iam_role", "values": {"name": address, "assume_role_policy": policy}})
        };
        let good = Some(policy("111122223333", "system:serviceaccount:shop:web"));
        let module = json!({"root_module": {
        "resources": [{"address": "x.y", "type": "aws_s3_bucket", "values": {}}, role("a", good.clone())],
        "child_modules": [
            {"resources": [role("b", None)], "child_modules": [{"resources": [role("c", good.clone())]}]},
            {"resources": [role("d", Some(json!({"Statement": []})))]},
        ]}});
        for key in ["planned_values", "values"] {
            let text = json!({"format_version": "1.2", key: module}).to_string();
            let found = read(&text, "t").unwrap();
            let told: Vec<(&str, Decided)> = found
                .iter()
                .map(|found| (found.title.as_str(), decided(found).0))
                .collect();
            let expected = [
                ("a", Decided::Allow),
                ("b", Decided::Unknown),
                ("c", Decided::Allow),
                ("d", Decided::Deny),
            ];
            assert_eq!(told, expected, "{key}");
        }
    }

    #[test]
    fn the_account_of_a_known_arn_counts() {
        let role = json!({"Role": {"Arn": "arn:aws:iam::999900009999:role/x", "RoleName": "x",
            "AssumeRolePolicyDocument": policy("111122223333", "system:serviceaccount:shop:web")}});
        let found = read(&role.to_string(), "t").unwrap();
        assert!(found[0].is_called("x") && found[0].is_called("arn:aws:iam::999900009999:role/x"));
        let (decided, decision) = decided(&found[0]);
        assert_eq!(decided, Decided::Deny);
        assert!(
            decision.contains("arn:aws:iam::999900009999:oidc-provider/"),
            "{decision}"
        );
    }

    #[test]
    fn what_is_no_trust_policy_is_told() {
        for (text, expected) in [
            ("{", "it is not JSON"),
            ("{}", "it is neither a trust policy"),
            ("[]", "it is neither a trust policy"),
            (r#"{"format_version": "1.0"}"#, "has no aws_iam_role"),
            (
                "{\"@level\":\"info\",\"type\":\"version\"}\n{\"@level\":\"info\",\"type\":\"x\"}\n",
                "terraform show -json",
            ),
        ] {
            let error = read(text, "t").unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
