//! Reads the values of HashiCorp's Vault chart: which key seals Vault, and as which role it runs.
//!
//! Pure: text in, findings out. What it reads, and in which order, is what the chart and Vault do on EKS.

use std::collections::BTreeMap;

use irsa_emu_core::role_arn::{RoleArn, RoleArnError};
use serde_json::Value;

use super::hcl::{self, HclError};

/// Annotation that names the role.
const ROLE_ANNOTATION: &str = "eks.amazonaws.com/role-arn";

/// Why values cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValuesError {
    /// They are no YAML.
    #[error("not readable as YAML: {0}")]
    Yaml(String),
    /// They are YAML, but no mapping.
    #[error("not a mapping of values")]
    NoMapping,
    /// Vault's configuration is not HCL.
    #[error("{place} is not readable as HCL: {source}")]
    Hcl {
        /// Where in the values.
        place: String,
        /// What is wrong, and in which line.
        source: HclError,
    },
    /// Vault's configuration begins as JSON and is none.
    #[error("{place} is not readable as JSON: {why}")]
    Json {
        /// Where in the values.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// There is no `seal "awskms"`.
    #[error("no `seal \"awskms\"` in {}", .looked.join(", nor in "))]
    NoSeal {
        /// Where it was looked for.
        looked: Vec<String>,
    },
    /// The key is named by an alias.
    #[error(
        "{place} names the key by the alias `{alias}`, but a recipe makes the key and needs its id; \
`aws kms describe-key --key-id {alias}` in the real account tells it"
    )]
    Alias {
        /// Where in the values.
        place: String,
        /// The alias.
        alias: String,
    },
    /// The key is named by something else.
    #[error("{place} is `{text}`: neither a KMS key id (a UUID) nor the ARN of a KMS key")]
    Key {
        /// Where in the values.
        place: String,
        /// What stands there.
        text: String,
    },
    /// A value is a Helm template.
    #[error("{place} is the Helm template `{text}`, whose result only Helm knows")]
    Template {
        /// Where in the values.
        place: String,
        /// What stands there.
        text: String,
    },
    /// The annotation holds no role ARN.
    #[error("server.serviceAccount.annotations: {0}")]
    Role(RoleArnError),
    /// Key and role are in different accounts.
    #[error("the key is in account {key} but the role in account {role}; a recipe has one account")]
    Accounts {
        /// The key's account.
        key: String,
        /// The role's account.
        role: String,
    },
    /// The key's ARN names another region than Vault would ask.
    #[error(
        "the key's ARN is in region {key} but {place} is {region}: on EKS, too, Vault would not find the key"
    )]
    Regions {
        /// The key's region.
        key: String,
        /// Where the other region stands.
        place: String,
        /// The other region.
        region: String,
    },
}

/// What values tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VaultValues {
    /// Id of the key.
    pub key_id: Option<String>,
    /// Region of the key.
    pub region: Option<String>,
    /// Account of the key and the role.
    pub account: Option<String>,
    /// Name of the role.
    pub role: Option<String>,
    /// Path of the role.
    pub role_path: Option<String>,
    /// ServiceAccount that Vault runs as.
    pub service_account: String,
    /// Namespace, where the values fix it.
    pub namespace: Option<String>,
    /// What to mind.
    pub warnings: Vec<String>,
    /// Where the seal was looked for.
    looked: Vec<String>,
    sealed: bool,
    /// Why the key that is named cannot be used.
    key_problem: Option<ValuesError>,
}

impl VaultValues {
    /// The values as parameters of a recipe.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let account = Some(self.service_account.clone());
        [
            ("account", &self.account),
            ("region", &self.region),
            ("keyId", &self.key_id),
            ("role", &self.role),
            ("rolePath", &self.role_path),
            ("serviceAccount", &account),
            ("namespace", &self.namespace),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
        .collect()
    }

    /// Insists on a seal with a key that can be used. Not wanted where the user names the key.
    pub fn require_seal(&self) -> Result<(), ValuesError> {
        if let Some(problem) = &self.key_problem {
            return Err(problem.clone());
        }
        if self.sealed {
            return Ok(());
        }
        Err(ValuesError::NoSeal {
            looked: self.looked.clone(),
        })
    }
}

/// What names the key and its region, and where.
#[derive(Debug, Clone, Default)]
struct Seal {
    fields: BTreeMap<String, String>,
    place: String,
}

