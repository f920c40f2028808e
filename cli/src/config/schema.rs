//! The keys of a file. Their JSON Schema is in `docs/`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use irsa_emu_core::choice::Choice;
use irsa_emu_core::install::{Backend, Profile, RoleMode};
use irsa_emu_core::rules::Delivery;
use irsa_emu_install::objects::emulator_options;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_saphyr::Spanned;

use super::keys::{KEYS, Key};
use crate::options::install;
use crate::options::words::{self, BaseCredentialsFrom, ClusterFrom, ColorMode, ProgressMode};

/// A local environment for EKS workloads, which `irsa-emu up` creates.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "irsa-emu.yaml")]
pub(super) struct Environment {
    #[expect(dead_code, reason = "it is there to be checked")]
    api_version: Option<ApiVersion>,
    #[expect(dead_code, reason = "it is there to be checked")]
    kind: Option<Kind>,
    /// Name of the install, and of the cluster that `up` creates for it.
    name: Option<Setting<InstanceName>>,
    cluster: Option<Cluster>,
    /// Where AWS calls go: `emulator` (LocalStack in the cluster) or `aws` (real AWS, through the sidecar).
    backend: Option<Setting<Word<Backend>>>,
    aws: Option<Aws>,
    emulator: Option<Emulator>,
    webhook: Option<Webhook>,
    /// Recipes that `up` applies, in this order: a name, a path relative to this file, or a recipe with its parameters.
    recipes: Option<Vec<ListedRecipe>>,
    /// How long `up` may take, such as 90s or 5m.
    timeout: Option<Setting<TimeSpan>>,
    /// How progress is shown.
    progress: Option<Setting<ProgressMode>>,
    /// When to use colour.
    color: Option<Setting<ColorMode>>,
}

#[derive(Debug, Deserialize, JsonSchema)]
enum ApiVersion {
    #[serde(rename = "irsa-emu.dev/v1alpha1")]
    V1Alpha1,
}

#[derive(Debug, Deserialize, JsonSchema)]
enum Kind {
    Environment,
}

/// The cluster.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Cluster {
    /// Where the cluster comes from.
    provider: Option<Setting<ClusterFrom>>,
    /// A context of the kubeconfig, instead of the cluster that `up` creates.
    context: Option<Setting<String>>,
    /// Image of the nodes of a new cluster.
    node_image: Option<Setting<String>>,
    /// A kind or k3d configuration of your own for a new cluster, relative to this file.
    config_file: Option<Setting<String>>,
    /// Make the cluster's context the current one.
    switch_context: Option<Setting<bool>>,
}

/// Real AWS, for the backend `aws`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Aws {
    /// Where the base credentials come from.
    base_credentials: Option<Setting<BaseCredentialsFrom>>,
    /// STS endpoint, instead of the region's own.
    sts_endpoint: Option<Setting<ServiceUrl>>,
    /// Tag the sessions as EKS Pod Identity does.
    session_tags: Option<Setting<bool>>,
}

/// The emulator of AWS.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Emulator {
    /// Its image.
    image: Option<Setting<String>>,
    /// Variables for its container, by name.
    env: Option<Setting<Variables>>,
    resources: Option<Resources>,
    /// File with the token of LocalStack, relative to this file, instead of the variable `LOCALSTACK_AUTH_TOKEN`.
    auth_token_file: Option<Setting<String>>,
    /// Port of 127.0.0.1 for the emulator of a new cluster; 0 takes any that is free.
    host_port: Option<Setting<u16>>,
    /// AWS region of Pods that set none.
    region: Option<Setting<Region>>,
    /// AWS account that tools use by `env`, instead of that of the oldest Recipe.
    account_id: Option<Setting<Account>>,
}

/// What the emulator may use.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Resources {
    /// Memory, such as 3Gi.
    memory: Option<Setting<Memory>>,
    /// CPUs, such as 2 or 500m.
    cpu: Option<Setting<Cpu>>,
}

/// The webhook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Webhook {
    /// Image that the cluster has or can pull, instead of one made here.
    image: Option<Setting<String>>,
    /// Image of the sidecar that the cluster has or can pull, instead of one made here.
    sidecar_image: Option<Setting<String>>,
    /// How Pods get their credentials if they choose nothing.
    default_delivery: Option<Setting<Word<Delivery>>>,
    /// What Pods get; `strict-eks` is what EKS gives them and nothing else.
    profile: Option<Setting<Word<Profile>>>,
    /// What to do about a role that does not exist: `auto` creates it if the annotation of the ServiceAccount or the role
    /// table names it, `strict` refuses.
    roles: Option<Setting<Word<RoleMode>>>,
    /// Issuers that mean this cluster in trust policies: `eks` for every EKS cluster, or patterns.
    issuer_aliases: Option<Setting<Vec<IssuerAlias>>>,
    /// Account of roles that an annotation names without their ARN.
    compose_role_arn: Option<Setting<Account>>,
}

