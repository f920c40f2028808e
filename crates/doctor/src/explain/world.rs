//! What is known of a cluster, or of a set of files: everything that a judgement looks at.

use std::collections::{BTreeMap, BTreeSet};

use irsa_emu_core::grant::{Grant, GrantSource, GrantTables, sourced_grant};
use irsa_emu_core::kubectl::kubectl_of_no_cluster;
use irsa_emu_core::oidc_provider::OidcProviders;
use irsa_emu_core::plain::plain;
use irsa_emu_core::recipe::{self, Recipe};
use irsa_emu_core::rules::RecipeRules;
use irsa_emu_install::settings::Settings;
use serde_json::Value;

use super::subject::namespace_of;

/// The issuer of kubeadm and of k3s, and so of kind and k3d, without its scheme (kubeadm's `--service-account-issuer`).
pub const USUAL_ISSUER: &str = "kubernetes.default.svc.cluster.local";

/// What is known.
#[derive(Debug, Clone)]
pub struct World {
    /// How the install decides.
    pub settings: Settings,
    /// The registration of the webhook.
    pub registration: Registration,
    /// The `ConfigMap`s that name roles.
    pub tables: GrantTables,
    /// The injection rules of all Recipes.
    pub rules: Vec<RecipeRules>,
    /// The issuer of the cluster's tokens, without its scheme.
    pub provider: Option<String>,
    /// Labels by Namespace.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    /// ServiceAccounts by Namespace and name.
    pub accounts: BTreeMap<(String, String), Account>,
    /// The roles of the emulator, by ARN.
    pub roles: BTreeMap<String, Role>,
    /// ServiceAccounts that Recipes name, by Namespace and name.
    pub named: BTreeSet<(String, String)>,
    /// The OIDC providers of the emulator, by account, as far as they were requested.
    pub providers: BTreeMap<String, AccountProviders>,
    /// The condition keys of the time of a request.
    pub time_keys: BTreeMap<String, Vec<String>>,
    /// `kubectl`, for this cluster.
    pub kubectl: String,
    /// Whether documents are all that is known, and no cluster was asked.
    pub is_offline: bool,
}

/// The registration of the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registration {
    /// Nobody was asked.
    Unknown,
    /// There is none.
    Missing,
    /// It is there since then (RFC 3339, as Kubernetes writes it).
    Since(String),
}

/// A ServiceAccount that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// When the annotation that names the role was last written (RFC 3339, as Kubernetes writes it).
    pub annotated: Option<String>,
}

/// A role in the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// It exists.
    Found {
        /// Its own ARN.
        arn: String,
        /// Its trust policy.
        trust: String,
    },
    /// It does not.
    Missing,
    /// The emulator could not be asked, and why.
    NotAsked(String),
}

/// The OIDC providers of an account in the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountProviders {
    /// Those that speak for the cluster.
    Found(OidcProviders),
    /// The emulator could not be asked, and why.
    NotAsked(String),
}