/// Reads values.
pub fn read_vault_values(yaml: &str) -> Result<VaultValues, ValuesError> {
    let root: Value = serde_saphyr::from_str(yaml).map_err(|error| ValuesError::Yaml(error.to_string()))?;
    let root = match root {
        Value::Null => Value::Object(serde_json::Map::new()),
        Value::Object(_) => root,
        _ => return Err(ValuesError::NoMapping),
    };
    // In the values of a chart that has Vault's as a dependency, ours are one level down.
    let nested = root.get("server").is_none() && root.pointer("/vault/server").is_some();
    let own = if nested { &root["vault"] } else { &root };
    let mut values = VaultValues {
        service_account: service_account(own),
        namespace: text_at(own, "/global/namespace").or_else(|| text_at(&root, "/global/namespace")),
        ..VaultValues::default()
    };
    let environment = environment(own, &mut values.warnings);
    let seal = find_seal(own, &environment, &mut values)?;
    if let Some(seal) = &seal {
        values.sealed = true;
        warn_of_conflicts(seal, &mut values.warnings);
        read_key(seal, &environment, &mut values)?;
    }
    read_role(own, &mut values)?;
    Ok(values)
}

fn text_at(value: &Value, pointer: &str) -> Option<String> {
    value
        .pointer(pointer)
        .and_then(scalar)
        .filter(|text| !text.is_empty())
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_true(value: &Value, pointer: &str) -> bool {
    value
        .pointer(pointer)
        .is_some_and(|value| value == &Value::Bool(true) || value == "true")
}

/// The name of the ServiceAccount as the chart's helpers compute it, for a release called `vault`.
fn service_account(values: &Value) -> String {
    if let Some(name) = text_at(values, "/server/serviceAccount/name") {
        return name;
    }
    if values.pointer("/server/serviceAccount/create") == Some(&Value::Bool(false)) {
        return "default".to_owned();
    }
    match (
        text_at(values, "/fullnameOverride"),
        text_at(values, "/nameOverride"),
    ) {
        (Some(name), _) => name,
        (None, Some(part)) if !"vault".contains(&part) => format!("vault-{part}"),
        _ => "vault".to_owned(),
    }
}

/// The variables that the chart gives to Vault.
fn environment(values: &Value, warnings: &mut Vec<String>) -> BTreeMap<String, String> {
    let variables: BTreeMap<String, String> = values
        .pointer("/server/extraEnvironmentVars")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), scalar(value)?)))
        .collect();
    let secret = values
        .pointer("/server/extraSecretEnvironmentVars")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("envName").and_then(Value::as_str));
    for name in variables.keys().map(String::as_str).chain(secret) {
        match name {
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" => warnings.push(format!(
                "the values set {name}: Vault uses static credentials before any role, on EKS as here; \
remove it to use the role"
            )),
            "AWS_ENDPOINT_URL"
            | "AWS_ENDPOINT_URL_KMS"
            | "AWS_KMS_ENDPOINT"
            | "VAULT_AWSKMS_SEAL_ENDPOINT" => {
                warnings.push(format!(
                    "the values set {name}: it goes to EKS, too, and irsa-emu leaves it as it is; \
remove it, as irsa-emu adds what is needed"
                ));
            }
            _ => {}
        }
    }
    variables
}

/// Finds the seal: in the configuration that the chart uses, then in the others, then in the environment.
fn find_seal(
    values: &Value,
    environment: &BTreeMap<String, String>,
    found: &mut VaultValues,
) -> Result<Option<Seal>, ValuesError> {
    const STANDALONE: &str = "server.standalone.config";
    const HA: &str = "server.ha.config";
    const RAFT: &str = "server.ha.raft.config";
    let raft = is_true(values, "/server/ha/raft/enabled");
    let order = match (is_true(values, "/server/ha/enabled"), raft) {
        (true, true) => [RAFT, HA, STANDALONE],
        (true, false) => [HA, RAFT, STANDALONE],
        (false, _) => [STANDALONE, RAFT, HA],
    };
    let mut seal = None;
    for (index, place) in order.into_iter().enumerate() {
        let Some(config) = values.pointer(&format!("/{}", place.replace('.', "/"))) else {
            continue;
        };
        let Some(fields) = seal_of(config, place)? else {
            continue;
        };
        if index > 0 {
            found.warnings.push(format!(
                "the seal stands in {place}, but with these values the chart uses {}",
                order[0]
            ));
        }
        seal = Some(Seal {
            fields,
            place: format!("kms_key_id in {place}"),
        });
        break;
    }
    let by_environment = environment
        .get("VAULT_SEAL_TYPE")
        .is_some_and(|kind| kind == "awskms")
        || (seal.is_none() && environment.contains_key("VAULT_AWSKMS_SEAL_KEY_ID"));
    found.looked = [order[0], order[1], order[2], "server.extraEnvironmentVars"]
        .map(str::to_owned)
        .to_vec();
    Ok(seal.or_else(|| {
        by_environment.then(|| Seal {
            fields: BTreeMap::new(),
            place: "server.extraEnvironmentVars".to_owned(),
        })
    }))
}

