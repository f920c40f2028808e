//! The Recipe's fields, and the rules that the schema alone cannot state.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::choice::Choice;
use crate::names::{is_account, is_key_id, is_region};
use crate::partition;
use crate::role_arn::{RoleArn, RoleArnError};

/// AWS resources that one app needs, and what its Pods get injected.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "irsa-emu.dev",
    version = "v1alpha1",
    kind = "Recipe",
    plural = "recipes",
    status = "RecipeStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    crates(
        kube_core = "kube_core",
        k8s_openapi = "k8s_openapi",
        schemars = "schemars",
        serde = "serde",
        serde_json = "serde_json"
    )
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecipeSpec {
    /// The AWS account of every resource below: twelve digits.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account: String,
    /// The AWS region of every regional resource below.
    #[schemars(regex(pattern = r"^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$"))]
    pub region: String,
    /// KMS keys.
    #[serde(default, skip_serializing_if = "KmsResources::is_empty")]
    pub kms: KmsResources,
    /// IAM roles.
    #[serde(default, skip_serializing_if = "IamResources::is_empty")]
    pub iam: IamResources,
    /// What the Pods of this app get beside what EKS gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<InjectRule>,
}

/// KMS resources of a Recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KmsResources {
    /// Symmetric encryption keys.
    #[serde(default)]
    pub keys: Vec<KmsKey>,
}

impl KmsResources {
    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// A symmetric KMS key with a fixed id. Its material is derived, so that a key that was lost comes back identical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KmsKey {
    /// The key id in lower case: a UUID, or `mrk-` and 32 hexadecimal digits, which is the id of a multi-Region key.
    #[schemars(regex(pattern = r"^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$"))]
    pub id: String,
    /// The key's region, if it is another than the Recipe's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[a-z]{2,}(-[a-z]+)+-[0-9]{1,2}$"))]
    pub region: Option<String>,
    /// Aliases of the key, each beginning with `alias/`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The key's description.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
}

/// IAM resources of a Recipe.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IamResources {
    /// Roles that ServiceAccounts assume.
    #[serde(default)]
    pub roles: Vec<IamRole>,
}

impl IamResources {
    fn is_empty(&self) -> bool {
        self.roles.is_empty()
    }
}

/// An IAM role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IamRole {
    /// The role's name, without a path.
    pub name: String,
    /// The role's path.
    #[serde(default = "root_path")]
    pub path: String,
    /// ServiceAccounts that may assume the role, each as `namespace/name`; the trust policy is made from them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_accounts: Vec<String>,
    /// A trust policy, used verbatim in place of the one made from `serviceAccounts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub trust_policy: Option<serde_json::Value>,
    /// Inline policies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<InlinePolicy>,
}

/// An inline policy of a role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InlinePolicy {
    /// The policy's name.
    pub name: String,
    /// The policy document.
    #[schemars(schema_with = "any_object")]
    pub document: serde_json::Value,
}

/// What Pods of a ServiceAccount get beside what EKS gives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InjectRule {
    /// The Pods this rule speaks for.
    pub r#match: RuleMatch,
    /// How these Pods get their credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryMode>,
    /// Whether the sidecar also writes a shared credentials file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub credentials_file: bool,
    /// Environment variables to add where a container does not set them; `{emulator}` is the emulator's URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// The Pods that an injection rule speaks for. At least one of `serviceAccount` and `role` is set; if both are, both must
/// fit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleMatch {
    /// Their Namespace.
    pub namespace: String,
    /// Their ServiceAccount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,
    /// The ARN of the role that their ServiceAccount is annotated with, whatever the ServiceAccount is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl RuleMatch {
    /// Whether the rule speaks for this ServiceAccount, to which the role is granted.
    #[must_use]
    pub fn covers(&self, namespace: &str, service_account: &str, role: Option<&str>) -> bool {
        let fits = |wanted: &Option<String>, found: Option<&str>| {
            wanted
                .as_ref()
                .is_none_or(|wanted| Some(wanted.as_str()) == found)
        };
        self.namespace == namespace
            && (self.service_account.is_some() || self.role.is_some())
            && fits(&self.service_account, Some(service_account))
            && fits(&self.role, role)
    }
}

