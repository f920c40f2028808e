//! What needs no cluster: `render`, `inject` and `explain --offline`, by the built program.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use common::Context;
use serde_json::Value;

const APP: &str = include_str!("data/app.yaml");
const IMAGES: [&str; 4] = [
    "--webhook-image",
    "example.org/webhook:1",
    "--sidecar-image",
    "example.org/sidecar:1",
];

/// A project folder with these files; the program finds no cluster and no Docker.
fn project(files: &[(&str, &str)]) -> Context {
    let context = Context::new();
    for (name, text) in files {
        std::fs::write(context.path(name), text).expect("the folder can be written to");
    }
    context
}

#[test]
fn the_objects_of_an_install_are_rendered_with_the_settings_of_the_file() {
    let context = project(&[(
        "irsa-emu.yaml",
        "emulator: {region: eu-west-1}\nwebhook: {roles: strict}\n",
    )]);
    let out = context.run(&[&["render"], &IMAGES[..]].concat());
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    let kinds: Vec<&str> = out
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("kind: "))
        .collect();
    insta::assert_snapshot!(kinds.join("\n"));
    for said in ["--region=eu-west-1", "--roles=strict", "example.org/webhook:1"] {
        assert!(out.stdout.contains(said), "{said}: {}", out.stdout);
    }
    assert!(
        out.stderr.contains("next: irsa-emu images load"),
        "{}",
        out.stderr
    );
    let flagged = context.run(&[&["render", "--region", "us-west-2"], &IMAGES[..]].concat());
    assert!(flagged.stdout.contains("--region=us-west-2"), "a flag precedes");
    let variable = context.run_with(
        &[("IRSA_EMU_REGION", "us-west-1")],
        &[&["render"], &IMAGES[..]].concat(),
    );
    assert!(
        variable.stdout.contains("--region=us-west-1"),
        "a variable precedes"
    );
}

#[test]
fn an_older_kubernetes_gets_no_native_sidecars_and_real_aws_no_emulator() {
    let context = project(&[]);
    let render = |more: &[&str]| context.run(&[&["render"], &IMAGES[..], more].concat());
    assert!(
        render(&["--kube-version", "1.28"])
            .stdout
            .contains("--native-sidecars=false")
    );
    assert!(
        !render(&["--kube-version", "1.29"])
            .stdout
            .contains("--native-sidecars=false")
    );
    let real = render(&["--backend", "aws"]);
    assert!(!real.stdout.contains("localstack"), "{}", real.stdout);
    assert!(
        real.stderr.contains("irsa-emu-aws-credentials"),
        "{}",
        real.stderr
    );
    let wrong = render(&["--session-tags"]);
    assert_eq!(
        (wrong.code, wrong.stdout.as_str()),
        (Some(2), ""),
        "{}",
        wrong.stderr
    );
    assert!(wrong.stderr.contains("go with --backend aws"), "{}", wrong.stderr);
}

#[test]
fn manifests_get_what_the_webhook_gives_their_pods() {
    let context = project(&[("app.yaml", APP)]);
    // Named, because the command otherwise names the image after the sidecar's program of this build.
    let sidecar = &IMAGES[2..];
    let out = context.run(&[&["inject", "-f", "app.yaml", "-n", "shop"], sidecar].concat());
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    insta::assert_snapshot!("injected", out.stdout);
    insta::assert_snapshot!("injected_said", out.stderr);
    std::fs::write(context.path("again.yaml"), &out.stdout).expect("the folder can be written to");
    let again = context.run(&[&["inject", "-f", "again.yaml", "-n", "shop"], sidecar].concat());
    assert_eq!(again.stdout, out.stdout, "what has it already stays as it is");
}

#[test]
fn the_page_shows_what_is_said() {
    let page = include_str!("../../docs/offline.md");
    let context = project(&[("app.yaml", APP)]);
    let injected = context.run(&["inject", "-f", "app.yaml", "-n", "shop"]);
    assert!(page.contains(&injected.stderr), "{}", injected.stderr);
    let explained = context.run(&["explain", "--offline", "-n", "shop", "-f", "app.yaml"]);
    let job = explained
        .stdout
        .find("Job shop/forgetful")
        .expect("the last object");
    let shown: Vec<&str> = explained.stdout[job..].lines().take(3).collect();
    assert!(page.contains(&shown.join("\n")), "{shown:?}");
}