/// The fields of `seal "awskms"` in a configuration: HCL, JSON in a text, or a mapping.
fn seal_of(config: &Value, place: &str) -> Result<Option<BTreeMap<String, String>>, ValuesError> {
    let text = match config {
        Value::String(text) => text,
        Value::Object(_) => return Ok(seal_of_json(config)),
        _ => return Ok(None),
    };
    if text.trim_start().starts_with('{') && !text.trim_start().starts_with("{{") {
        let config: Value = serde_json::from_str(text).map_err(|error| ValuesError::Json {
            place: place.to_owned(),
            why: error.to_string(),
        })?;
        return Ok(seal_of_json(&config));
    }
    let items = hcl::parse(text).map_err(|source| ValuesError::Hcl {
        place: place.to_owned(),
        source,
    })?;
    Ok(items.into_iter().find_map(|item| seal_of_item(&item)))
}

fn seal_of_item(item: &hcl::Item) -> Option<BTreeMap<String, String>> {
    let hcl::Value::Object(body) = &item.value else {
        return None;
    };
    let keys: Vec<&str> = item.keys.iter().map(String::as_str).collect();
    match keys[..] {
        ["seal", "awskms"] => Some(
            body.iter()
                .filter_map(|field| match (&field.keys[..], &field.value) {
                    ([name], hcl::Value::Text(text)) => Some((name.clone(), text.clone())),
                    _ => None,
                })
                .collect(),
        ),
        // seal { awskms { ... } } means the same.
        ["seal"] => body.iter().find_map(|inner| {
            let keys = std::iter::once("seal".to_owned())
                .chain(inner.keys.clone())
                .collect();
            seal_of_item(&hcl::Item {
                keys,
                value: inner.value.clone(),
            })
            .filter(|_| inner.keys.len() == 1)
        }),
        _ => None,
    }
}

/// `{"seal": {"awskms": {...}}}`, with lists wherever HCL allows repetition.
fn seal_of_json(config: &Value) -> Option<BTreeMap<String, String>> {
    fn each(value: &Value) -> Vec<&Value> {
        match value {
            Value::Array(items) => items.iter().collect(),
            other => vec![other],
        }
    }
    each(config.get("seal")?)
        .into_iter()
        .filter_map(|seal| seal.get("awskms"))
        .flat_map(each)
        .find_map(Value::as_object)
        .map(|fields| {
            let fields = fields.iter();
            fields
                .filter_map(|(name, value)| Some((name.clone(), scalar(value)?)))
                .collect()
        })
}

fn warn_of_conflicts(seal: &Seal, warnings: &mut Vec<String>) {
    if seal.fields.contains_key("endpoint") {
        warnings.push(
            "the seal stanza sets `endpoint`: Vault asks there, on EKS as here; remove it, as irsa-emu leads Vault \
to the emulator without it"
                .to_owned(),
        );
    }
    for name in ["access_key", "secret_key", "session_token"] {
        if seal.fields.contains_key(name) {
            warnings.push(format!(
                "the seal stanza sets `{name}`: Vault uses static credentials before any role, on EKS as here; \
remove it to use the role"
            ));
        }
    }
    if seal.fields.get("disabled").is_some_and(|text| text == "true") {
        warnings.push(
            "the seal stanza says `disabled = true`: Vault only migrates away from this key".to_owned(),
        );
    }
}

