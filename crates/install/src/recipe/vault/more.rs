//! A recipe for one key, for several.

use irsa_emu_core::recipe::RecipeSpec;
use serde_json::Value;

use super::found::SealKey;

/// Gives a Recipe that was made for the first key the others, too: each as a key of its own, and wherever a policy names
/// the first. The aliases that seals ask for are the keys'.
pub fn add_keys(spec: &mut RecipeSpec, keys: &[SealKey]) {
    let Some((first, others)) = keys.split_first() else {
        return;
    };
    let Some(at) = spec
        .kms
        .keys
        .iter()
        .position(|key| Some(&key.id) == first.id.as_ref())
    else {
        return;
    };
    let (template, arn) = (spec.kms.keys[at].clone(), spec.key_arn(&spec.kms.keys[at]));
    add_alias(&mut spec.kms.keys[at].aliases, first);
    let mut arns = Vec::new();
    for other in others {
        let Some(id) = &other.id else { continue };
        let region = other.region.clone().filter(|region| *region != spec.region);
        let known = |key: &irsa_emu_core::recipe::KmsKey| key.id == *id && key.region == region;
        if spec.kms.keys.iter().any(known) {
            continue;
        }
        let mut key = template.clone();
        id.clone_into(&mut key.id);
        key.region = region;
        key.aliases = Vec::new();
        add_alias(&mut key.aliases, other);
        arns.push(spec.key_arn(&key));
        spec.kms.keys.push(key);
    }
    let documents = spec.iam.roles.iter_mut().flat_map(|role| &mut role.policies);
    for policy in documents {
        allow(&mut policy.document, &arn, &arns);
    }
}

fn add_alias(aliases: &mut Vec<String>, key: &SealKey) {
    if let Some(alias) = key.alias.clone().filter(|alias| !aliases.contains(alias)) {
        aliases.push(alias);
    }
}

/// Names more ARNs beside one, wherever it stands.
fn allow(value: &mut Value, arn: &str, more: &[String]) {
    let is_arn = |value: &Value| value.as_str() == Some(arn);
    match value {
        Value::String(text) if text == arn && !more.is_empty() => {
            let all = std::iter::once(arn.to_owned()).chain(more.iter().cloned());
            *value = all.map(Value::String).collect();
        }
        Value::Array(items) if items.iter().any(is_arn) => {
            items.extend(more.iter().cloned().map(Value::String));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| allow(item, arn, more)),
        Value::Object(members) => members.values_mut().for_each(|member| allow(member, arn, more)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIRST: &str = "aaaaaaaa-0000-4000-8000-000000000001";
    const SECOND: &str = "bbbbbbbb-0000-4000-8000-000000000002";

    fn key(id: &str, region: Option<&str>, alias: Option<&str>) -> SealKey {
        SealKey {
            id: Some(id.into()),
            region: region.map(str::to_owned),
            alias: alias.map(str::to_owned),
        }
    }

    #[test]
    fn every_key_is_made_and_allowed() {
        let arn = |region: &str, id: &str| format!("arn:aws:kms:{region}:111122223333:key/{id}");
        let first = arn("us-east-1", FIRST);
        let mut spec: RecipeSpec = serde_json::from_value(json!({
            "account": "111122223333", "region": "us-east-1",
            "kms": {"keys": [{"id": FIRST, "aliases": ["alias/x"], "description": "d"}]},
            "iam": {"roles": [{"name": "r", "policies": [
                {"name": "one", "document": {"Statement": [{"Resource": first}]}},
                {"name": "list", "document": {"Statement": {"Resource": ["*", first]}}},
                {"name": "none", "document": {"Statement": {"Resource": "*"}}}]}]},
        }))
        .unwrap();
        let before = spec.clone();
        add_keys(
            &mut spec,
            &[key(FIRST, Some("us-east-1"), None), key(FIRST, None, None)],
        );
        assert_eq!(spec, before);
        let keys = [
            key(FIRST, Some("us-east-1"), Some("alias/y")),
            key(SECOND, Some("us-west-2"), Some("alias/z")),
            key(SECOND, Some("us-east-1"), None),
        ];
        add_keys(&mut spec, &keys);
        spec.check().unwrap();
        let made = json!(spec.kms.keys);
        assert_eq!(
            made,
            json!([
                {"id": FIRST, "aliases": ["alias/x", "alias/y"], "description": "d"},
                {"id": SECOND, "region": "us-west-2", "aliases": ["alias/z"], "description": "d"},
                {"id": SECOND, "description": "d"}
            ])
        );
        let (west, east) = (arn("us-west-2", SECOND), arn("us-east-1", SECOND));
        let documents: Vec<&Value> = spec.iam.roles[0]
            .policies
            .iter()
            .map(|policy| &policy.document)
            .collect();
        assert_eq!(
            documents[0]["Statement"][0]["Resource"],
            json!([first, west, east])
        );
        assert_eq!(
            documents[1]["Statement"]["Resource"],
            json!(["*", first, west, east])
        );
        assert_eq!(documents[2]["Statement"]["Resource"], json!("*"));
    }
}