/// A recipe with its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecipeEntry {
    /// Name of a recipe, or a path relative to this file.
    pub recipe: String,
    /// The app's own Helm values, to read parameters from: a path relative to this file, or several, of which later ones are
    /// laid over earlier ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesFiles>,
    /// Namespace of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Helm release of the app.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Parameters; they precede `values`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
}

/// One file of values, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "the path of a file, or a list of paths")]
pub enum ValuesFiles {
    /// A path.
    One(PathBuf),
    /// Several, the later ones laid over the earlier ones.
    Several(Vec<PathBuf>),
}

impl ValuesFiles {
    /// The same files, seen from another folder.
    fn placed(self, folder: &Path) -> Self {
        match self {
            Self::One(path) => Self::One(folder.join(path)),
            Self::Several(paths) => Self::Several(paths.iter().map(|path| folder.join(path)).collect()),
        }
    }
}

impl From<ValuesFiles> for Vec<PathBuf> {
    fn from(files: ValuesFiles) -> Self {
        match files {
            ValuesFiles::One(path) => vec![path],
            ValuesFiles::Several(paths) => paths,
        }
    }
}

/// A recipe as it is listed.
#[derive(Debug, JsonSchema)]
#[serde(untagged)]
enum ListedRecipe {
    /// Its name, or a path relative to this file.
    Name(String),
    /// With its parameters.
    Full(RecipeEntry),
}

impl Environment {
    /// The values of the file, key by key, with the line.
    pub(super) fn settings(&self) -> Vec<(&'static Key, Vec<String>, u64)> {
        let Self {
            api_version: _,
            kind: _,
            name,
            cluster,
            backend,
            aws,
            emulator,
            webhook,
            recipes: _,
            timeout,
            progress,
            color,
        } = self;
        let mut said = Said::default();
        said.add("name", name.as_ref());
        said.add("backend", backend.as_ref());
        said.add("timeout", timeout.as_ref());
        said.add("progress", progress.as_ref());
        said.add("color", color.as_ref());
        if let Some(Cluster {
            provider,
            context,
            node_image,
            config_file,
            switch_context,
        }) = cluster
        {
            said.add("cluster.provider", provider.as_ref());
            said.add("cluster.context", context.as_ref());
            said.add("cluster.nodeImage", node_image.as_ref());
            said.add("cluster.configFile", config_file.as_ref());
            said.add("cluster.switchContext", switch_context.as_ref());
        }
        if let Some(Aws {
            base_credentials,
            sts_endpoint,
            session_tags,
        }) = aws
        {
            said.add("aws.baseCredentials", base_credentials.as_ref());
            said.add("aws.stsEndpoint", sts_endpoint.as_ref());
            said.add("aws.sessionTags", session_tags.as_ref());
        }
        if let Some(Emulator {
            image,
            env,
            resources,
            auth_token_file,
            host_port,
            region,
            account_id,
        }) = emulator
        {
            said.add("emulator.image", image.as_ref());
            said.add("emulator.env", env.as_ref());
            if let Some(Resources { memory, cpu }) = resources {
                said.add("emulator.resources.memory", memory.as_ref());
                said.add("emulator.resources.cpu", cpu.as_ref());
            }
            said.add("emulator.authTokenFile", auth_token_file.as_ref());
            said.add("emulator.hostPort", host_port.as_ref());
            said.add("emulator.region", region.as_ref());
            said.add("emulator.accountId", account_id.as_ref());
        }
        if let Some(Webhook {
            image,
            sidecar_image,
            default_delivery,
            profile,
            roles,
            issuer_aliases,
            compose_role_arn,
        }) = webhook
        {
            said.add("webhook.image", image.as_ref());
            said.add("webhook.sidecarImage", sidecar_image.as_ref());
            said.add("webhook.defaultDelivery", default_delivery.as_ref());
            said.add("webhook.profile", profile.as_ref());
            said.add("webhook.roles", roles.as_ref());
            said.add("webhook.issuerAliases", issuer_aliases.as_ref());
            said.add("webhook.composeRoleArn", compose_role_arn.as_ref());
        }
        said.0
    }

    /// The recipes, with paths that no longer depend on where the file is.
    pub(super) fn recipes(&self, folder: &Path) -> Option<Vec<RecipeEntry>> {
        let placed = |listed: &ListedRecipe| {
            let mut entry = match listed {
                ListedRecipe::Full(entry) => entry.clone(),
                ListedRecipe::Name(name) => RecipeEntry {
                    recipe: name.clone(),
                    ..RecipeEntry::default()
                },
            };
            if irsa_emu_install::recipe::catalog::looks_like_a_path(&entry.recipe) {
                entry.recipe = folder.join(&entry.recipe).display().to_string();
            }
            entry.values = entry.values.map(|values| values.placed(folder));
            entry
        };
        Some(self.recipes.as_ref()?.iter().map(placed).collect())
    }
}

