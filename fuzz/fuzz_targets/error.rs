//! As much of the front's errors as the files need that are fuzzed: the real ones bring a web server with them.

pub(crate) struct StsError {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl StsError {
    fn new(code: &'static str, message: &str) -> Self {
        Self {
            code,
            message: message.to_owned(),
        }
    }

    pub(crate) fn invalid_token(message: &str) -> Self {
        Self::new("InvalidIdentityToken", message)
    }

    pub(crate) fn expired_token(message: &str) -> Self {
        Self::new("ExpiredTokenException", message)
    }

    pub(crate) fn validation(message: &str) -> Self {
        Self::new("ValidationError", message)
    }

    pub(crate) fn invalid_action(version: &str) -> Self {
        Self::new("InvalidAction", version)
    }

    pub(crate) fn malformed_policy(message: &str) -> Self {
        Self::new("MalformedPolicyDocument", message)
    }
}
