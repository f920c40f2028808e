//! The HTTP side of admission: what is accepted, what is answered, what is logged.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use irsa_emu_core::contract::WEBHOOK_PATH;
use irsa_emu_core::plan::Outcome;

use super::Admission;
use super::review::{Answer, Request, Review};

/// A request for an object of etcd's largest size (1.5 MiB), old and new, fits.
const MAX_BODY: usize = 3 * 1024 * 1024;

pub(crate) fn router(admission: Admission) -> Router {
    Router::new()
        .route(WEBHOOK_PATH, post(mutate))
        .route("/healthz", get(|| async { "alive\n" }))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(admission)
}

async fn mutate(State(admission): State<Admission>, headers: HeaderMap, body: Bytes) -> Response {
    if headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|value| value != "application/json")
    {
        return (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Invalid Content-Type, expected `application/json`\n",
        )
            .into_response();
    }
    let (review, request) = match Review::parse(&body) {
        Ok(parsed) => parsed,
        Err(message) => {
            tracing::warn!(message, "a body that is no AdmissionReview");
            return Json(Answer::malformed(&message)).into_response();
        }
    };
    let outcome = admission.decide(&request).await;
    log(&request, &outcome);
    Json(review.answer(&request, &outcome)).into_response()
}

/// One line for every review, with nothing of the Pod but its names.
fn log(request: &Request, outcome: &Outcome) {
    let (uid, namespace) = (request.uid.as_str(), request.namespace());
    let (pod, service_account) = (request.pod(), request.service_account());
    match outcome {
        Outcome::Patched {
            patch,
            delivery,
            warnings,
        } => {
            let (delivery, operations) = (delivery.as_str(), patch.0.len());
            tracing::info!(
                uid,
                namespace,
                pod,
                service_account,
                delivery,
                operations,
                ?warnings,
                "patched"
            );
        }
        Outcome::Skipped { reason, warnings } => {
            tracing::info!(
                uid,
                namespace,
                pod,
                service_account,
                reason = reason.as_str(),
                ?warnings,
                "left alone"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use async_trait::async_trait;
    use axum::body::Body;
    use base64::Engine as _;
    use irsa_emu_core::grant::GrantDefaults;
    use irsa_emu_core::plan::InjectConfig;
    use irsa_emu_core::rules::{Delivery, RecipeRules};
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::*;
    use crate::admission::Accounts;

    struct Fixed;

    #[async_trait]
    impl Accounts for Fixed {
        async fn annotations(&self, _: &str, name: &str) -> Option<BTreeMap<String, String>> {
            let annotated = BTreeMap::from([(
                "eks.amazonaws.com/role-arn".to_owned(),
                "arn:aws:iam::123456789012:role/app".to_owned(),
            )]);
            match name {
                "app" => Some(annotated),
                "default" => Some(BTreeMap::new()),
                _ => None,
            }
        }

        fn rules(&self) -> Vec<RecipeRules> {
            Vec::new()
        }
    }

    fn admission() -> Admission {
        let inject = InjectConfig {
            region: None,
            emulator_url: "http://e".into(),
            sts_url: "http://s".into(),
            sidecar_image: "i".into(),
            native_sidecars: true,
            default_delivery: Delivery::WebIdentity,
            annotation_prefix: "eks.amazonaws.com".into(),
            strict_eks: false,
        };
        let grants = GrantDefaults {
            annotation_prefix: "eks.amazonaws.com".into(),
            audience: "sts.amazonaws.com".into(),
            token_expiration: 86_400,
            regional_sts: false,
        };
        Admission {
            accounts: Arc::new(Fixed),
            grants: Arc::new(grants),
            inject: Arc::new(inject),
        }
    }

    async fn ask(content_type: &str, body: impl Into<Body>) -> (u16, String) {
        let request = axum::http::Request::post("/mutate")
            .header("content-type", content_type)
            .body(body.into())
            .unwrap();
        let response = router(admission()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn review(service_account: &str) -> String {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u-1", "namespace": "n", "object": {
            "metadata": {"generateName": "p-"}, "spec": {"serviceAccountName": service_account, "containers": [{"name": "c", "newField": 1}]}}}})
        .to_string()
    }

    #[tokio::test]
    async fn a_good_review_is_echoed_with_a_base64_patch() {
        let (status, body) = ask("application/json", review("app")).await;
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &answer["apiVersion"], &answer["kind"]),
            (200, &json!("admission.k8s.io/v1"), &json!("AdmissionReview"))
        );
        assert_eq!(
            (&answer["response"]["uid"], &answer["response"]["patchType"]),
            (&json!("u-1"), &json!("JSONPatch"))
        );
        let patch = base64::engine::general_purpose::STANDARD
            .decode(answer["response"]["patch"].as_str().unwrap())
            .unwrap();
        let patch: Value = serde_json::from_slice(&patch).unwrap();
        assert!(
            patch
                .as_array()
                .unwrap()
                .iter()
                .all(|operation| operation["op"] == "add"),
            "{patch}"
        );
    }

    #[tokio::test]
    async fn pods_that_are_left_alone_are_allowed_without_a_patch() {
        for service_account in ["", "default", "missing"] {
            let (status, body) = ask("application/json", review(service_account)).await;
            assert_eq!(
                (status, body.as_str()),
                (
                    200,
                    r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":true}}"#
                ),
                "{service_account}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_review_is_answered_as_eks_answers_it() {
        let (status, body) = ask("application/json; charset=utf-8", review("app")).await;
        assert_eq!(
            (status, body.as_str()),
            (415, "Invalid Content-Type, expected `application/json`\n")
        );
        for (body, message) in [
            ("", "bad content"),
            ("{}", "bad content"),
            ("{\"request\": null}", "bad content"),
            ("{", "couldn't get version/kind"),
            ("[1]", "couldn't get version/kind"),
        ] {
            let (status, answer) = ask("application/json", body).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(
                (status, &answer["response"]["allowed"]),
                (200, &json!(false)),
                "{body}"
            );
            assert!(
                answer["response"]["status"]["message"]
                    .as_str()
                    .unwrap()
                    .starts_with(message),
                "{answer}"
            );
        }
    }

    #[tokio::test]
    async fn hostile_bodies_end_in_an_answer() {
        let (status, _) = ask("application/json", "x".repeat(4 * 1024 * 1024)).await;
        assert_eq!(status, 413);
        let deep = format!("{{\"request\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(ask("application/json", deep).await.0, 200);
        let (status, body) = ask(
            "application/json",
            r#"{"request": {"uid": "u", "object": [1, {"spec": 3}]}}"#,
        )
        .await;
        assert_eq!((status, body.contains("\"allowed\":true")), (200, true), "{body}");
    }
}
