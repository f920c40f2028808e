//! The response to a successful exchange, in AWS's XML.

use irsa_emu_core::oidc_provider;
use irsa_emu_core::role_arn::RoleArn;
use quick_xml::escape::escape;
use uuid::Uuid;

use super::backend::Session;
use super::error::NAMESPACE;
use super::token::Verified;

/// The complete document for a successful exchange.
pub(crate) fn assumed(role: &RoleArn, verified: &Verified, opened: &Session) -> String {
    let (account, name, session) = (role.account(), role.name(), escape(&opened.name));
    let credentials = &opened.credentials;
    let arn = format!(
        "arn:{}:sts::{account}:assumed-role/{name}/{session}",
        role.partition()
    );
    let expiration = credentials
        .expiration()
        .fmt(aws_sdk_sts::primitives::DateTimeFormat::DateTime)
        .unwrap_or_default();
    format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"{NAMESPACE}\">\n  <AssumeRoleWithWebIdentityResult>\n    \
         <SubjectFromWebIdentityToken>{}</SubjectFromWebIdentityToken>\n    <Audience>{}</Audience>\n    \
         <AssumedRoleUser>\n      <Arn>{arn}</Arn>\n      <AssumedRoleId>{}:{session}</AssumedRoleId>\n    </AssumedRoleUser>\n    \
         <Credentials>\n      <AccessKeyId>{}</AccessKeyId>\n      <SecretAccessKey>{}</SecretAccessKey>\n      \
         <SessionToken>{}</SessionToken>\n      <Expiration>{expiration}</Expiration>\n    </Credentials>\n    \
         <Provider>{}</Provider>\n  </AssumeRoleWithWebIdentityResult>\n  \
         <ResponseMetadata>\n    <RequestId>{}</RequestId>\n  </ResponseMetadata>\n</AssumeRoleWithWebIdentityResponse>\n",
        escape(verified.subject.to_string()),
        escape(&opened.audience),
        escape(&opened.role_id),
        escape(credentials.access_key_id()),
        escape(credentials.secret_access_key()),
        escape(credentials.session_token()),
        escape(oidc_provider::arn(role, verified.provider())),
        Uuid::new_v4()
    )
}

#[cfg(test)]
mod tests {
    use aws_sdk_sts::types::Credentials;

    use super::*;

    #[test]
    fn a_good_answer_is_complete() {
        let verified = Verified::sample();
        let credentials = Credentials::builder()
            .access_key_id("LSIA")
            .secret_access_key("s<e>c")
            .session_token("t")
            .expiration(aws_sdk_sts::primitives::DateTime::from_secs(1_790_000_000))
            .build()
            .unwrap();
        let role = RoleArn::parse("arn:aws:iam::123456789012:role/team/app").unwrap();
        let opened = Session {
            credentials,
            name: "pod-1".into(),
            role_id: "AROAHC3WZXJCJDDFLGRQ2".into(),
            audience: "sts.amazonaws.com".into(),
        };
        let text = assumed(&role, &verified, &opened);
        let masked: Vec<&str> = text.lines().filter(|line| !line.contains("RequestId>")).collect();
        insta::assert_snapshot!(masked.join("\n"));
    }
}
