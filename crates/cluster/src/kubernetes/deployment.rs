//! What a Deployment is made of.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Container;

/// The program of a Deployment of ours: its first container.
#[must_use]
pub fn container(deployment: &Deployment) -> Option<&Container> {
    deployment
        .spec
        .as_ref()?
        .template
        .spec
        .as_ref()?
        .containers
        .first()
}

/// The image of a Deployment's first container.
#[must_use]
pub fn image(deployment: &Deployment) -> Option<String> {
    container(deployment)?.image.clone()
}

/// Why a Deployment that is rolled out does nothing.
#[must_use]
pub fn scaled_down(deployment: &Deployment) -> Option<String> {
    let replicas = deployment.spec.as_ref()?.replicas?;
    (replicas < 1).then(|| "it is scaled down to no Pod".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_image_of_a_deployment_is_read() {
        let deployment: Deployment = serde_json::from_value(json!({
            "spec": {"selector": {}, "template": {"spec": {"containers": [
                {"name": "c", "image": "i:1", "args": ["--sidecar-image=s:2", "--roles=auto"]}
            ]}}}
        }))
        .unwrap();
        assert_eq!(image(&deployment).as_deref(), Some("i:1"));
        assert_eq!(image(&Deployment::default()), None);
        assert_eq!(scaled_down(&deployment), None);
        let mut idle = deployment;
        idle.spec.as_mut().unwrap().replicas = Some(0);
        assert!(scaled_down(&idle).is_some());
    }
}