/// Reads key, region and account, as Vault does: the environment beats the stanza.
fn read_key(
    seal: &Seal,
    environment: &BTreeMap<String, String>,
    values: &mut VaultValues,
) -> Result<(), ValuesError> {
    let variable = |name: &str| {
        environment
            .get(name)
            .filter(|text| !text.is_empty())
            .map(|text| (text.clone(), format!("{name} in server.extraEnvironmentVars")))
    };
    let field = |name: &str| {
        seal.fields
            .get(name)
            .filter(|text| !text.is_empty())
            .map(|text| (text.clone(), seal.place.replace("kms_key_id", name)))
    };
    let region = variable("AWS_REGION")
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(|| field("region"));
    if let Some((text, place)) = &region {
        refuse_template(text, place)?;
        values.region = Some(text.clone());
    }
    let Some((text, place)) = variable("VAULT_AWSKMS_SEAL_KEY_ID").or_else(|| field("kms_key_id")) else {
        return Ok(());
    };
    let key = match refuse_template(&text, &place).and_then(|()| read_key_name(&text, &place)) {
        Ok(key) => key,
        Err(problem) => {
            values.key_problem = Some(problem);
            return Ok(());
        }
    };
    if let Some((key_region, account)) = key.at {
        if let Some((region, place)) = region.filter(|(region, _)| *region != key_region) {
            return Err(ValuesError::Regions {
                key: key_region,
                place,
                region,
            });
        }
        values.region = Some(key_region);
        values.account = Some(account);
    }
    values.key_id = Some(key.id);
    Ok(())
}

fn refuse_template(text: &str, place: &str) -> Result<(), ValuesError> {
    if text.contains("{{") {
        return Err(ValuesError::Template {
            place: place.to_owned(),
            text: text.to_owned(),
        });
    }
    Ok(())
}

struct KeyName {
    id: String,
    /// Region and account, where an ARN tells them.
    at: Option<(String, String)>,
}

