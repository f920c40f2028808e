//! Temporary credentials, which never show their secrets.

use std::fmt;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What STS hands out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
    pub(crate) expiration: OffsetDateTime,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The expiration as AWS writes it.
    pub(crate) fn expiration_text(&self) -> String {
        self.expiration.format(&Rfc3339).unwrap_or_default()
    }

    pub(crate) fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        now < self.expiration
    }
}

#[cfg(test)]
pub(crate) fn sample(expiration: OffsetDateTime) -> Credentials {
    Credentials {
        access_key_id: "LSIAEXAMPLE".into(),
        secret_access_key: "hush-secret".into(),
        session_token: "hush-token".into(),
        expiration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let text = format!("{:?}", sample(OffsetDateTime::UNIX_EPOCH));
        assert!(text.contains("LSIAEXAMPLE") && !text.contains("hush"), "{text}");
    }
}
