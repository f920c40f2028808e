//! How AWS lets one name a KMS key: by id, by alias, and by the ARN of either, in every partition.

use irsa_emu_core::names::{is_account, is_key_id, is_region};
use irsa_emu_core::partition;

/// What names a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyName {
    /// Its id.
    Key(Key),
    /// An alias.
    Alias {
        /// The alias, with `alias/`.
        alias: String,
        /// Region and account, where an ARN has them.
        at: Option<At>,
    },
}

/// A key by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The id, in lower case.
    pub id: String,
    /// Region and account, where an ARN has them.
    pub at: Option<At>,
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The region.
    pub region: String,
    /// The account.
    pub account: String,
}

/// Reads the name of a key; `None` for what AWS would not accept as one.
#[must_use]
pub fn read(text: &str) -> Option<KeyName> {
    let text = text.trim();
    if !text.starts_with("arn:") {
        return name(text, None);
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", arn_partition, "kms", region, account, resource] = parts[..] else {
        return None;
    };
    if !is_region(region) || partition::of_region(region) != arn_partition || !is_account(account) {
        return None;
    }
    let at = At {
        region: region.to_owned(),
        account: account.to_owned(),
    };
    match resource.strip_prefix("key/") {
        Some(id) => name(id, Some(at)).filter(|name| matches!(name, KeyName::Key(_))),
        None => name(resource, Some(at)).filter(|name| matches!(name, KeyName::Alias { .. })),
    }
}

fn name(text: &str, at: Option<At>) -> Option<KeyName> {
    if let Some(alias) = text.strip_prefix("alias/") {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte);
        let sound = !alias.is_empty() && alias.bytes().all(legal);
        return sound.then(|| KeyName::Alias {
            alias: text.to_owned(),
            at,
        });
    }
    let id = text.to_ascii_lowercase();
    is_key_id(&id).then_some(KeyName::Key(Key { id, at }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "f4f7a2e2-c5c6-ea6d-dc42-526ef280e794";
    const MRK: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";

    #[test]
    fn ids_and_arns_of_every_partition_name_a_key() {
        for (partition, region) in [
            ("aws", "eu-central-1"),
            ("aws-cn", "cn-northwest-1"),
            ("aws-us-gov", "us-gov-west-1"),
            ("aws-iso", "us-iso-east-1"),
            ("aws-iso-b", "us-isob-east-1"),
        ] {
            for id in [UUID, MRK] {
                let at = Some(At {
                    region: region.into(),
                    account: "111122223333".into(),
                });
                let arn = format!("arn:{partition}:kms:{region}:111122223333:key/{id}");
                assert_eq!(
                    read(&arn),
                    Some(KeyName::Key(Key {
                        id: id.into(),
                        at: at.clone()
                    })),
                    "{arn}"
                );
                let arn = format!("arn:{partition}:kms:{region}:111122223333:alias/team/vault_unseal");
                assert_eq!(
                    read(&arn),
                    Some(KeyName::Alias {
                        alias: "alias/team/vault_unseal".into(),
                        at
                    }),
                    "{arn}"
                );
                assert_eq!(
                    read(&id.to_uppercase().replace("MRK-", "mrk-")),
                    Some(KeyName::Key(Key {
                        id: id.into(),
                        at: None
                    }))
                );
            }
        }
    }

    #[test]
    fn what_aws_refuses_names_none() {
        for text in [
            "",
            "vault",
            "mrk-1234",
            "mrk-1234abcd-12ab-34cd-56ef-1234567890ab",
            "alias/",
            "alias/a b",
            "19ec80b0-dfdd-4d97-8164-c6examplekey",
            "arn:aws:kms:us-east-1:111122223333:key/alias/x",
            "arn:aws:kms:us-east-1:111122223333:key/x",
            "arn:aws:kms:us-east-1:111122223333:f4f7a2e2-c5c6-ea6d-dc42-526ef280e794",
            "arn:aws:kms:us-east-1:1111:key/f4f7a2e2-c5c6-ea6d-dc42-526ef280e794",
            "arn:aws:kms::111122223333:key/f4f7a2e2-c5c6-ea6d-dc42-526ef280e794",
            "arn:aws:kms:cn-north-1:111122223333:key/f4f7a2e2-c5c6-ea6d-dc42-526ef280e794",
            "arn:aws-cn:kms:us-east-1:111122223333:alias/x",
            "arn:aws:s3:::b",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