/// How a Pod gets its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryMode {
    /// As on EKS: the SDK exchanges the projected token at the STS front.
    WebIdentity,
    /// A sidecar exchanges the token and serves container credentials on loopback.
    Sidecar,
}

impl Choice for DeliveryMode {
    const ALL: &'static [Self] = &[Self::WebIdentity, Self::Sidecar];

    fn as_str(self) -> &'static str {
        match self {
            Self::WebIdentity => "web-identity",
            Self::Sidecar => "sidecar",
        }
    }
}

/// What the keeper last saw of a Recipe's resources.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecipeStatus {
    /// The generation that this status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// `Ready` is the only type of condition.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// Every AWS resource of the Recipe.
    #[serde(default)]
    pub resources: Vec<ResourceStatus>,
    /// Values that users and apps want: key ids, ARNs, endpoints.
    #[serde(default)]
    pub outputs: BTreeMap<String, String>,
}

impl RecipeStatus {
    /// Whether the keeper found everything in place for this generation.
    #[must_use]
    pub fn is_ready(&self, generation: i64) -> bool {
        self.observed_generation == generation
            && self
                .conditions
                .iter()
                .any(|condition| condition.r#type == "Ready" && condition.status == "True")
    }

    /// The message of the `Ready` condition.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.conditions
            .iter()
            .find(|condition| condition.r#type == "Ready")
            .map(|condition| condition.message.as_str())
    }
}

/// A condition in the form of Kubernetes' API conventions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`.
    pub r#type: String,
    /// `True` or `False`.
    pub status: String,
    /// One word in CamelCase.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// When `status` last changed, RFC 3339.
    pub last_transition_time: String,
}

/// One AWS resource of a Recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceStatus {
    /// The resource's ARN.
    pub arn: String,
    /// Whether it is there.
    pub state: ResourceState,
    /// How often it came back after it was gone.
    #[serde(default)]
    pub restored: i64,
    /// The id of the key that the emulator made in place of this one: it chooses the ids of keys itself, so it cannot have
    /// this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_instead: Option<String>,
}

/// Whether an AWS resource is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ResourceState {
    /// It exists, as the Recipe describes it.
    Present,
    /// It could not be seen or made, ever.
    Missing,
    /// It was there, is gone, and could not be made again yet.
    Lost,
}

/// What is wrong with a Recipe that its schema accepts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecipeProblem {
    /// The account is not twelve digits.
    #[error("spec.account `{0}` is not an AWS account id (exactly 12 digits)")]
    Account(String),
    /// The region is empty or holds a character that no region has.
    #[error("spec.region `{0}` is not an AWS region such as us-east-1")]
    Region(String),
    /// A key's id is none.
    #[error(
        "spec.kms.keys[{index}].id `{id}` is not a KMS key id (a UUID, or mrk- and 32 hexadecimal digits, in lower case)"
    )]
    KeyId {
        /// Position in the list.
        index: usize,
        /// The id that was read.
        id: String,
    },
    /// A key's region is none, or one of another partition than the Recipe's.
    #[error("spec.kms.keys[{index}].region `{region}` is not an AWS region of the partition of {recipe}")]
    KeyRegion {
        /// Position in the list.
        index: usize,
        /// The region that was read.
        region: String,
        /// The Recipe's region.
        recipe: String,
    },
    /// Two keys of one region have the same id.
    #[error("spec.kms.keys[{index}].id `{id}` stands twice")]
    DuplicateKey {
        /// Position in the list.
        index: usize,
        /// The id that was read.
        id: String,
    },
    /// An alias does not begin with `alias/`, or is one that AWS keeps for itself.
    #[error(
        "spec.kms.keys[{index}].aliases: `{alias}` is not a customer alias (alias/<name>, not alias/aws/...)"
    )]
    Alias {
        /// Position in the list.
        index: usize,
        /// The alias that was read.
        alias: String,
    },
    /// A role has no valid name.
    #[error("spec.iam.roles[{index}].name: {source}")]
    Role {
        /// Position in the list.
        index: usize,
        /// What is wrong with it.
        source: RoleArnError,
    },
    /// A ServiceAccount is not `namespace/name`.
    #[error("spec.iam.roles[{index}].serviceAccounts: `{text}` is not namespace/name")]
    ServiceAccount {
        /// Position in the list.
        index: usize,
        /// The text that was read.
        text: String,
    },
    /// An injection rule names neither a ServiceAccount nor a role.
    #[error("spec.inject[{0}].match has neither serviceAccount nor role")]
    Match(usize),
    /// An injection rule names a role by something that is not an ARN of one.
    #[error("spec.inject[{index}].match.role: {source}")]
    MatchRole {
        /// Position in the list.
        index: usize,
        /// What is wrong with it.
        source: RoleArnError,
    },
}