#[derive(Default)]
struct Said(Vec<(&'static Key, Vec<String>, u64)>);

impl Said {
    fn add<T: Words>(&mut self, path: &str, setting: Option<&Setting<T>>) {
        let key = KEYS.iter().find(|key| key.path == path);
        if let (Some(key), Some(Setting(spanned))) = (key, setting) {
            self.0
                .push((key, spanned.value.words(), spanned.referenced.line()));
        }
    }
}

/// The JSON Schema of the file.
#[must_use]
pub fn json_schema() -> Schema {
    schemars::schema_for!(Environment)
}

/// A value that knows its line.
#[derive(Debug, Deserialize)]
#[serde(transparent, bound(deserialize = "T: Deserialize<'de>"))]
struct Setting<T>(Spanned<T>);

impl<T: JsonSchema> JsonSchema for Setting<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A value as it would be typed on the command line.
trait Words {
    fn words(&self) -> Vec<String>;
}

impl Words for String {
    fn words(&self) -> Vec<String> {
        vec![self.clone()]
    }
}

impl Words for u16 {
    fn words(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

impl Words for bool {
    fn words(&self) -> Vec<String> {
        vec![self.to_string()]
    }
}

impl<T: Words> Words for Vec<T> {
    fn words(&self) -> Vec<String> {
        self.iter().flat_map(Words::words).collect()
    }
}

/// Variables by name.
#[derive(Debug, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
struct Variables(BTreeMap<String, String>);

impl TryFrom<BTreeMap<String, String>> for Variables {
    type Error = String;

    fn try_from(variables: BTreeMap<String, String>) -> Result<Self, String> {
        match variables.keys().find_map(|name| emulator_options::refused(name)) {
            Some(why) => Err(why),
            None => Ok(Self(variables)),
        }
    }
}

impl JsonSchema for Variables {
    fn schema_name() -> Cow<'static, str> {
        "Variables".into()
    }

    /// A number is taken as it is written, and so is `true`.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
            "additionalProperties": {"type": ["string", "number", "boolean"]}
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl Words for Variables {
    fn words(&self) -> Vec<String> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| format!("{name}={value}")).collect()
    }
}

macro_rules! choices {
    ($($name:ident),+) => {
        $(impl Words for $name {
            fn words(&self) -> Vec<String> {
                vec![install::name_of(self)]
            }
        })+
    };
}

choices!(ClusterFrom, BaseCredentialsFrom, ProgressMode, ColorMode);

/// One of a few words.
#[derive(Debug, Deserialize)]
#[serde(transparent, bound(deserialize = "T: Choice"))]
struct Word<T>(T);

impl<T: Choice> JsonSchema for Word<T> {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::ALL.iter().map(|choice| choice.as_str()).collect();
        schemars::json_schema!({"type": "string", "enum": words})
    }

    fn inline_schema() -> bool {
        true
    }
}

impl<T: Choice> Words for Word<T> {
    fn words(&self) -> Vec<String> {
        vec![self.0.as_str().to_owned()]
    }
}

macro_rules! checked {
    ($($(#[doc = $doc:literal])+ $name:ident, $check:expr, $pattern:literal;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Deserialize, JsonSchema)]
            #[serde(try_from = "String")]
            #[schemars(inline, extend("pattern" = $pattern))]
            struct $name(String);

            impl TryFrom<String> for $name {
                type Error = String;

                fn try_from(text: String) -> Result<Self, String> {
                    match $check(&text) {
                        Ok(_) => Ok(Self(text)),
                        Err(problem) => Err(format!("`{text}`: {problem}")),
                    }
                }
            }

            impl Words for $name {
                fn words(&self) -> Vec<String> {
                    vec![self.0.clone()]
                }
            }
        )+
    };
}

checked! {
    /// Lower-case letters, digits and inner hyphens.
    InstanceName, words::instance_name, "^[a-z0-9]([a-z0-9-]{0,47}[a-z0-9])?$";
    /// Digits with `s`, `m` or `h`.
    TimeSpan, words::duration, "^[0-9]+[smh]?$";
    /// An AWS region.
    Region, install::region, "^[a-z0-9]+(-[a-z0-9]+){2,}$";
    /// An AWS account id.
    Account, install::account, "^[0-9]{12}$";
    /// The URL of a service.
    ServiceUrl, install::http_url, "^https?://[^@ ]+$";
    /// A quantity of memory.
    Memory, emulator_options::memory, "^[0-9]+(Ki|Mi|Gi|k|M|G)?$";
    /// A number of CPUs.
    Cpu, emulator_options::cpu, "^[0-9]+(m|\\.[0-9]{1,3})?$";
    /// `eks`, an issuer, or a pattern of issuers.
    IssuerAlias, install::issuer_alias, "^[!-+\\--~]+$";
}

impl<'de> Deserialize<'de> for ListedRecipe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMore;

        impl<'de> Visitor<'de> for NameOrMore {
            type Value = ListedRecipe;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name or the path of a recipe, or a recipe with its parameters")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(ListedRecipe::Name(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                RecipeEntry::deserialize(MapAccessDeserializer::new(map)).map(ListedRecipe::Full)
            }
        }

        deserializer.deserialize_any(NameOrMore)
    }
}
