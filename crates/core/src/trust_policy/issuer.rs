//! Which issuers mean this cluster.

use super::pattern::Pattern;

/// The aliases of an install that names none: every EKS cluster.
pub const DEFAULT_ALIASES: &[IssuerAlias] = &[IssuerAlias::Eks];

/// Issuers, without their scheme, that mean this cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerAlias {
    /// Any EKS cluster: `oidc.eks.<region>.amazonaws.com/id/<32 hexadecimal digits>`, also below `amazonaws.com.cn`.
    Eks,
    /// A pattern in which `*` and `?` stand for anything but a slash.
    Pattern(String),
}

impl IssuerAlias {
    /// Reads an alias as flags write it: `eks`, or a pattern with or without `https://`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "eks" => Self::Eks,
            _ => Self::Pattern(text.strip_prefix("https://").unwrap_or(text).to_owned()),
        }
    }

    /// Whether an issuer is one of these. Case is ignored: condition keys are spelt in any.
    #[must_use]
    pub fn matches(&self, issuer: &str) -> bool {
        match self {
            Self::Eks => is_eks(&issuer.to_ascii_lowercase()),
            Self::Pattern(pattern) => {
                let (pattern, issuer) = (pattern.to_ascii_lowercase(), issuer.to_ascii_lowercase());
                pattern.split('/').count() == issuer.split('/').count()
                    && pattern
                        .split('/')
                        .zip(issuer.split('/'))
                        .all(|(pattern, part)| Pattern::glob(pattern).matches(part))
            }
        }
    }
}

fn is_eks(issuer: &str) -> bool {
    let parts = issuer.strip_prefix("oidc.eks.").and_then(|rest| {
        let (region, rest) = rest.split_once('.')?;
        let id = rest
            .strip_prefix("amazonaws.com/id/")
            .or_else(|| rest.strip_prefix("amazonaws.com.cn/id/"))?;
        Some((region, id))
    });
    parts.is_some_and(|(region, id)| {
        !region.is_empty()
            && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && id.len() == 32
            && id.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eks_means_issuers_of_eks_and_nothing_like_them() {
        for (issuer, expected) in [
            (
                "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF",
                true,
            ),
            (
                "oidc.eks.eu-west-1.amazonaws.com/id/0123456789abcdef0123456789abcdef",
                true,
            ),
            (
                "oidc.eks.cn-north-1.amazonaws.com.cn/id/0123456789abcdef0123456789abcdef",
                true,
            ),
            ("oidc.eks.us-east-1.amazonaws.com/id/0123", false),
            (
                "oidc.eks.us-east-1.amazonaws.com/id/0123456789abcdef0123456789abcdeg",
                false,
            ),
            (
                "oidc.eks.us-east-1.amazonaws.com/id/0123456789abcdef0123456789abcdef/x",
                false,
            ),
            (
                "oidc.eks.us-east-1.example.com/id/0123456789abcdef0123456789abcdef",
                false,
            ),
            (
                "oidc.eks..amazonaws.com/id/0123456789abcdef0123456789abcdef",
                false,
            ),
            (
                "oidc.eks.a/b.amazonaws.com/id/0123456789abcdef0123456789abcdef",
                false,
            ),
            ("token.actions.githubusercontent.com", false),
            ("", false),
        ] {
            assert_eq!(IssuerAlias::Eks.matches(issuer), expected, "{issuer}");
        }
    }

    #[test]
    fn a_pattern_never_reaches_past_a_slash() {
        let alias = IssuerAlias::parse("https://*.example.org/clusters/?");
        for (issuer, expected) in [
            ("oidc.example.org/clusters/1", true),
            ("OIDC.example.org/clusters/1", true),
            ("oidc.example.org/clusters/12", false),
            ("oidc.example.org/x/clusters/1", false),
            ("evil.test/x.example.org/clusters/1", false),
        ] {
            assert_eq!(alias.matches(issuer), expected, "{issuer}");
        }
        assert_eq!(IssuerAlias::parse("eks"), IssuerAlias::Eks);
    }
}
