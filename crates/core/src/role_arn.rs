//! The ARN of an IAM role: parsed, checked and composed.

use std::fmt;

use crate::names::is_account;

/// Longest role name that IAM accepts, in characters (IAM quotas).
const MAX_NAME: usize = 64;
/// Longest ARN that STS accepts in `RoleArn`, in characters (STS API reference, AssumeRoleWithWebIdentity).
const MAX_ARN: usize = 2048;

/// An IAM role's ARN, `arn:<partition>:iam::<account>:role/<path><name>`.
///
/// Only a value that is one parses, so what holds a `RoleArn` never checks it again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoleArn {
    partition: String,
    account: String,
    path: String,
    name: String,
}

/// Why a text is not a role's ARN.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RoleArnError {
    /// The text does not have the six parts of an ARN, or names another service or kind of resource.
    #[error("`{0}` is not the ARN of an IAM role; expected arn:aws:iam::<12 digits>:role/<name>")]
    Shape(String),
    /// The account is not twelve digits.
    #[error("`{arn}` names account `{account}`, but an AWS account id has exactly 12 digits")]
    Account {
        /// The text that was read.
        arn: String,
        /// Its account part.
        account: String,
    },
    /// The role's name is empty, too long or holds a character that IAM refuses.
    #[error("`{arn}` has the role name `{name}`; IAM accepts 1 to 64 of A-Z a-z 0-9 and +=,.@_-")]
    Name {
        /// The text that was read.
        arn: String,
        /// Its name part.
        name: String,
    },
}

impl RoleArn {
    /// Reads an ARN.
    pub fn parse(text: &str) -> Result<Self, RoleArnError> {
        let shape = || RoleArnError::Shape(shorten(text));
        if text.len() > MAX_ARN {
            return Err(shape());
        }
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or_else(shape);
        let (arn, partition, service, region, account, resource) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        let partition_ok = partition.starts_with("aws")
            && partition
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if arn != "arn" || !partition_ok || service != "iam" || !region.is_empty() {
            return Err(shape());
        }
        if !is_account(account) {
            return Err(RoleArnError::Account {
                arn: shorten(text),
                account: shorten(account),
            });
        }
        let full_name = resource.strip_prefix("role/").ok_or_else(shape)?;
        let (path, name) = match full_name.rfind('/') {
            Some(slash) => (format!("/{}", &full_name[..=slash]), &full_name[slash + 1..]),
            None => ("/".to_owned(), full_name),
        };
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(legal) {
            return Err(RoleArnError::Name {
                arn: shorten(text),
                name: shorten(name),
            });
        }
        if !path.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            return Err(shape());
        }
        Ok(Self {
            partition: partition.to_owned(),
            account: account.to_owned(),
            path,
            name: name.to_owned(),
        })
    }

    /// The ARN of the role `name` without a path.
    pub fn compose(partition: &str, account: &str, name: &str) -> Result<Self, RoleArnError> {
        Self::parse(&format!("arn:{partition}:iam::{account}:role/{name}"))
    }

    /// `aws`, `aws-cn`, `aws-us-gov` and so on.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The twelve digits of the account.
    #[must_use]
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The path, `/` or `/some/path/`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The name without the path, as `iam:GetRole` wants it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "arn:{}:iam::{}:role{}{}",
            self.partition, self.account, self.path, self.name
        )
    }
}

/// The head of a text that may be hostile and long, for an error message.
fn shorten(text: &str) -> String {
    const KEEP: usize = 120;
    if text.chars().count() <= KEEP {
        return text.escape_debug().to_string();
    }
    format!("{}…", text.chars().take(KEEP).collect::<String>().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_reads_back_as_it_was_written() {
        for arn in [
            "arn:aws:iam::123456789012:role/Vault-AWSKMS",
            "arn:aws-cn:iam::000000000000:role/team/app/reader",
            "arn:aws-us-gov:iam::123456789012:role/a+b=c,d.e@f_g-h",
        ] {
            assert_eq!(RoleArn::parse(arn).unwrap().to_string(), arn);
        }
        let arn = RoleArn::parse("arn:aws:iam::123456789012:role/team/app/reader").unwrap();
        assert_eq!(
            (arn.partition(), arn.account(), arn.path(), arn.name()),
            ("aws", "123456789012", "/team/app/", "reader")
        );
    }

    #[test]
    fn what_is_not_a_role_is_refused_with_the_reason() {
        let refused = |text: &str| RoleArn::parse(text).unwrap_err();
        for text in [
            "",
            "Vault",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:s3:::bucket",
            "arn:aws:iam:us-east-1:123456789012:role/x",
            "arn:gcp:iam::123456789012:role/x",
            "arn:aws:iam::123456789012:role",
        ] {
            assert!(matches!(refused(text), RoleArnError::Shape(_)), "{text}");
        }
        for text in [
            "arn:aws:iam::12345678901:role/x",
            "arn:aws:iam:::role/x",
            "arn:aws:iam::12345678901a:role/x",
        ] {
            assert!(matches!(refused(text), RoleArnError::Account { .. }), "{text}");
        }
        for text in [
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/p/",
            "arn:aws:iam::123456789012:role/a b",
            "arn:aws:iam::123456789012:role/日本",
        ] {
            assert!(matches!(refused(text), RoleArnError::Name { .. }), "{text}");
        }
    }

    #[test]
    fn a_hostile_text_is_cut_and_escaped_in_the_message() {
        let message = RoleArn::parse(&format!("arn\n{}", "x".repeat(10_000)))
            .unwrap_err()
            .to_string();
        assert!(message.len() < 400 && !message.contains('\n'), "{message}");
    }
}
