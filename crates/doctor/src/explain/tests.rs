//! What is judged, case by case, and how it reads.

use std::collections::BTreeMap;

use irsa_emu_core::contract::CONFIG_HASH;
use irsa_emu_core::oidc_provider::OidcProviders;
use irsa_emu_install::settings::Settings;
use irsa_emu_install::testing::install;
use serde_json::{Value, json};

use super::findings::Level;
use super::judge::judge;
use super::render;
use super::subject::{Live, Subject};
use super::world::{Account, AccountProviders, Registration, Role, World};
use super::{Credentials, Explanation};

pub(super) const ROLE: &str = "arn:aws:iam::123456789012:role/app";

/// A trust policy copied from an EKS cluster, for one subject.
pub(super) fn trust(subject: &str) -> String {
    let issuer = "oidc.eks.us-east-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:aws:iam::123456789012:oidc-provider/{issuer}")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {
            format!("{issuer}:sub"): format!("system:serviceaccount:{subject}"),
            format!("{issuer}:aud"): "sts.amazonaws.com",
        }},
    }]})
    .to_string()
}

/// A cluster in which all is well for the ServiceAccount apps/app.
pub(super) fn world() -> World {
    let mut world = World::new(Settings::from(&install().settings));
    world.registration = Registration::Since("2026-01-01T00:00:00Z".into());
    world.provider = Some("kubernetes.default.svc.cluster.local".into());
    world.kubectl = "kubectl --context kind-irsa-emu".into();
    world.namespaces.insert("apps".into(), BTreeMap::new());
    world.roles.insert(
        ROLE.into(),
        Role::Found {
            arn: ROLE.into(),
            trust: trust("apps:app"),
        },
    );
    provide(&mut world, &["sts.amazonaws.com"]);
    annotate(&mut world, &[("eks.amazonaws.com/role-arn", ROLE)]);
    world
}

/// Gives the role's account a provider with these client ids; with none of them, no provider.
pub(super) fn provide(world: &mut World, client_ids: &[&str]) {
    let mut found = OidcProviders::default();
    if !client_ids.is_empty() {
        let arn = "arn:aws:iam::123456789012:oidc-provider/kubernetes.default.svc.cluster.local";
        found.add(arn, client_ids.iter().map(|id| (*id).to_owned()));
    }
    let account = "arn:aws:iam::123456789012".to_owned();
    world.providers.insert(account, AccountProviders::Found(found));
}

pub(super) fn annotate(world: &mut World, annotations: &[(&str, &str)]) {
    let annotations = annotations
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let account = Account {
        annotations: annotations.collect(),
        annotated: Some("2026-01-02T00:00:00Z".into()),
    };
    world.accounts.insert(("apps".into(), "app".into()), account);
}

pub(super) fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "app-1", "namespace": "apps", "creationTimestamp": "2026-01-03T00:00:00Z"},
        "spec": {"serviceAccountName": "app", "containers": [{"name": "app"}]},
        "status": {"phase": "Running"},
    })
}

pub(super) fn of_file(pod: &Value) -> Subject {
    Subject::of_object(pod, "default").unwrap()
}

/// A Pod that runs, and whose controller would make `successor` in its place.
pub(super) fn running(pod: &Value, successor: Option<Value>) -> Subject {
    let workload = successor
        .is_some()
        .then(|| ("Deployment".to_owned(), "app".to_owned()));
    Subject {
        live: Some(Live {
            successor,
            workload,
            replaced_on_delete: false,
        }),
        ..of_file(pod)
    }
}

/// A Pod as the webhook of a world would have left it.
pub(super) fn injected(world: &World) -> Value {
    let mut pod = pod();
    let planned = judge(&of_file(&pod), world).if_created_now;
    pod["metadata"]["annotations"] = json!({"irsa-emu.dev/injected": planned.delivery.unwrap().value});
    pod["spec"]["volumes"] = json!([{"name": "aws-iam-token"}]);
    let env: Vec<Value> = planned.containers[0]
        .env
        .iter()
        .map(|variable| json!({"name": variable.name, "value": variable.value}))
        .collect();
    pod["spec"]["containers"][0]["env"] = json!(env);
    pod
}