impl RecipeSpec {
    /// Checks what the schema cannot state (and what it states, for Recipes that no API server has seen).
    pub fn check(&self) -> Result<(), RecipeProblem> {
        if !is_account(&self.account) {
            return Err(RecipeProblem::Account(self.account.clone()));
        }
        if !is_region(&self.region) {
            return Err(RecipeProblem::Region(self.region.clone()));
        }
        for (index, key) in self.kms.keys.iter().enumerate() {
            if !is_key_id(&key.id) {
                return Err(RecipeProblem::KeyId {
                    index,
                    id: key.id.clone(),
                });
            }
            let region = self.key_region(key);
            if !is_region(region) || partition::of_region(region) != self.partition() {
                return Err(RecipeProblem::KeyRegion {
                    index,
                    region: region.to_owned(),
                    recipe: self.region.clone(),
                });
            }
            let mut before = self.kms.keys[..index].iter();
            if before.any(|other| other.id == key.id && self.key_region(other) == region) {
                return Err(RecipeProblem::DuplicateKey {
                    index,
                    id: key.id.clone(),
                });
            }
            if let Some(alias) = key.aliases.iter().find(|alias| !is_customer_alias(alias)) {
                return Err(RecipeProblem::Alias {
                    index,
                    alias: alias.clone(),
                });
            }
        }
        for (index, role) in self.iam.roles.iter().enumerate() {
            self.role_arn(role)
                .map_err(|source| RecipeProblem::Role { index, source })?;
            if let Some(text) = role
                .service_accounts
                .iter()
                .find(|text| split_service_account(text).is_none())
            {
                return Err(RecipeProblem::ServiceAccount {
                    index,
                    text: text.clone(),
                });
            }
        }
        for (index, rule) in self.inject.iter().enumerate() {
            let RuleMatch {
                service_account,
                role,
                ..
            } = &rule.r#match;
            if service_account.is_none() && role.is_none() {
                return Err(RecipeProblem::Match(index));
            }
            if let Some(role) = role {
                RoleArn::parse(role).map_err(|source| RecipeProblem::MatchRole { index, source })?;
            }
        }
        Ok(())
    }

    /// The region of one of the Recipe's keys.
    #[must_use]
    pub fn key_region<'a>(&'a self, key: &'a KmsKey) -> &'a str {
        key.region.as_deref().unwrap_or(&self.region)
    }

    /// The partition of the Recipe's resources: that of its region.
    #[must_use]
    pub fn partition(&self) -> &'static str {
        partition::of_region(&self.region)
    }

    /// The ARN of one of the Recipe's keys.
    #[must_use]
    pub fn key_arn(&self, key: &KmsKey) -> String {
        format!(
            "arn:{}:kms:{}:{}:key/{}",
            self.partition(),
            self.key_region(key),
            self.account,
            key.id
        )
    }

    /// The ARN of an alias of one of the Recipe's keys. `alias` begins with `alias/`.
    #[must_use]
    pub fn alias_arn(&self, key: &KmsKey, alias: &str) -> String {
        format!(
            "arn:{}:kms:{}:{}:{alias}",
            self.partition(),
            self.key_region(key),
            self.account
        )
    }

    /// The ARN of one of the Recipe's roles.
    pub fn role_arn(&self, role: &IamRole) -> Result<RoleArn, RoleArnError> {
        RoleArn::parse(&format!(
            "arn:{}:iam::{}:role{}{}",
            self.partition(),
            self.account,
            role.path,
            role.name
        ))
    }
}

