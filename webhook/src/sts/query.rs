//! The AWS query protocol, as far as the STS front reads it.

use std::collections::BTreeMap;

use irsa_emu_core::role_arn::RoleArn;
use url::form_urlencoded;

use super::error::StsError;
use super::token::WebIdentityToken;

/// The version of the STS API, the only one there is.
const VERSION: &str = "2011-06-15";
/// Parameters that are read, beside the managed policies.
const PARAMETERS: [&str; 7] = [
    "Action",
    "Version",
    "RoleArn",
    "RoleSessionName",
    "WebIdentityToken",
    "DurationSeconds",
    "Policy",
];
/// Characters of a role's ARN (STS API reference, `AssumeRoleWithWebIdentity`).
const LONGEST_ROLE_ARN: usize = 2048;
/// Characters of a token (the same page).
const LONGEST_TOKEN: usize = 20_000;
/// Characters of a session policy (STS API reference, `AssumeRoleWithWebIdentity`).
const LONGEST_POLICY: usize = 2048;
/// Managed policies of a session (the same page).
const MOST_POLICY_ARNS: usize = 10;

/// A checked `AssumeRoleWithWebIdentity` request.
#[derive(Debug)]
pub(crate) struct AssumeRole {
    pub(crate) role_arn: RoleArn,
    pub(crate) session_name: String,
    pub(crate) token: WebIdentityToken,
    /// Lifetime of the credentials in seconds.
    pub(crate) duration: i32,
    /// A session policy, as JSON.
    pub(crate) policy: Option<String>,
    /// ARNs of managed policies for the session.
    pub(crate) policy_arns: Vec<String>,
}

/// The parameters of a request that are read here: those of the query string, then those of the form. 64 KiB hold
/// thousands of others, which are passed over.
pub(crate) fn parameters(query: &str, body: &[u8]) -> BTreeMap<String, String> {
    let both = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
    both.filter(|(name, _)| PARAMETERS.contains(&&**name) || policy_number(name).is_some())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// The number of a `PolicyArns.member.<number>.arn`.
fn policy_number(name: &str) -> Option<u8> {
    name.strip_prefix("PolicyArns.member.")?
        .strip_suffix(".arn")?
        .parse()
        .ok()
}

impl AssumeRole {
    /// Checks the parameters by the rules of the STS API reference.
    pub(crate) fn read(parameters: &BTreeMap<String, String>) -> Result<Self, StsError> {
        let version = parameters
            .get("Version")
            .map_or("NO_VERSION_SPECIFIED", String::as_str);
        if version != VERSION {
            let said: String = version.chars().take(32).collect();
            return Err(StsError::invalid_action(&said));
        }
        let required = |name: &str| {
            let missing = || {
                StsError::validation(&format!(
                    "1 validation error detected: Value null at '{}' failed to satisfy constraint: Member must not be null",
                    lower_first(name)
                ))
            };
            parameters
                .get(name)
                .filter(|value| !value.is_empty())
                .cloned()
                .ok_or_else(missing)
        };
        let role = required("RoleArn")?;
        let session_name = required("RoleSessionName")?;
        let token = required("WebIdentityToken")?;
        check_length("roleArn", &role, LONGEST_ROLE_ARN)?;
        check_length("webIdentityToken", &token, LONGEST_TOKEN)?;
        let role_arn = RoleArn::parse(&role).map_err(|error| StsError::validation(&format!("{error}")))?;
        let legal = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
        if !(2..=64).contains(&session_name.chars().count()) || !session_name.chars().all(legal) {
            return Err(StsError::validation(
                "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint: Member must be 2 to 64 characters of [\\w+=,.@-]",
            ));
        }
        let duration = match parameters.get("DurationSeconds").map(|text| text.parse::<i32>()) {
            None => 3600,
            Some(Ok(seconds)) if (900..=43_200).contains(&seconds) => seconds,
            Some(_) => {
                return Err(StsError::validation(
                    "1 validation error detected: Value at 'durationSeconds' failed to satisfy constraint: Member must be between 900 and 43200",
                ));
            }
        };
        Ok(Self {
            role_arn,
            session_name,
            token: WebIdentityToken::new(token),
            duration,
            policy: session_policy(parameters)?,
            policy_arns: policy_arns(parameters)?,
        })
    }

    /// Whether the role allows sessions of this length.
    pub(crate) fn check_duration(&self, max_session: i32) -> Result<(), StsError> {
        if self.duration <= max_session {
            return Ok(());
        }
        Err(StsError::validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ))
    }
}

