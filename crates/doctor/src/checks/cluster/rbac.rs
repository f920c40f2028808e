//! What the user of the kubeconfig may do.

use futures::future::try_join_all;
use irsa_emu_core::contract::{API_GROUP, NAMESPACE};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};

use crate::checks::engine::{Trouble, Verdict, fine};
use crate::checks::surroundings::Surroundings;

/// A right: verb, API group, resource (with its subresource), Namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Right(&'static str, &'static str, &'static str, Option<&'static str>);

/// Everything, which administrators of local clusters mostly have.
const EVERYTHING: Right = Right("*", "*", "*", None);

/// What `up`, `recipe`, `doctor` and `down` do.
const RIGHTS: [Right; 19] = [
    Right("patch", "", "namespaces", None),
    Right("patch", "apiextensions.k8s.io", "customresourcedefinitions", None),
    Right("patch", "rbac.authorization.k8s.io", "clusterroles", None),
    Right("patch", "rbac.authorization.k8s.io", "clusterrolebindings", None),
    Right(
        "delete",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        None,
    ),
    Right(
        "list",
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
        None,
    ),
    Right("patch", API_GROUP, "recipes", None),
    Right("list", "", "nodes", None),
    Right("list", "", "pods", None),
    Right("list", "", "serviceaccounts", None),
    Right("create", "", "pods", Some("default")),
    Right("create", "", "serviceaccounts", Some("default")),
    Right("create", "", "serviceaccounts/token", Some("default")),
    Right("patch", "apps", "deployments", Some(NAMESPACE)),
    Right("patch", "", "services", Some(NAMESPACE)),
    Right("get", "", "secrets", Some(NAMESPACE)),
    Right("get", "", "services", Some(NAMESPACE)),
    Right("get", "", "services/proxy", Some(NAMESPACE)),
    Right("create", "", "pods/portforward", Some(NAMESPACE)),
];

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(verb, group, resource, namespace) = self;
        write!(f, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        match namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

pub(super) async fn allowed(s: &Surroundings<'_>) -> Verdict {
    let client = s.client().await?;
    if may(&client, EVERYTHING).await?.1 {
        return fine("you may do everything");
    }
    let answers = try_join_all(RIGHTS.iter().map(|right| may(&client, *right))).await?;
    judge(&answers, s.kubectl("auth can-i --list"))
}

async fn may(client: &Client, right: Right) -> Result<(Right, bool), kube::Error> {
    let Right(verb, group, resource, namespace) = right;
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource)),
        None => (resource, None),
    };
    let attributes = ResourceAttributes {
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        namespace: namespace.map(str::to_owned),
        ..ResourceAttributes::default()
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let answer = Api::<SelfSubjectAccessReview>::all(client.clone())
        .create(&PostParams::default(), &review)
        .await?;
    Ok((right, answer.status.is_some_and(|status| status.allowed)))
}

fn judge(answers: &[(Right, bool)], fix: String) -> Verdict {
    let refused: Vec<String> = answers
        .iter()
        .filter(|(_, allowed)| !allowed)
        .map(|(right, _)| right.to_string())
        .collect();
    if refused.is_empty() {
        return fine(format!(
            "you may do all {} things that irsa-emu does",
            answers.len()
        ));
    }
    Err(Trouble::new(format!("you may not: {}", refused.join(", ")), fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_listed() {
        let answers: Vec<_> = RIGHTS.iter().map(|right| (*right, true)).collect();
        assert!(judge(&answers, String::new()).is_ok());
        let mut some = answers;
        some[1].1 = false;
        some[15].1 = false;
        assert_eq!(
            judge(&some, String::new()).unwrap_err().message,
            "you may not: patch customresourcedefinitions.apiextensions.k8s.io, get secrets in irsa-emu"
        );
    }
}
