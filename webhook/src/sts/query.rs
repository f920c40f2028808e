//! The AWS query protocol, as far as the STS front reads it.

use std::collections::BTreeMap;

use irsa_emu_core::role_arn::RoleArn;
use url::form_urlencoded;

use super::response::StsError;
use super::token::WebIdentityToken;

/// A checked `AssumeRoleWithWebIdentity` request.
#[derive(Debug)]
pub(crate) struct AssumeRole {
    pub(crate) role_arn: RoleArn,
    pub(crate) session_name: String,
    pub(crate) token: WebIdentityToken,
    /// Lifetime of the credentials in seconds.
    pub(crate) duration: i32,
}

/// The parameters of a request: those of the query string, then those of the form.
pub(crate) fn parameters(query: &str, body: &[u8]) -> BTreeMap<String, String> {
    let both = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
    both.map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

impl AssumeRole {
    /// Checks the parameters by the rules of the STS API reference.
    pub(crate) fn read(parameters: &BTreeMap<String, String>) -> Result<Self, StsError> {
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
        let token = WebIdentityToken::new(required("WebIdentityToken")?);
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
            token,
            duration,
        })
    }
}

fn lower_first(name: &str) -> String {
    let mut chars = name.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(extra: &str) -> Result<AssumeRole, StsError> {
        let base = "Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::123456789012:role/app&RoleSessionName=pod-1&WebIdentityToken=a.b.c";
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
    fn what_aws_would_not_accept_is_a_validation_error() {
        for extra in [
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
                (400, "ValidationError"),
                "{extra}"
            );
        }
    }
}