fn check_length(name: &str, value: &str, longest: usize) -> Result<(), StsError> {
    if value.chars().count() <= longest {
        return Ok(());
    }
    Err(StsError::validation(&format!(
        "1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must have length less than or equal to {longest}"
    )))
}

fn session_policy(parameters: &BTreeMap<String, String>) -> Result<Option<String>, StsError> {
    let Some(policy) = parameters.get("Policy") else {
        return Ok(None);
    };
    if !(1..=LONGEST_POLICY).contains(&policy.chars().count()) {
        return Err(StsError::validation(
            "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length between 1 and 2048",
        ));
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(policy) {
        Ok(_) => Ok(Some(policy.clone())),
        Err(_) => Err(StsError::malformed_policy(
            "The policy is not in the valid JSON format.",
        )),
    }
}

/// `PolicyArns.member.1.arn` and so on, in their order.
fn policy_arns(parameters: &BTreeMap<String, String>) -> Result<Vec<String>, StsError> {
    let mut numbered: Vec<(u8, &String)> = parameters
        .iter()
        .filter_map(|(name, value)| Some((policy_number(name)?, value)))
        .collect();
    numbered.sort_unstable();
    if numbered.len() > MOST_POLICY_ARNS {
        return Err(StsError::validation(
            "1 validation error detected: Value at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10",
        ));
    }
    Ok(numbered.into_iter().map(|(_, arn)| arn.clone()).collect())
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::super::error::Code;
    use super::*;

    fn read(extra: &str) -> Result<AssumeRole, StsError> {
        let base = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/app&RoleSessionName=pod-1&WebIdentityToken=a.b.c";
        AssumeRole::read(&parameters(base, extra.as_bytes()))
    }

    #[test]
    fn query_string_and_form_are_read_alike() {
        let request = read("DurationSeconds=900").unwrap();
        assert_eq!(
            (
                request.role_arn.name(),
                request.session_name.as_str(),
                request.duration
            ),
            ("app", "pod-1", 900)
        );
        assert_eq!(read("").unwrap().duration, 3600);
    }

    #[test]
    fn what_is_not_read_is_not_kept() {
        let body: Vec<String> = (0..1000)
            .map(|n| format!("{n}=x&PolicyArns.member.{n}.arn=x"))
            .collect();
        assert_eq!(parameters("", body.join("&").as_bytes()).len(), 256);
    }

    #[test]
    fn session_policies_are_read_in_their_order() {
        let request = read(
            "Policy=%7B%7D&PolicyArns.member.2.arn=b&PolicyArns.member.1.arn=a&PolicyArns.member.10.arn=c",
        )
        .unwrap();
        assert_eq!(request.policy.as_deref(), Some("{}"));
        assert_eq!(request.policy_arns, ["a", "b", "c"]);
    }

    #[test]
    fn a_session_is_no_longer_than_the_role_allows() {
        let request = read("DurationSeconds=7200").unwrap();
        assert!(request.check_duration(7200).is_ok());
        assert_eq!(
            request.check_duration(3600).unwrap_err().code,
            Code::ValidationError
        );
    }

    #[test]
    fn another_version_and_a_policy_that_is_none_have_codes_of_their_own() {
        for (extra, code) in [
            ("Version=2010-01-01", Code::InvalidAction),
            ("Policy=%5B%5D", Code::MalformedPolicyDocument),
            ("Policy=x", Code::MalformedPolicyDocument),
        ] {
            assert_eq!(read(extra).unwrap_err().code, code, "{extra}");
        }
    }

    #[test]
    fn what_aws_would_not_accept_is_a_validation_error() {
        let long = |name: &str, length: usize| format!("{name}{}", "a".repeat(length));
        for extra in [
            &*long("RoleArn=arn:aws:iam::123456789012:role/", 2048),
            &*long("WebIdentityToken=", 20_001),
            "RoleArn=Vault",
            "RoleArn=",
            "RoleSessionName=a",
            "RoleSessionName=a%20b",
            "WebIdentityToken=",
            "DurationSeconds=1",
            "DurationSeconds=x",
            "DurationSeconds=99999",
        ] {
            let error = read(extra).unwrap_err();
            assert_eq!(
                (error.status.as_u16(), error.code),
                (400, Code::ValidationError),
                "{extra}"
            );
        }
    }
}