fn read_key_name(text: &str, place: &str) -> Result<KeyName, ValuesError> {
    let alias = |alias: &str| ValuesError::Alias {
        place: place.to_owned(),
        alias: alias.to_owned(),
    };
    let unknown = || ValuesError::Key {
        place: place.to_owned(),
        text: text.chars().take(120).collect(),
    };
    if text.starts_with("alias/") {
        return Err(alias(text));
    }
    if is_uuid(text) {
        return Ok(KeyName {
            id: text.to_ascii_lowercase(),
            at: None,
        });
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", _, "kms", region, account, resource] = parts[..] else {
        return Err(unknown());
    };
    if resource.starts_with("alias/") {
        return Err(alias(resource));
    }
    match resource.strip_prefix("key/").filter(|id| is_uuid(id)) {
        Some(id) if !region.is_empty() && account.len() == 12 => Ok(KeyName {
            id: id.to_ascii_lowercase(),
            at: Some((region.to_owned(), account.to_owned())),
        }),
        _ => Err(unknown()),
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups
            .iter()
            .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Reads the role out of the ServiceAccount's annotations, which the chart takes as a mapping or as a text of YAML.
fn read_role(own: &Value, values: &mut VaultValues) -> Result<(), ValuesError> {
    let Some(annotations) = own.pointer("/server/serviceAccount/annotations") else {
        return Ok(());
    };
    let text = match annotations {
        Value::String(text) => {
            let parsed: Value = serde_saphyr::from_str(text)
                .map_err(|error| ValuesError::Yaml(format!("server.serviceAccount.annotations: {error}")))?;
            parsed.get(ROLE_ANNOTATION).and_then(scalar)
        }
        other => other.get(ROLE_ANNOTATION).and_then(scalar),
    };
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(());
    };
    refuse_template(&text, &format!("the annotation {ROLE_ANNOTATION}"))?;
    let role = RoleArn::parse(&text).map_err(ValuesError::Role)?;
    if let Some(key) = values.account.as_ref().filter(|key| *key != role.account()) {
        return Err(ValuesError::Accounts {
            key: key.clone(),
            role: role.account().to_owned(),
        });
    }
    values.account = Some(role.account().to_owned());
    values.role = Some(role.name().to_owned());
    values.role_path = Some(role.path().to_owned());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "f4f7a2e2-c5c6-ea6d-dc42-526ef280e794";
    const ROLE: &str = "arn:aws:iam::123456789012:role/Vault-AWSKMS";

    /// Values with a role and, at a path, a configuration.
    fn values(path: &str, config: &str) -> String {
        let mut root =
            serde_json::json!({"server": {"serviceAccount": {"annotations": {ROLE_ANNOTATION: ROLE}}}});
        let mut at = &mut root;
        for key in path.split('.') {
            at = &mut at[key];
        }
        *at = config.into();
        root.to_string()
    }

    fn stanza(fields: &str) -> String {
        format!("ui = true\nlistener \"tcp\" {{\n  tls_disable = 1\n}}\nseal \"awskms\" {{\n{fields}\n}}\n")
    }

    fn sound() -> String {
        stanza(&format!("  region = \"us-east-1\"\n  kms_key_id = \"{KEY}\""))
    }

    fn read(yaml: &str) -> VaultValues {
        read_vault_values(yaml).unwrap()
    }

    fn pairs(values: &VaultValues) -> Vec<String> {
        values
            .parameters()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    const EXPECTED: [&str; 6] = [
        "account=123456789012",
        "keyId=f4f7a2e2-c5c6-ea6d-dc42-526ef280e794",
        "region=us-east-1",
        "role=Vault-AWSKMS",
        "rolePath=/",
        "serviceAccount=vault",
    ];

    #[test]
    fn the_example_of_this_repository_is_read() {
        let found = read(include_str!("../../../examples/vault/values.yaml"));
        assert_eq!(pairs(&found), EXPECTED);
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        found.require_seal().unwrap();
    }

    #[test]
    fn the_seal_is_found_wherever_the_chart_takes_it_from() {
        for place in [
            "server.standalone.config",
            "server.ha.config",
            "server.ha.raft.config",
        ] {
            assert_eq!(pairs(&read(&values(place, &sound()))), EXPECTED, "{place}");
        }
        let one_line = format!(r#"seal "awskms" {{ region = "us-east-1"  kms_key_id = "{KEY}" }}"#);
        let nested = format!("seal {{ awskms {{ region = \"us-east-1\", kms_key_id = \"{KEY}\" }} }}");
        let json = format!(r#"{{"seal": {{"awskms": {{"region": "us-east-1", "kms_key_id": "{KEY}"}}}}}}"#);
        let list =
            format!(r#"{{"seal": [{{"awskms": [{{"region": "us-east-1", "kms_key_id": "{KEY}"}}]}}]}}"#);
        for config in [one_line, nested, json, list] {
            let found = read(&values("server.standalone.config", &config));
            assert_eq!(pairs(&found), EXPECTED, "{config}");
        }
    }

    #[test]
    fn a_configuration_may_be_a_mapping_and_annotations_a_text() {
        let yaml = format!(
            "server:\n  serviceAccount:\n    annotations: |\n      {ROLE_ANNOTATION}: {ROLE}\n  standalone:\n    config:\n      \
seal: {{awskms: {{region: us-east-1, kms_key_id: {KEY}}}}}\n"
        );
        assert_eq!(pairs(&read(&yaml)), EXPECTED);
    }

    #[test]
    fn the_configuration_in_force_wins_and_one_that_is_not_is_warned_of() {
        let raft = sound();
        let other = sound().replace("f4f7", "0000");
        let yaml = format!(
            "server:\n  standalone:\n    config: {}\n  ha:\n    enabled: true\n    raft:\n      enabled: true\n      config: {}\n",
            serde_json::json!(other),
            serde_json::json!(raft)
        );
        let found = read(&yaml);
        assert_eq!(found.key_id.as_deref(), Some(KEY));
        assert!(found.warnings.is_empty());
        let found = read(&yaml.replace("enabled: true\n    raft", "enabled: false\n    raft"));
        assert!(found.key_id.unwrap().starts_with("0000"));
        let found = read(&values("server.ha.config", &sound()));
        assert!(found.warnings[0].contains("the chart uses server.standalone.config"));
    }

    #[test]
    fn the_environment_alone_is_enough_and_beats_the_stanza() {
        let variables = format!(
            "server:\n  extraEnvironmentVars:\n    VAULT_SEAL_TYPE: awskms\n    VAULT_AWSKMS_SEAL_KEY_ID: {KEY}\n    \
AWS_REGION: eu-west-1\n"
        );
        let found = read(&variables);
        found.require_seal().unwrap();
        assert_eq!(
            (found.key_id.as_deref(), found.region.as_deref()),
            (Some(KEY), Some("eu-west-1"))
        );
        let other = sound().replace("f4f7", "0000");
        let found = read(&format!(
            "{variables}  standalone:\n    config: {}\n",
            serde_json::json!(other)
        ));
        assert_eq!(
            (found.key_id.as_deref(), found.region.as_deref()),
            (Some(KEY), Some("eu-west-1"))
        );
    }

    #[test]
    fn the_arn_of_a_key_tells_region_and_account() {
        let config = stanza(&format!(
            "kms_key_id = \"arn:aws:kms:eu-central-1:210987654321:key/{KEY}\""
        ));
        let found = read(&format!(
            "server: {{standalone: {{config: {}}}}}",
            serde_json::json!(config)
        ));
        let found = (
            found.key_id.unwrap(),
            found.region.unwrap(),
            found.account.unwrap(),
        );
        assert_eq!(found, (KEY.into(), "eu-central-1".into(), "210987654321".into()));
    }

    #[test]
    fn the_service_account_is_the_one_that_the_chart_makes() {
        for (yaml, name) in [
            ("{}", "vault"),
            ("server: {serviceAccount: {name: seal}}", "seal"),
            ("server: {serviceAccount: {create: false}}", "default"),
            ("fullnameOverride: safe", "safe"),
            ("nameOverride: safe", "vault-safe"),
            ("nameOverride: vault", "vault"),
        ] {
            assert_eq!(read(yaml).service_account, name, "{yaml}");
        }
        assert_eq!(read("global: {namespace: x}").namespace.as_deref(), Some("x"));
    }

    #[test]
    fn values_of_a_chart_around_vault_are_read() {
        let inner: Value = serde_json::from_str(&values("server.standalone.config", &sound())).unwrap();
        let outer = serde_json::json!({"vault": inner, "app": {}}).to_string();
        assert_eq!(pairs(&read(&outer)), EXPECTED);
    }

    #[test]
    fn conflicts_are_warned_of() {
        let config = sound().replace("region", "endpoint = \"http://x\"\naccess_key = \"k\"\nregion");
        let mut yaml = values("server.standalone.config", &config);
        assert_eq!(read(&yaml).warnings.len(), 2);
        yaml = yaml.replace(
            "\"server\":{",
            "\"server\":{\"extraSecretEnvironmentVars\":[{\"envName\":\"AWS_ACCESS_KEY_ID\"}],\
\"extraEnvironmentVars\":{\"AWS_KMS_ENDPOINT\":\"http://x\"},",
        );
        let warnings = read(&yaml).warnings;
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        assert!(!warnings.iter().any(|warning| warning.contains("\"k\"")));
    }

    #[test]
    fn broken_values_are_refused_with_the_reason() {
        let refused = |yaml: &str| match read_vault_values(yaml) {
            Ok(values) => values.require_seal().unwrap_err(),
            Err(error) => error,
        };
        let with = |config: &str| values("server.standalone.config", config);
        let key = |text: &str| with(&stanza(&format!("kms_key_id = \"{text}\"")));
        let message = refused("server:\n  a: [\n").to_string();
        assert!(message.contains("YAML") && message.contains("line"), "{message}");
        assert_eq!(refused("- a"), ValuesError::NoMapping);
        let broken = refused(&with("ui = true\nseal \"awskms\" {\n  region = \n}\n"));
        assert!(
            matches!(&broken, ValuesError::Hcl { source, .. } if source.line == 4),
            "{broken}"
        );
        assert!(matches!(refused(&with("{\"seal\": ")), ValuesError::Json { .. }));
        for alias in ["alias/x", "arn:aws:kms:us-east-1:123456789012:alias/x"] {
            let refusal = refused(&key(alias));
            assert!(matches!(&refusal, ValuesError::Alias { .. }), "{refusal}");
            assert!(
                refusal
                    .to_string()
                    .contains("aws kms describe-key --key-id alias/x")
            );
        }
        for text in [
            "nonsense",
            "mrk-1234",
            "arn:aws:kms:us-east-1:123456789012:key/x",
            "arn:aws:s3:::b",
        ] {
            assert!(matches!(refused(&key(text)), ValuesError::Key { .. }), "{text}");
        }
        assert!(matches!(
            refused(&key("{{ .Values.key }}")),
            ValuesError::Template { .. }
        ));
        let role = with(&sound()).replace("123456789012:role", "12:role");
        assert!(matches!(refused(&role), ValuesError::Role(_)));
        let foreign = key(&format!("arn:aws:kms:us-east-1:210987654321:key/{KEY}"));
        assert!(matches!(refused(&foreign), ValuesError::Accounts { .. }));
        let far = with(&stanza(&format!(
            "region = \"us-east-1\"\nkms_key_id = \"arn:aws:kms:eu-west-1:123456789012:key/{KEY}\""
        )));
        assert!(matches!(refused(&far), ValuesError::Regions { .. }));
    }

    #[test]
    fn values_without_a_seal_say_where_it_was_looked_for() {
        for yaml in ["", "server: {standalone: {config: 'ui = true'}}", "server: null"] {
            let message = read(yaml).require_seal().unwrap_err().to_string();
            for place in [
                "server.standalone.config",
                "server.ha.raft.config",
                "server.extraEnvironmentVars",
            ] {
                assert!(message.contains(place), "{yaml}: {message}");
            }
        }
    }
}
