//! IAM roles with their trust policy and inline policies.

use aws_sdk_iam::Client;
use irsa_emu_core::contract::DEFAULT_AUDIENCE;
use irsa_emu_core::recipe::IamRole;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::written;
use serde_json::Value;

use super::outcome::ResourceOutcome;
use crate::aws::explain_call;

/// Makes sure that a role is there as the Recipe describes it.
pub(super) async fn keep(iam: &Client, issuer: &str, arn: &RoleArn, role: &IamRole) -> ResourceOutcome {
    let trust = role
        .trust_policy
        .clone()
        .unwrap_or_else(|| trust_policy(issuer, arn, role));
    let made = match iam.get_role().role_name(arn.name()).send().await {
        Ok(found) => {
            let found = found.role;
            // IAM knows roles of an account by their names alone, whatever their paths are.
            if let Some(other) = found.as_ref().filter(|role| role.arn() != arn.to_string()) {
                return ResourceOutcome::absent(format!(
                    "the role of this name is {}; delete it, or use its ARN",
                    other.arn()
                ));
            }
            let there = found
                .and_then(|role| role.assume_role_policy_document)
                .unwrap_or_default();
            if !same_document(&there, &trust) {
                let update = iam
                    .update_assume_role_policy()
                    .role_name(arn.name())
                    .policy_document(trust.to_string());
                if let Err(error) = update.send().await {
                    return ResourceOutcome::of(
                        false,
                        Err(format!("UpdateAssumeRolePolicy: {}", explain_call(&error))),
                    );
                }
            }
            false
        }
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_no_such_entity_exception()) =>
        {
            let create = iam
                .create_role()
                .role_name(arn.name())
                .path(arn.path())
                .assume_role_policy_document(trust.to_string());
            if let Err(error) = create.send().await {
                return ResourceOutcome::absent(format!("CreateRole: {}", explain_call(&error)));
            }
            true
        }
        Err(error) => return ResourceOutcome::unseen(format!("GetRole: {}", explain_call(&error))),
    };
    ResourceOutcome::of(made, keep_policies(iam, arn, role).await)
}

/// Makes sure that the cluster's issuer is an OIDC provider of an account, as `eksctl` or Terraform make it on AWS.
pub(super) async fn keep_provider(iam: &Client, issuer: &str, arn: &str) -> ResourceOutcome {
    match iam
        .get_open_id_connect_provider()
        .open_id_connect_provider_arn(arn)
        .send()
        .await
    {
        Ok(_) => ResourceOutcome::Found,
        Err(error)
            if error
                .as_service_error()
                .is_some_and(|e| e.is_no_such_entity_exception()) =>
        {
            let create = iam
                .create_open_id_connect_provider()
                .url(format!("https://{issuer}"))
                .client_id_list(DEFAULT_AUDIENCE)
                .send();
            match create.await {
                Ok(_) => ResourceOutcome::Made,
                Err(error) => {
                    ResourceOutcome::absent(format!("CreateOpenIDConnectProvider: {}", explain_call(&error)))
                }
            }
        }
        Err(error) => ResourceOutcome::unseen(format!("GetOpenIDConnectProvider: {}", explain_call(&error))),
    }
}

async fn keep_policies(iam: &Client, arn: &RoleArn, role: &IamRole) -> Result<(), String> {
    for policy in &role.policies {
        let found = iam
            .get_role_policy()
            .role_name(arn.name())
            .policy_name(&policy.name)
            .send()
            .await;
        let same = match &found {
            Ok(found) => same_document(found.policy_document(), &policy.document),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_no_such_entity_exception()) =>
            {
                false
            }
            Err(error) => return Err(format!("GetRolePolicy {}: {}", policy.name, explain_call(error))),
        };
        if !same {
            let put = iam
                .put_role_policy()
                .role_name(arn.name())
                .policy_name(&policy.name);
            let put = put.policy_document(policy.document.to_string()).send().await;
            put.map_err(|error| format!("PutRolePolicy {}: {}", policy.name, explain_call(&error)))?;
        }
    }
    Ok(())
}

/// A trust policy for the ServiceAccounts that a Recipe names.
fn trust_policy(issuer: &str, arn: &RoleArn, role: &IamRole) -> Value {
    let subjects: Vec<String> = role
        .trusted()
        .map(|(namespace, name)| format!("system:serviceaccount:{namespace}:{name}"))
        .collect();
    written(arn, issuer, subjects, DEFAULT_AUDIENCE)
}

/// Whether a document from IAM, which comes URL-encoded, equals the wanted one.
fn same_document(there: &str, wanted: &Value) -> bool {
    let parses = |text: &str| serde_json::from_str::<Value>(text).is_ok_and(|document| document == *wanted);
    parses(there) || parses(&percent_encoding::percent_decode_str(there).decode_utf8_lossy())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_trust_policy_names_exactly_the_service_accounts() {
        let role: IamRole =
            serde_json::from_value(json!({"name": "r", "serviceAccounts": ["a/b", "c/d"]})).unwrap();
        let arn = RoleArn::parse("arn:aws:iam::123456789012:role/r").unwrap();
        insta::assert_json_snapshot!(trust_policy("kubernetes.default.svc.cluster.local", &arn, &role));
    }

    #[test]
    fn documents_are_compared_by_meaning() {
        let wanted = json!({"a": "x+y=z&w", "b": ["1"]});
        let encoded = "%7B%22b%22%3A%20%5B%221%22%5D%2C%20%22a%22%3A%20%22x%2By%3Dz%26w%22%7D";
        assert!(same_document(encoded, &wanted));
        assert!(same_document(&wanted.to_string(), &wanted));
        assert!(!same_document(encoded, &json!({"a": "other"})));
        assert!(!same_document("", &wanted));
    }
}