impl World {
    /// A world of which nothing is known but how the install decides.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            registration: Registration::Unknown,
            tables: GrantTables::default(),
            rules: Vec::new(),
            provider: None,
            namespaces: BTreeMap::new(),
            accounts: BTreeMap::new(),
            roles: BTreeMap::new(),
            named: BTreeSet::new(),
            providers: BTreeMap::new(),
            time_keys: BTreeMap::new(),
            kubectl: kubectl_of_no_cluster(),
            is_offline: false,
        }
    }

    /// A world of documents only.
    #[must_use]
    pub fn offline(settings: Settings) -> Self {
        Self {
            is_offline: true,
            provider: Some(USUAL_ISSUER.to_owned()),
            ..Self::new(settings)
        }
    }

    /// A ServiceAccount, unless it is missing.
    #[must_use]
    pub fn account(&self, namespace: &str, name: &str) -> Option<&Account> {
        self.accounts.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// What a ServiceAccount grants, and where that is written.
    #[must_use]
    pub fn grant(&self, namespace: &str, name: &str) -> Option<(Grant, GrantSource)> {
        let annotations = self.account(namespace, name).map(|account| &account.annotations);
        sourced_grant(namespace, name, annotations, &self.tables, &self.settings.grants)
    }

    /// Whether a Recipe names a ServiceAccount.
    #[must_use]
    pub fn is_named(&self, namespace: &str, name: &str) -> bool {
        let granted = self.grant(namespace, name);
        let role = granted.as_ref().and_then(|(grant, _)| grant.role_arn());
        let is_matched = |rules: &RecipeRules| {
            let mut all = rules.rules.iter();
            all.any(|rule| rule.r#match.covers(namespace, name, role))
        };
        self.named.contains(&(namespace.to_owned(), name.to_owned())) || self.rules.iter().any(is_matched)
    }

    /// Takes in a Recipe, in place of one of the same name.
    pub fn learn_recipe(&mut self, recipe: &Recipe) {
        let iam_roles = recipe.spec.iam.roles.iter();
        let trusted = iam_roles.flat_map(irsa_emu_core::recipe::IamRole::trusted);
        self.named
            .extend(trusted.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())));
        let rules = RecipeRules::from(recipe);
        self.rules.retain(|known| known.recipe != rules.recipe);
        self.rules.push(rules);
        self.roles.extend(roles_of(recipe));
    }

    /// Takes in an object that matters for others: a ServiceAccount, a Namespace, a Recipe. Returns what is
    /// wrong with it, if it is one of these and cannot be read.
    pub fn learn(&mut self, object: &Value, default_namespace: &str) -> Result<(), String> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/name").unwrap_or_default().to_owned();
        let kind = text("/kind").unwrap_or_default();
        require_texts(object, kind, &name)?;
        match (text("/apiVersion").unwrap_or_default(), kind) {
            ("v1", "ServiceAccount") => {
                let namespace = namespace_of(object, default_namespace).to_owned();
                let account = Account::read(object, &self.settings.grants.annotation_prefix);
                self.accounts.insert((namespace, name), account);
            }
            ("v1", "Namespace") => {
                self.namespaces.insert(name, texts(object, "/metadata/labels"));
            }
            (group, "Recipe") if group.starts_with("irsa-emu.dev/") => {
                let recipe = recipe::read(object)
                    .map_err(|why| format!("the Recipe {} cannot be read: {why}", plain(&name)))?;
                self.learn_recipe(&recipe);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The roles of a Recipe that have a trust policy there, by ARN.
fn roles_of(recipe: &Recipe) -> impl Iterator<Item = (String, Role)> + '_ {
    let spec = &recipe.spec;
    spec.iam.roles.iter().filter_map(|role| {
        let trust = role.trust_policy.as_ref()?.to_string();
        let arn = spec.role_arn(role).ok()?.to_string();
        Some((arn.clone(), Role::Found { arn, trust }))
    })
}

impl Account {
    /// Reads a ServiceAccount. `prefix` is that of the annotations.
    #[must_use]
    pub fn read(object: &Value, prefix: &str) -> Self {
        let role = format!("f:{prefix}/{}", irsa_emu_core::contract::ROLE_ARN);
        let writes = |entry: &&Value| entry["fieldsV1"]["f:metadata"]["f:annotations"][&role].is_object();
        let entries = object
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        let written = entries
            .into_iter()
            .flatten()
            .filter(writes)
            .filter_map(|entry| entry["time"].as_str())
            .max();
        Self {
            annotations: texts(object, "/metadata/annotations"),
            annotated: written.map(str::to_owned),
        }
    }
}

/// Refuses metadata that kubectl and the API server refuse of every object: names, labels and annotations are text, and YAML
/// reads more than one thinks as something else.
fn require_texts(object: &Value, kind: &str, name: &str) -> Result<(), String> {
    let metadata = &object["metadata"];
    let wrong = |field: &str, value: &Value| {
        let read = match value {
            Value::Bool(flag) => format!("a boolean ({flag}) to YAML: put it in quotes"),
            Value::Number(number) => format!("a number ({number}) to YAML: put it in quotes"),
            _ => "a list or an object".to_owned(),
        };
        let (name, field) = (plain(name), plain(field));
        Err(format!(
            "the {kind} {name} cannot be read: metadata.{field} must be a string, and is {read}"
        ))
    };
    let is_text = |value: &Value| value.is_string() || value.is_null();
    for field in ["name", "namespace", "generateName"] {
        if !is_text(&metadata[field]) {
            return wrong(field, &metadata[field]);
        }
    }
    for field in ["annotations", "labels"] {
        let members = metadata[field].as_object();
        if let Some((key, value)) = members.into_iter().flatten().find(|(_, value)| !is_text(value)) {
            return wrong(&format!("{field}[{key}]"), value);
        }
    }
    Ok(())
}

/// The strings of an object's member.
fn texts(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let members = object.pointer(pointer).and_then(Value::as_object);
    members
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}
