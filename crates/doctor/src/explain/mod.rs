//! Why a Pod has its AWS identity, or has none: what is known is gathered at the edge, judged without side effects by the
//! core that the webhook decides with, and rendered for people and programs.

pub mod findings;
pub mod gather;
mod identity;
pub mod judge;
pub mod live;
mod provider;
pub mod render;
pub mod subject;
pub mod templates;
#[cfg(test)]
mod tests;
pub mod world;

use serde::Serialize;

use self::findings::Finding;
use self::live::Now;

/// Everything about one object.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Its kind.
    pub kind: String,
    /// Its Namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which of its Pod templates this is about, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// The ServiceAccount that its Pods run as.
    pub service_account: String,
    /// Whether it should have a role: its ServiceAccount is annotated or named, or a container sets `AWS_*` by itself.
    pub expects_role: bool,
    /// Whether it has credentials: a Pod that runs, now; anything else, once a Pod of it is created.
    pub credentials: Credentials,
    /// All of it in one sentence.
    pub summary: String,
    /// Obstacles and what deserves a look; what matters most comes first.
    pub findings: Vec<Finding>,
    /// What a Pod that runs has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Now>,
    /// What the ServiceAccount grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<Granted>,
    /// What a Pod gets that is created now.
    pub if_created_now: Planned,
    /// Whether STS lets it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The Pods that run as a ServiceAccount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodLine>,
}

impl Explanation {
    /// What it is about, for people.
    #[must_use]
    pub fn title(&self) -> String {
        subject::titled(&self.kind, &self.namespace, &self.name, self.template.as_deref())
    }
}

/// Whether there are credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Credentials {
    /// There are.
    Yes,
    /// There are none.
    No,
    /// Somebody who would know could not be asked.
    Unknown,
}

/// What a ServiceAccount grants, and where that is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Granted {
    /// The role; none where EKS Pod Identity hands out the credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Where it is written.
    pub written_in: String,
    /// Audience of the token.
    pub audience: String,
    /// Lifetime of the token in seconds.
    pub token_expiration: i64,
}

/// What the webhook does with a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// `injected`, `skipped`, `unseen` or `malformed`.
    pub outcome: &'static str,
    /// Why it is not injected, as one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The webhook of the registration that sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<&'static str>,
    /// How it gets its credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Chosen>,
    /// The region of containers that set none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Chosen>,
    /// Its containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerPlan>,
}

/// A setting, and who chose it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chosen {
    /// The setting.
    pub value: String,
    /// Who chose it.
    pub by: String,
}

/// What one container gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPlan {
    /// Its name.
    pub name: String,
    /// Whether it is an init container.
    pub init: bool,
    /// Why it gets nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_served: Option<&'static str>,
    /// The variables it gets.
    pub env: Vec<Variable>,
    /// Variables that it sets itself, and so keeps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<String>,
}

/// A variable that is added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The Recipe that adds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipe: Option<String>,
}

/// What STS returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The role.
    pub role: String,
    /// Who asks for it.
    pub subject: String,
    /// The issuer of the token, without its scheme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Whether its account has an OIDC provider that takes the token: `registered`, `missing`,
    /// `registered-when-asked-for`, `audience-not-listed`, `unknown`, or `not-asked`.
    pub provider: &'static str,
    /// `exists`, `missing`, `made-when-asked-for`, `another` or `not-asked`.
    pub state: &'static str,
    /// Whether its trust policy lets the subject in; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<bool>,
    /// Which statement decides, or the condition that fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
}

/// One Pod of a ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PodLine {
    /// Its name.
    pub name: String,
    /// Whether it has credentials.
    pub credentials: Credentials,
    /// All of it in one sentence.
    pub summary: String,
}