impl IamRole {
    /// The ServiceAccounts that may assume the role, as (namespace, name).
    pub fn trusted(&self) -> impl Iterator<Item = (&str, &str)> {
        self.service_accounts
            .iter()
            .filter_map(|text| split_service_account(text))
    }
}

fn is_customer_alias(text: &str) -> bool {
    text.strip_prefix("alias/")
        .is_some_and(|name| !name.is_empty() && !name.starts_with("aws/"))
}

fn split_service_account(text: &str) -> Option<(&str, &str)> {
    let (namespace, name) = text.split_once('/')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains('/')).then_some((namespace, name))
}

fn root_path() -> String {
    "/".to_owned()
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube_core::CustomResourceExt;

    fn spec() -> RecipeSpec {
        serde_json::from_value(serde_json::json!({
            "account": "123456789012", "region": "us-east-1",
            "kms": {"keys": [{"id": "f4f7a2e2-c5c6-ea6d-dc42-526ef280e794", "aliases": ["alias/vault-unseal"]}]},
            "iam": {"roles": [{"name": "Vault-AWSKMS", "serviceAccounts": ["kube-system/vault"]}]}
        }))
        .unwrap()
    }

    #[test]
    fn a_sound_recipe_passes_and_names_its_arns() {
        let spec = spec();
        spec.check().unwrap();
        assert_eq!(
            spec.key_arn(&spec.kms.keys[0]),
            "arn:aws:kms:us-east-1:123456789012:key/f4f7a2e2-c5c6-ea6d-dc42-526ef280e794"
        );
        assert_eq!(
            spec.role_arn(&spec.iam.roles[0]).unwrap().to_string(),
            "arn:aws:iam::123456789012:role/Vault-AWSKMS"
        );
        assert_eq!(
            spec.iam.roles[0].trusted().collect::<Vec<_>>(),
            [("kube-system", "vault")]
        );
    }

    #[test]
    fn the_region_tells_the_partition_of_the_arns() {
        let mut spec = spec();
        spec.region = "cn-north-1".into();
        let role = spec.role_arn(&spec.iam.roles[0]).unwrap().to_string();
        assert_eq!(role, "arn:aws-cn:iam::123456789012:role/Vault-AWSKMS");
        assert!(
            spec.key_arn(&spec.kms.keys[0])
                .starts_with("arn:aws-cn:kms:cn-north-1:")
        );
    }

    #[test]
    fn each_rule_of_a_recipe_is_checked() {
        let refused = |change: &dyn Fn(&mut RecipeSpec)| {
            let mut spec = spec();
            change(&mut spec);
            spec.check().unwrap_err()
        };
        assert!(matches!(
            refused(&|s| s.account = "1234".into()),
            RecipeProblem::Account(_)
        ));
        assert!(matches!(
            refused(&|s| s.region = "mars".into()),
            RecipeProblem::Region(_)
        ));
        assert!(matches!(
            refused(&|s| s.kms.keys[0].id = "my-key".into()),
            RecipeProblem::KeyId { index: 0, .. }
        ));
        assert!(matches!(
            refused(&|s| s.kms.keys[0].id = "F4F7A2E2-C5C6-EA6D-DC42-526EF280E794".into()),
            RecipeProblem::KeyId { .. }
        ));
        assert!(matches!(
            refused(&|s| s.kms.keys.push(s.kms.keys[0].clone())),
            RecipeProblem::DuplicateKey { index: 1, .. }
        ));
        for id in [
            "mrk-1234",
            "mrk-1234ABCD12ab34cd56ef1234567890ab",
            "mrk-1234abcd-12ab-34cd-56ef1234567890",
        ] {
            assert!(matches!(
                refused(&|s| s.kms.keys[0].id = id.into()),
                RecipeProblem::KeyId { .. }
            ));
        }
        for region in ["mars", "cn-north-1", ""] {
            assert!(matches!(
                refused(&|s| s.kms.keys[0].region = Some(region.into())),
                RecipeProblem::KeyRegion { index: 0, .. }
            ));
        }
        let rule = |role: Option<&str>| InjectRule {
            r#match: RuleMatch {
                namespace: "n".into(),
                role: role.map(str::to_owned),
                ..RuleMatch::default()
            },
            delivery: None,
            credentials_file: false,
            env: BTreeMap::new(),
        };
        assert_eq!(refused(&|s| s.inject.push(rule(None))), RecipeProblem::Match(0));
        assert!(matches!(
            refused(&|s| s.inject.push(rule(Some("Vault")))),
            RecipeProblem::MatchRole { index: 0, .. }
        ));
        assert!(matches!(
            refused(&|s| s.kms.keys[0].aliases = vec!["alias/aws/s3".into()]),
            RecipeProblem::Alias { .. }
        ));
        assert!(matches!(
            refused(&|s| s.iam.roles[0].name = "a b".into()),
            RecipeProblem::Role { .. }
        ));
        assert!(matches!(
            refused(&|s| s.iam.roles[0].service_accounts = vec!["vault".into()]),
            RecipeProblem::ServiceAccount { .. }
        ));
    }

    #[test]
    fn a_multi_region_key_may_be_in_two_regions_and_each_has_its_arn() {
        let mut spec = spec();
        spec.kms.keys[0].id = "mrk-1234abcd12ab34cd56ef1234567890ab".into();
        let mut replica = spec.kms.keys[0].clone();
        replica.region = Some("eu-west-1".into());
        spec.kms.keys.push(replica);
        spec.check().unwrap();
        let arns: Vec<String> = spec.kms.keys.iter().map(|key| spec.key_arn(key)).collect();
        assert_eq!(
            arns,
            [
                "arn:aws:kms:us-east-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab",
                "arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"
            ]
        );
        spec.kms.keys[1].region = Some("us-east-1".into());
        assert!(matches!(
            spec.check(),
            Err(RecipeProblem::DuplicateKey { index: 1, .. })
        ));
    }

    #[test]
    fn a_rule_covers_by_service_account_by_role_or_by_both() {
        const ROLE: &str = "arn:aws:iam::123456789012:role/r";
        let covers = |account: Option<&str>, role: Option<&str>, granted: Option<&str>| {
            let wanted = RuleMatch {
                namespace: "n".into(),
                service_account: account.map(str::to_owned),
                role: role.map(str::to_owned),
            };
            (wanted.covers("n", "s", granted), wanted.covers("m", "s", granted))
        };
        for (account, role, granted, covered) in [
            (Some("s"), None, None, true),
            (Some("s"), None, Some(ROLE), true),
            (Some("t"), None, Some(ROLE), false),
            (None, Some(ROLE), Some(ROLE), true),
            (None, Some(ROLE), Some("arn:aws:iam::123456789012:role/R"), false),
            (None, Some(ROLE), None, false),
            (Some("s"), Some(ROLE), Some(ROLE), true),
            (Some("t"), Some(ROLE), Some(ROLE), false),
            (Some("s"), Some(ROLE), None, false),
            (None, None, Some(ROLE), false),
        ] {
            assert_eq!(
                covers(account, role, granted),
                (covered, false),
                "{account:?} {role:?} {granted:?}"
            );
        }
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let error = serde_json::from_value::<RecipeSpec>(serde_json::json!({"account": "1", "regoin": "x"}))
            .unwrap_err();
        assert!(error.to_string().contains("regoin"), "{error}");
    }

    #[test]
    fn the_definition_given_to_kubernetes_is_known() {
        let crd = Recipe::crd();
        assert_eq!(crd.metadata.name.as_deref(), Some("recipes.irsa-emu.dev"));
        insta::assert_json_snapshot!(crd);
    }

    #[test]
    fn a_status_is_ready_only_for_the_generation_it_saw() {
        let condition = Condition {
            r#type: "Ready".into(),
            status: "True".into(),
            reason: "Kept".into(),
            message: "all there".into(),
            last_transition_time: String::new(),
        };
        let status = RecipeStatus {
            observed_generation: 2,
            conditions: vec![condition],
            ..RecipeStatus::default()
        };
        assert!(status.is_ready(2) && !status.is_ready(3));
    }
}