pub(super) fn told(explained: &Explanation) -> (Credentials, Vec<&str>) {
    let ids = explained.findings.iter().map(|finding| finding.id);
    (explained.credentials, ids.collect())
}

pub(super) fn shown(explained: &Explanation) -> String {
    render::text(explained, &|_, text| text.to_owned())
}

#[test]
fn a_pod_for_which_all_is_well_gets_credentials() {
    let explained = judge(&of_file(&pod()), &world());
    assert_eq!(told(&explained), (Credentials::Yes, vec![]));
    insta::assert_snapshot!(shown(&explained));
}

type Change = fn(&mut World, &mut Value);

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn everything_in_the_way_of_a_pod_is_told_with_its_mend() {
    let cases: [(&str, Change, &str); 18] = [
        (
            "no-role-arn",
            |w, _| annotate(w, &[]),
            "annotate serviceaccount app eks.amazonaws.com/role-arn=arn:aws:iam::ACCOUNT",
        ),
        (
            "no-role-arn",
            |w, _| {
                annotate(
                    w,
                    &[(
                        "eks.amazonaws.com/role_arn",
                        "arn:aws:iam::123456789012:role/typo",
                    )],
                );
            },
            "eks.amazonaws.com/role-arn=arn:aws:iam::123456789012:role/typo",
        ),
        (
            "no-service-account",
            |w, _| w.accounts.clear(),
            "-n apps create serviceaccount app && ",
        ),
        (
            "role-invalid",
            |w, _| annotate(w, &[("eks.amazonaws.com/role-arn", "app")]),
            "annotate --overwrite serviceaccount app",
        ),
        (
            "role-other-path",
            |w, _| found(w, "arn:aws:iam::123456789012:role/team/app", &trust("apps:app")),
            "role-arn=arn:aws:iam::123456789012:role/team/app",
        ),
        (
            "trust-refused",
            |w, _| found(w, ROLE, &trust("apps:other")),
            "AWS_ACCESS_KEY_ID=123456789012 aws iam get-role --role-name app",
        ),
        ("trust-malformed", |w, _| found(w, ROLE, "{}"), "aws iam get-role"),
        (
            "role-missing",
            |w, _| {
                w.settings.makes_roles = false;
                w.roles.insert(ROLE.into(), Role::Missing);
            },
            "aws iam create-role --role-name app --path /",
        ),
        (
            "provider-missing",
            |w, _| {
                w.settings.makes_roles = false;
                provide(w, &[]);
            },
            "AWS_ACCESS_KEY_ID=123456789012 aws iam create-open-id-connect-provider --url https://kubernetes.default.svc",
        ),
        (
            "audience-not-listed",
            |w, _| {
                w.settings.makes_roles = false;
                provide(w, &["other"]);
            },
            "--client-id-list other sts.amazonaws.com",
        ),
        (
            "webhook-missing",
            |w, _| w.registration = Registration::Missing,
            "irsa-emu doctor",
        ),
        (
            "namespace-disabled",
            |w, _| {
                let labels = [("irsa-emu.dev/injection".to_owned(), "disabled".to_owned())];
                w.namespaces.insert("apps".into(), labels.into());
            },
            "label namespace apps irsa-emu.dev/injection-",
        ),
        (
            "own-namespace",
            |w, p| moved(w, p, "irsa-emu"),
            "Namespace of its own",
        ),
        (
            "skip-label",
            |_, p| p["metadata"]["labels"] = json!({"eks.amazonaws.com/skip-pod-identity-webhook": "true"}),
            "remove the label",
        ),
        (
            "host-network",
            |w, p| {
                w.settings.inject.default_delivery = irsa_emu_core::rules::Delivery::Sidecar;
                p["spec"]["hostNetwork"] = json!(true);
            },
            "irsa-emu.dev/delivery=web-identity",
        ),
        (
            "malformed",
            |_, p| p["spec"]["containers"] = json!("x"),
            "fix that field",
        ),
        (
            "own-role",
            |_, p| {
                p["spec"]["containers"][0]["env"] =
                    json!([{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::1:role/x"}]);
            },
            "AWS_ROLE_ARN out of",
        ),
        (
            "pod-identity-agent",
            |w, _| {
                let list = br#"{"identities": [{"namespace": "apps", "serviceAccount": "app"}]}"#;
                w.tables.pod_identities = irsa_emu_core::grant::PodIdentities::parse(list).unwrap();
            },
            "edit configmap irsa-emu-pod-identities",
        ),
    ];
    for (id, change, fix) in cases {
        let (mut world, mut pod) = (world(), pod());
        change(&mut world, &mut pod);
        let explained = judge(&of_file(&pod), &world);
        assert_eq!(explained.credentials, Credentials::No, "{id}");
        let first = &explained.findings[0];
        assert_eq!(
            (first.id, first.level),
            (id, Level::Error),
            "{:?}",
            explained.findings
        );
        let shown = first.fix.as_deref().unwrap();
        assert!(shown.contains(fix), "{id}: {shown}");
    }
}

pub(super) fn found(world: &mut World, arn: &str, trust: &str) {
    let role = Role::Found {
        arn: arn.into(),
        trust: trust.into(),
    };
    world.roles.insert(ROLE.into(), role);
}

fn moved(world: &mut World, pod: &mut Value, namespace: &str) {
    let account = world.accounts[&("apps".to_owned(), "app".to_owned())].clone();
    world.accounts.insert((namespace.into(), "app".into()), account);
    found(world, ROLE, &trust(&format!("{namespace}:app")));
    pod["metadata"]["namespace"] = json!(namespace);
}

#[test]
fn what_is_only_good_to_know_takes_no_credentials_away() {
    let cases: [(&str, Credentials, Change); 7] = [
        ("role-made-when-asked-for", Credentials::Yes, |w, _| {
            w.roles.insert(ROLE.into(), Role::Missing);
        }),
        ("emulator-unreachable", Credentials::Unknown, |w, _| {
            w.roles.insert(ROLE.into(), Role::NotAsked("unreachable".into()));
        }),
        ("provider-missing", Credentials::Yes, |w, _| provide(w, &[])),
        ("audience-not-listed", Credentials::Yes, |w, _| {
            provide(w, &["other"]);
        }),
        // Said once, though it is so of the role and of the provider.
        ("emulator-unreachable", Credentials::Unknown, |w, _| {
            let away = |why: &str| AccountProviders::NotAsked(why.into());
            w.providers
                .insert("arn:aws:iam::123456789012".into(), away("unreachable"));
            w.roles.insert(ROLE.into(), Role::NotAsked("unreachable".into()));
        }),
        ("issuer-unknown", Credentials::Unknown, |w, _| w.provider = None),
        ("webhook-warning", Credentials::Yes, |_, p| {
            p["spec"]["containers"][0]["env"] = json!([{"name": "AWS_ACCESS_KEY_ID", "value": "x"}]);
        }),
    ];
    for (id, credentials, change) in cases {
        let (mut world, mut pod) = (world(), pod());
        change(&mut world, &mut pod);
        assert_eq!(told(&judge(&of_file(&pod), &world)), (credentials, vec![id]));
    }
}

#[test]
fn a_pod_of_kube_system_gets_credentials() {
    let (mut world, mut pod) = (world(), pod());
    moved(&mut world, &mut pod, "kube-system");
    let explained = judge(&of_file(&pod), &world);
    assert_eq!(told(&explained), (Credentials::Yes, vec![]));
    assert_eq!(explained.if_created_now.webhook, Some("system-pods.irsa-emu.dev"));
}

#[test]
fn a_pod_with_a_former_address_of_the_emulator_is_stale() {
    let service = |ip: &str| serde_json::from_value(json!({"spec": {"clusterIP": ip}})).unwrap();
    let at = |ip: &str| {
        let mut world = world();
        world.settings = world.settings.with_emulator(Some(&service(ip)));
        world
    };
    let (before, now) = (at("10.96.3.4"), at("10.96.3.5"));
    let injection = crate::inject::inject(&pod(), "default", &before)
        .unwrap()
        .unwrap();
    let pod = injection.changed.unwrap();
    assert_eq!(told(&judge(&running(&pod, None), &before)).1, Vec::<&str>::new());
    assert_eq!(told(&judge(&running(&pod, None), &now)).1, ["stale"]);
}

#[test]
fn without_a_cluster_the_address_of_the_emulator_is_reported_as_unknown() {
    let unknown = |change: fn(&mut World)| {
        let mut world = world();
        world.is_offline = true;
        change(&mut world);
        told(&judge(&of_file(&pod()), &world))
            .1
            .contains(&super::findings::ADDRESS_UNKNOWN)
    };
    assert!(unknown(|_| {}));
    assert!(!unknown(|world| world.is_offline = false));
    assert!(!unknown(|world| world.settings.inject.strict_eks = true));
    assert!(!unknown(
        |world| world.settings.inject.s3_url = Some("http://10.96.3.4:4566".into())
    ));
    assert!(!unknown(|world| annotate(world, &[])), "nothing is injected");
}

#[test]
fn a_typo_is_named_beside_the_missing_role() {
    let mut world = world();
    annotate(&mut world, &[("eks.amazonaws.com/role_arn", ROLE)]);
    insta::assert_snapshot!(shown(&judge(&of_file(&pod()), &world)));
}

#[test]
fn a_refusal_names_the_condition_that_fails() {
    let mut world = world();
    found(&mut world, ROLE, &trust("apps:other"));
    insta::assert_snapshot!(shown(&judge(&of_file(&pod()), &world)));
}

#[test]
fn a_pod_that_runs_without_injection_is_told_why() {
    for (created, id) in [
        ("2025-12-31T00:00:00Z", "created-before-webhook"),
        ("2026-01-01T12:00:00Z", "created-before-annotation"),
        ("2026-01-03T00:00:00Z", "not-injected"),
    ] {
        let mut pod = pod();
        pod["metadata"]["creationTimestamp"] = json!(created);
        let explained = judge(&running(&pod, Some(pod.clone())), &world());
        assert_eq!(told(&explained), (Credentials::No, vec![id]));
        let fix = explained.findings[0].fix.as_deref();
        assert_eq!(
            fix,
            Some("kubectl --context kind-irsa-emu -n apps rollout restart deployment/app")
        );
        let bare = judge(&running(&pod, None), &world());
        assert!(
            bare.findings[0]
                .fix
                .as_deref()
                .unwrap()
                .contains("create it again")
        );
    }
}

#[test]
fn a_pod_that_runs_with_injection_keeps_it_whatever_comes_next() {
    let mut world = world();
    let pod = injected(&world);
    let explained = judge(&running(&pod, Some(self::pod())), &world);
    assert_eq!(told(&explained), (Credentials::Yes, vec![]));
    insta::assert_snapshot!(shown(&explained));
    world.registration = Registration::Missing;
    let explained = judge(&running(&pod, Some(self::pod())), &world);
    assert_eq!(told(&explained), (Credentials::Yes, vec!["webhook-missing"]));
    assert_eq!(explained.findings[0].level, Level::Warning);
}

#[test]
fn a_pod_that_runs_with_what_is_no_longer_so_is_told() {
    let world = world();
    let mut stale = injected(&world);
    stale["metadata"]["annotations"][CONFIG_HASH] = json!("000000000000");
    let explained = judge(&running(&stale, Some(pod())), &world);
    assert_eq!(told(&explained), (Credentials::Yes, vec!["stale"]));

    let mut changed = world.clone();
    annotate(
        &mut changed,
        &[("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/new")],
    );
    let explained = judge(&running(&injected(&world), None), &changed);
    assert_eq!(told(&explained), (Credentials::Yes, vec!["role-changed"]));
    assert!(explained.summary.ends_with(ROLE), "{}", explained.summary);

    annotate(&mut changed, &[]);
    let explained = judge(&running(&injected(&world), None), &changed);
    assert_eq!(
        told(&explained),
        (Credentials::Yes, vec!["no-role-arn", "grant-gone"])
    );

    // What it asks for is what the trust policy decides about.
    found(&mut changed, ROLE, &trust("apps:other"));
    let explained = judge(&running(&injected(&world), None), &changed);
    assert_eq!(
        told(&explained),
        (
            Credentials::No,
            vec!["trust-refused", "no-role-arn", "grant-gone"]
        )
    );
}

#[test]
fn a_sidecar_that_is_not_at_work_is_told_with_its_state() {
    let mut world = world();
    world.settings.inject.default_delivery = irsa_emu_core::rules::Delivery::Sidecar;
    let mut pod = injected(&world);
    pod["spec"]["initContainers"] = json!([{"name": "irsa-emu-creds-injector", "restartPolicy": "Always"}]);
    let status = |started: bool, state: Value| json!([{"name": "irsa-emu-creds-injector", "started": started, "state": state}]);
    for (statuses, expected) in [
        (json!([]), Some("the kubelet has not reported anything about it")),
        (status(true, json!({"running": {}})), None),
        (status(false, json!({"running": {}})), Some("no credentials yet")),
        (
            status(false, json!({"waiting": {"reason": "ImagePullBackOff"}})),
            Some("waiting (ImagePullBackOff)"),
        ),
        (
            status(false, json!({"terminated": {"reason": "Error"}})),
            Some("ended (Error)"),
        ),
    ] {
        pod["status"]["initContainerStatuses"] = statuses;
        let explained = judge(&running(&pod, None), &world);
        let message = explained.findings.first().map(|finding| finding.message.as_str());
        match expected {
            None => assert_eq!(message, None),
            Some(part) => assert!(message.unwrap().contains(part), "{message:?}"),
        }
    }
}

#[test]
fn who_chose_delivery_region_and_env_is_told() {
    let mut world = world();
    let recipe = json!({"apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": "shop"},
        "spec": {"account": "123456789012", "region": "eu-west-1", "inject": [
            {"match": {"namespace": "apps", "serviceAccount": "app"}, "delivery": "sidecar",
                "env": {"AWS_KMS_ENDPOINT": "{emulator}"}}]}});
    world.learn(&recipe, "default").unwrap();
    let mut pod = pod();
    pod["spec"]["containers"][0]["env"] = json!([{"name": "AWS_REGION", "value": "eu-west-1"}]);
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "proxy"}));
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/skip-containers": "proxy"});
    let explained = judge(&of_file(&pod), &world);
    assert_eq!(explained.credentials, Credentials::Yes);
    insta::assert_snapshot!(shown(&explained));
    insta::assert_json_snapshot!(explained);
}

