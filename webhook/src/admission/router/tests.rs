//! What is answered over HTTP, asked of the router.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use irsa_emu_core::grant::{GrantDefaults, GrantTables};
use irsa_emu_core::plan::InjectConfig;
use irsa_emu_core::rules::{Delivery, RecipeRules};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::admission::Accounts;
use crate::admission::in_force::InForce;
use crate::admission::paths::Paths;
use crate::directory::{Account, Lookup};
use crate::events::Events;
use crate::health::Readiness;
use crate::metrics::Metrics;

struct Fixed;

#[async_trait]
impl Accounts for Fixed {
    async fn service_account(&self, _: &str, name: &str) -> Lookup {
        let role = "arn:aws:iam::123456789012:role/app".to_owned();
        match name {
            "app" => Lookup::Found(Account::with(BTreeMap::from([(
                "eks.amazonaws.com/role-arn".to_owned(),
                role,
            )]))),
            "typo" => Lookup::Found(Account::with(BTreeMap::from([(
                "eks.amazonaws.com/role_arn".to_owned(),
                role,
            )]))),
            "default" => Lookup::Found(Account::with(BTreeMap::new())),
            "failing" => Lookup::Failed("it is away".into()),
            _ => Lookup::Missing,
        }
    }

    fn namespace_delivery(&self, namespace: &str) -> Option<String> {
        (namespace == "sidecars").then(|| "sidecar".to_owned())
    }

    fn tables(&self) -> Arc<GrantTables> {
        Arc::default()
    }

    fn rules(&self) -> Arc<Vec<RecipeRules>> {
        Arc::default()
    }
}

/// Admission without a cluster.
pub(in crate::admission) fn admission() -> Admission {
    let inject = InjectConfig {
        region: None,
        emulator_url: Some("http://e".into()),
        s3_url: Some("http://10.96.3.4:4566".into()),
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
        compose: None,
    };
    Admission {
        accounts: Arc::new(Fixed),
        grants: Arc::new(grants),
        inject: InForce::fixed(inject),
        metrics: Arc::new(Metrics::new()),
        events: Events::none(),
        readiness: Readiness::default(),
        paths: Paths::sample(),
    }
}

async fn ask(content_type: &str, body: impl Into<Body>) -> (u16, String) {
    ask_at("/mutate/secret", content_type, body).await
}