#[test]
fn a_role_of_a_recipe_among_the_documents_is_judged() {
    let recipe = |subject: &str| {
        format!(
            r#"{{"apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {{"name": "own"}}, "spec": {{
                "account": "123456789012", "region": "us-east-1", "iam": {{"roles": [{{"name": "app", "trustPolicy": {{
                    "Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
                        "Principal": {{"Federated": "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"}},
                        "Condition": {{"StringEquals": {{"oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF:sub":
                            "system:serviceaccount:{subject}"}}}}}}]}}}}]}}}}}}"#
        )
    };
    for (subject, code) in [("shop:app", 0), ("shop:somebody-else", 1)] {
        let context = project(&[("app.yaml", APP), ("recipe.yaml", &recipe(subject))]);
        let app = APP.split("---\n{").next().unwrap_or_default();
        std::fs::write(context.path("app.yaml"), app).expect("the folder can be written to");
        let args = [
            "explain",
            "--offline",
            "--check",
            "-n",
            "shop",
            "-f",
            "app.yaml",
            "-f",
            "recipe.yaml",
        ];
        let out = context.run(&args);
        assert_eq!(out.code, Some(code), "{}{}", out.stdout, out.stderr);
        let mend = out
            .stderr
            .contains("next: mend the trustPolicy of the role app in its Recipe");
        assert_eq!(mend, code == 1, "{}", out.stderr);
    }
}

#[test]
fn a_recipe_of_the_file_counts() {
    let context = project(&[
        ("app.yaml", APP),
        ("irsa-emu.yaml", "recipes:\n- {recipe: ./own.yaml}\n"),
        (
            "own.yaml",
            "apiVersion: irsa-emu.dev/v1alpha1\nkind: Recipe\nmetadata: {name: own}\nspec:\n  account: '123456789012'\n  \
region: eu-west-1\n  inject:\n  - match: {namespace: shop, serviceAccount: app}\n    env: {OWN: '1'}\n",
        ),
    ]);
    // Named, as what stands beside the program differs from build to build.
    let sidecar = &IMAGES[2..];
    let out = context.run(&[&["inject", "-f", "app.yaml", "-n", "shop"], sidecar].concat());
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    assert!(out.stdout.contains("name: OWN"), "{}", out.stdout);
}

#[test]
fn without_an_image_of_the_sidecar_only_those_who_need_it_are_refused() {
    let context = project(&[("app.yaml", APP)]);
    let args = [
        "inject",
        "-f",
        "app.yaml",
        "-n",
        "shop",
        "--default-delivery",
        "sidecar",
    ];
    // A program that no other is beside.
    let (program, alone) = (assert_cmd::cargo::cargo_bin("irsa-emu"), context.path("alone"));
    std::fs::hard_link(&program, &alone)
        .or_else(|_| std::fs::copy(&program, &alone).map(drop))
        .expect("a copy of the program");
    let run = |args: &[&str]| {
        let mut command = assert_cmd::Command::new(&alone);
        command.env_clear().current_dir(context.home.path()).args(args);
        context.outcome(command.output().expect("the program runs"))
    };
    let said = run(&args).fails_with(1);
    assert!(
        said.contains("next: irsa-emu inject --sidecar-image IMAGE"),
        "{said}"
    );
    assert_eq!(run(&args[..5]).code, Some(0), "web identity needs no image");
    let named = context.run(&[&args[..], &IMAGES[2..]].concat());
    assert!(
        named.stdout.contains("image: example.org/sidecar:1"),
        "{}",
        named.stderr
    );
}

#[test]
fn programs_get_objects_and_explanations() {
    let context = project(&[("app.yaml", APP)]);
    let out = context.run(&["inject", "-f", "app.yaml", "-n", "shop", "-o", "json"]);
    let answer: Value = serde_json::from_str(&out.stdout).expect("one envelope");
    let data = &answer["data"];
    assert_eq!(data["objects"].as_array().map(Vec::len), Some(4), "{answer}");
    let outcome = |index: usize| &data["explanations"][index]["ifCreatedNow"]["outcome"];
    assert_eq!(
        (outcome(0), outcome(1)),
        (&"injected".into(), &"skipped".into()),
        "{answer}"
    );
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_printed() {
    let context = project(&[
        ("broken.yaml", "kind: ["),
        ("recipe.yaml", "apiVersion: irsa-emu.dev/v1alpha1\nkind: Recipe\n"),
    ]);
    for (args, said) in [
        (&["inject"][..], "required arguments were not provided"),
        (
            &["inject", "-f", "broken.yaml"],
            "document 1 of broken.yaml is not readable",
        ),
        (&["inject", "-f", "missing.yaml"], "missing.yaml cannot be read"),
        (&["inject", "-f", "recipe.yaml"], "cannot be read"),
        (
            &["inject", "-f", "broken.yaml", "--kube-version", "2"],
            "expected a version of Kubernetes",
        ),
        (&["explain", "--offline", "pod", "x"], "--offline"),
    ] {
        let out = context.run(args);
        assert_eq!(
            (out.code, out.stdout.as_str()),
            (Some(2), ""),
            "{args:?}: {}",
            out.stderr
        );
        assert!(out.stderr.contains(said), "{args:?}: {}", out.stderr);
    }
}

#[test]
fn without_a_cluster_documents_are_explained_by_documents() {
    let context = project(&[("app.yaml", APP)]);
    let out = context.run(&["explain", "--offline", "-n", "shop", "-f", "app.yaml"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    insta::assert_snapshot!("explained", out.stdout);
}