#[test]
fn service_accounts_and_workloads_are_explained_by_the_pod_they_make() {
    let world = world();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "apps"}});
    assert_eq!(judge(&of_file(&account), &world).credentials, Credentials::Yes);
    for (kind, version, template) in [
        ("Deployment", "apps/v1", "/spec"),
        ("CronJob", "batch/v1", "/spec/jobTemplate/spec"),
    ] {
        let mut object = json!({"apiVersion": version, "kind": kind, "metadata": {"name": "w", "namespace": "apps"},
            "spec": {"jobTemplate": {"spec": {}}}});
        object.pointer_mut(template).unwrap()["template"] = json!({"metadata": null, "spec": pod()["spec"]});
        let explained = judge(&of_file(&object), &world);
        assert_eq!(
            (explained.kind.as_str(), explained.credentials),
            (kind, Credentials::Yes)
        );
    }
    let other = json!({"apiVersion": "example.org/v1", "kind": "Deployment", "spec": {"template": {}}});
    assert_eq!(Subject::of_object(&other, "default"), None);
}

#[test]
fn when_an_annotation_was_written_is_read_from_managed_fields() {
    let entry = |time: &str, key: &str| json!({"time": time, "fieldsV1": {"f:metadata": {"f:annotations": {format!("f:{key}"): {}}}}});
    let object = json!({"metadata": {"managedFields": [
        entry("2026-01-02T00:00:00Z", "eks.amazonaws.com/role-arn"),
        entry("2026-01-09T00:00:00Z", "other"),
        {"time": "2026-01-08T00:00:00Z"},
    ]}});
    let account = Account::read(&object, "eks.amazonaws.com");
    assert_eq!(account.annotated.as_deref(), Some("2026-01-02T00:00:00Z"));
}