async fn ask_at(path: &str, content_type: &str, body: impl Into<Body>) -> (u16, String) {
    let request = axum::http::Request::post(path)
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

/// A review of a Pod that runs as a ServiceAccount.
pub(in crate::admission) fn review(service_account: &str) -> String {
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
async fn only_who_knows_the_registration_gets_an_answer() {
    for path in [
        "/mutate",
        "/mutate/",
        "/mutate/other",
        "/mutate/enforced",
        "/mutate/other/enforced",
        "/mutate/secret/x",
    ] {
        let (status, _) = ask_at(path, "application/json", review("app")).await;
        assert_eq!(status, 404, "{path}");
    }
    let request = axum::http::Request::get("/mutate/secret")
        .body(Body::empty())
        .unwrap();
    let response = router(admission()).oneshot(request).await.unwrap();
    assert_eq!(response.status().as_u16(), 405);
    // Refused before the body is looked at, however long it is.
    let (status, _) = ask_at("/mutate/other", "application/json", "x".repeat(4 * 1024 * 1024)).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_names_no_path_is_a_bad_request_and_an_absolute_uri_is_served() {
    for (method, target, status) in [
        ("POST", "https://irsa-emu-webhook.irsa-emu.svc/mutate/secret", 200),
        ("POST", "https://other/mutate/other", 404),
        ("CONNECT", "irsa-emu-webhook:443", 400),
        ("CONNECT", "/mutate/secret", 400),
        ("OPTIONS", "*", 400),
        ("POST", "ftp://x/mutate/secret", 400),
    ] {
        let request = axum::http::Request::builder()
            .method(method)
            .uri(target)
            .header("content-type", "application/json")
            .body(Body::from(review("app")))
            .unwrap();
        let response = router(admission()).oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method} {target}");
    }
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
    let nonsense = r#"{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u", "object": [1, {"spec": 3}]}}"#;
    let (status, body) = ask("application/json", nonsense).await;
    assert_eq!(
        (status, body.as_str()),
        (
            200,
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":false,"status":{"code":400,"message":"Pod: expected an object","metadata":{}}}}"#
        )
    );
}

#[tokio::test]
async fn what_cannot_be_read_as_a_pod_is_told_by_its_place_and_never_by_its_values() {
    for (object, told) in [
        (
            json!({"spec": {"containers": [{"env": [{"name": {"hush": 1}}]}]}}),
            "Pod.spec.containers[0].env[0].name: expected a string",
        ),
        (
            json!({"metadata": {"labels": {"hush": 1}}}),
            "Pod.metadata.labels: expected an object of strings",
        ),
        (json!("hush"), "Pod: expected an object"),
        (json!(null), "Pod: expected an object"),
    ] {
        let body = json!({"request": {"uid": "u", "namespace": null, "object": object}}).to_string();
        let (status, answer) = ask("application/json", body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let response = &answer["response"];
        assert_eq!(
            (status, &response["uid"], &response["allowed"]),
            (200, &json!("u"), &json!(false))
        );
        assert_eq!(
            (&response["status"]["message"], &response["status"]["code"]),
            (&json!(told), &json!(400))
        );
    }
    let (_, answer) = ask("application/json", b"{\"request\": {\"uid\": \"\xff\"}}".to_vec()).await;
    assert!(answer.contains("not UTF-8"), "{answer}");
}

#[tokio::test]
async fn both_versions_of_the_review_are_echoed_and_a_dry_run_is_answered_alike() {
    for version in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
        let body = review("app")
            .replace("admission.k8s.io/v1", version)
            .replace("\"uid\"", "\"dryRun\":true,\"uid\"");
        let (status, answer) = ask("application/json", body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["apiVersion"]), (200, &json!(version)));
        assert!(answer["response"]["patch"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn a_review_of_another_kind_is_left_alone() {
    let body = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u",
        "kind": {"kind": "ConfigMap"}, "object": {"metadata": {"name": "m"}, "data": {"spec": "x"}}}});
    let (status, answer) = ask("application/json", body.to_string()).await;
    assert_eq!(
        (status, answer.contains("\"allowed\":true")),
        (200, true),
        "{answer}"
    );
}

#[tokio::test]
async fn the_label_of_a_namespace_chooses_the_delivery() {
    let body = review("app").replace("\"namespace\":\"n\"", "\"namespace\":\"sidecars\"");
    let (_, answer) = ask("application/json", body).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let patch = base64::engine::general_purpose::STANDARD
        .decode(answer["response"]["patch"].as_str().unwrap())
        .unwrap();
    assert!(
        String::from_utf8(patch)
            .unwrap()
            .contains("irsa-emu-creds-injector"),
        "no sidecar"
    );
}

#[tokio::test]
async fn connections_are_given_up_once_the_replica_is_stopping() {
    let admission = admission();
    let readiness = admission.readiness.clone();
    let router = router(admission);
    let closes = async |version: axum::http::Version| {
        let request = axum::http::Request::post("/mutate/secret")
            .version(version)
            .header("content-type", "application/json")
            .body(Body::from(review("app")))
            .unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        response.headers().contains_key("connection")
    };
    assert!(!closes(axum::http::Version::HTTP_11).await);
    readiness.stopping();
    assert!(closes(axum::http::Version::HTTP_11).await);
    assert!(!closes(axum::http::Version::HTTP_2).await);
}

#[tokio::test]
async fn a_mistake_is_told_in_the_warnings() {
    let (_, answer) = ask("application/json", review("typo")).await;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let warning = answer["response"]["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("did you mean eks.amazonaws.com/role-arn?"),
        "{warning}"
    );
}

#[tokio::test]
async fn a_pod_that_cannot_be_judged_runs_unless_its_namespace_enforces() {
    for (path, allowed) in [("/mutate/secret", true), ("/mutate/secret/enforced", false)] {
        let (status, answer) = ask_at(path, "application/json", review("failing")).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            (status, &answer["response"]["allowed"]),
            (200, &json!(allowed)),
            "{path}"
        );
        let told = if allowed {
            &answer["response"]["warnings"][0]
        } else {
            &answer["response"]["status"]["message"]
        };
        assert!(told.as_str().unwrap().contains("it is away"), "{answer}");
    }
}
