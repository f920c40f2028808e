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
fn the_emulator_has_what_is_asked_for_and_its_token_is_never_printed() {
    let context = project(&[(
        "irsa-emu.yaml",
        "emulator: {env: {DEBUG: 1, PERSISTENCE: true}, resources: {memory: 3Gi, cpu: 2}}\n",
    )]);
    let token = [("LOCALSTACK_AUTH_TOKEN", "hunter2-hunter2")];
    let image = ["--emulator-image", "localstack/localstack:2026.05.0"];
    let out = context.run_with(&token, &[&["render"], &IMAGES[..], &image].concat());
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    let start = out
        .stdout
        .find("kind: Deployment\nmetadata:\n  annotations:")
        .expect("the emulator's");
    insta::assert_snapshot!("emulator", &out.stdout[start..]);
    let both = out.stdout.clone() + &out.stderr;
    assert!(!both.contains("hunter2"), "{both}");
    assert!(
        out.stderr.contains("the Secret irsa-emu/irsa-emu-emulator-auth"),
        "{}",
        out.stderr
    );
    for option in [
        "LOCALSTACK_AUTH_TOKEN=hunter2-hunter2",
        "GATEWAY_LISTEN=hunter2:1",
        "A B=hunter2",
    ] {
        for verb in ["render", "up"] {
            let said = context.run(&[verb, "--emulator-env", option]).fails_with(2);
            assert!(!said.contains("hunter2"), "{said}");
        }
        let viewed = context.run_with(&[("IRSA_EMU_EMULATOR_ENV", option)], &["config", "view"]);
        let is_secret = option.starts_with("LOCALSTACK_AUTH_TOKEN");
        assert!(
            !is_secret || !viewed.stdout.contains("hunter2"),
            "{}",
            viewed.stdout
        );
    }
}

#[test]
fn a_token_that_cannot_be_read_is_told_before_anything_is_made() {
    let context = project(&[("empty", "\n"), ("two", "hunter2 hunter3\n")]);
    for (file, why) in [
        ("none", "none cannot be read"),
        ("empty", "empty holds no token"),
        ("two", "two holds no token"),
    ] {
        let said = context
            .run(&["up", "--emulator-auth-token-file", file])
            .fails_with(2);
        assert!(said.contains(why) && !said.contains("hunter"), "{said}");
        let next = "next: irsa-emu up --emulator-auth-token-file FILE";
        assert!(said.contains(next), "{said}");
    }
    let given = [("LOCALSTACK_AUTH_TOKEN", "hunter2 hunter3")];
    let out = context.run_with(&given, &["up"]);
    assert_eq!(out.code, Some(2), "{}", out.stderr);
    assert!(!out.stderr.contains("hunter"), "{}", out.stderr);
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
fn manifests_get_the_address_of_the_emulator_if_it_is_named() {
    let context = project(&[("app.yaml", APP)]);
    let inject = |more: &[&str]| {
        context.run(&[&["inject", "-f", "app.yaml", "-n", "shop"], &IMAGES[2..], more].concat())
    };
    for (ip, url) in [
        ("10.96.3.4", "http://10.96.3.4:4566"),
        ("fd00:10:96::1f", "http://[fd00:10:96::1f]:4566"),
    ] {
        let out = inject(&["--emulator-ip", ip]);
        assert!(out.stdout.contains(url), "{}", out.stdout);
        assert!(!out.stderr.contains("AWS_ENDPOINT_URL_S3"), "{}", out.stderr);
    }
    let strict = inject(&["--profile", "strict-eks"]);
    assert!(
        !strict.stderr.contains("AWS_ENDPOINT_URL_S3"),
        "{}",
        strict.stderr
    );
    let wrong = inject(&["--emulator-ip", "localstack"]);
    assert_eq!(
        (wrong.code, wrong.stdout.as_str()),
        (Some(2), ""),
        "{}",
        wrong.stderr
    );
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
        let repairs = out
            .stderr
            .contains("next: fix the trustPolicy of the role app in its Recipe");
        assert_eq!(repairs, code == 1, "{}", out.stderr);
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

/// What is printed is what was read, to the byte, where nothing is added.
#[test]
fn what_is_not_changed_is_printed_byte_for_byte() {
    for text in [
        "# nothing\n",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  exact: |+\n    one\n    two\n\n\n---\nkind: Service\napiVersion: v1\n\n\n",
        "\u{feff}apiVersion: v1\r\nkind: Service\r\n---\r\napiVersion: v1\r\nkind: Service\r\n",
        "---\n# a\n---\n\n--- # b\napiVersion: v1\nkind: Service\n...\n",
        "{\"apiVersion\": \"v1\", \"kind\": \"Service\",\t\"n\": 1E3}\n{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"t\":\"\\/\"}",
        "apiVersion: v1\nkind: Service\nn: [1e400, 123456789012345678901234567890, 0644]",
    ] {
        let context = project(&[("a.yaml", text)]);
        let out = context.run(&["inject", "-f", "a.yaml"]);
        assert_eq!((out.code, out.stdout.as_str()), (Some(0), text), "{}", out.stderr);
        assert_eq!(out.stderr, "");
    }
}

#[test]
fn texts_around_and_inside_of_what_changes_keep_their_blank_lines() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: keep}\nspec:\n  serviceAccountName: keep\n  containers:\n  - name: app\n    \
image: i\n    args:\n    - |+\n      two newlines after me\n\n\n";
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: keep\n  annotations: {eks.amazonaws.com/role-arn: \
'arn:aws:iam::111122223333:role/keep'}\n";
    let last = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: last}\ndata:\n  exact: |+\n    last\n\n\n";
    let context = project(&[(
        "a.yaml",
        &format!("{account}---\n# Source: pod.yaml\n{pod}---\n{last}"),
    )]);
    let out = context.run(&["inject", "-f", "a.yaml"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    assert!(
        out.stdout
            .starts_with(&format!("{account}---\n# Source: pod.yaml\napiVersion: v1\n")),
        "{}",
        out.stdout
    );
    assert!(out.stdout.ends_with(&format!("---\n{last}")), "{}", out.stdout);
    let changed: Value =
        serde_saphyr::from_str(out.stdout.split("---\n").nth(1).expect("the Pod")).expect("YAML");
    assert_eq!(
        changed["spec"]["containers"][0]["args"][0],
        "two newlines after me\n\n\n"
    );
}

#[test]
fn json_stays_json_with_its_order_and_its_digits() {
    let list = r#"{"kind":"List","apiVersion":"v1","items":[
 {"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"num","annotations":{"eks.amazonaws.com\/role-arn":"arn:aws:iam::111122223333:role\/num"}}},
 {"kind":"Widget","apiVersion":"example.test/v1","spec":{"huge":123456789012345678901234567890,"exp":1E3,"neg":-0.0}},
 {"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{"name":"num"},"spec":{"template":{"spec":{"serviceAccountName":"num","containers":[{"name":"c","image":"i"}]}}}}
]}
"#;
    let account = r#"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"a","annotations":{"eks.amazonaws.com/role-arn":"arn:aws:iam::111122223333:role/a"}}}"#;
    let pod = r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"serviceAccountName":"a","containers":[{"name":"c","image":"i"}]}}"#;
    let context = project(&[("list.json", list), ("two.json", &format!("{account}\n{pod}\n"))]);
    let out = context.run(&["inject", "-f", "list.json"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    let object: Value = serde_json::from_str(&out.stdout).expect("JSON");
    let env = &object["items"][2]["spec"]["template"]["spec"]["containers"][0]["env"];
    assert!(env.as_array().is_some_and(|env| env.len() > 4), "{object}");
    for digits in [
        "\"huge\": 123456789012345678901234567890",
        "\"exp\": 1E3",
        "\"neg\": -0.0",
    ] {
        assert!(out.stdout.contains(digits), "{}", out.stdout);
    }
    let out = context.run(&["inject", "-f", "two.json"]);
    let objects: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(&out.stdout)
        .into_iter()
        .collect();
    let objects = objects.expect("JSON values one after the other");
    assert_eq!(objects.len(), 2, "{}", out.stdout);
    assert!(objects[1]["spec"]["volumes"].is_array(), "{}", out.stdout);
}

#[test]
fn what_the_webhook_warns_of_is_told_and_text_of_users_stays_in_its_line() {
    let account = |name: &str, role: &str| {
        format!(
            "---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: {name}\n  annotations:\n    eks.amazonaws.com/role-arn: {role}\n"
        )
    };
    let pod = |account: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {account}}}\nspec: {{serviceAccountName: {account}, containers: [{{name: a, image: i}}]}}\n"
        )
    };
    let text = [
        account("good", ">-\n      arn:aws:iam::111122223333:role/x"),
        account("newline", "|\n      arn:aws:iam::111122223333:role/x"),
        account("escape", "\"\\e[31mred\""),
        account("short", "arn:aws:iam::123456:role/x"),
        pod("good"),
        pod("newline"),
        pod("escape"),
        pod("short"),
    ]
    .concat();
    let context = project(&[("a.yaml", &text)]);
    for args in [
        &["inject", "-f", "a.yaml"][..],
        &["explain", "--offline", "-f", "a.yaml"],
    ] {
        let out = context.run(args);
        assert_eq!(out.code, Some(0), "{}", out.stderr);
        let said = if args[0] == "inject" {
            &out.stderr
        } else {
            &out.stdout
        };
        assert!(
            !said.contains('\u{1b}') && said.contains("\\u{1b}[31mred"),
            "{said}"
        );
        assert!(
            said.contains("role/x\\n") && !said.contains("role/x\n\n"),
            "{said}"
        );
    }
    let out = context.run(&["inject", "-f", "a.yaml"]);
    insta::assert_snapshot!("warned", out.stderr);
    for line in out
        .stderr
        .lines()
        .filter(|line| !line.contains("AWS_ENDPOINT_URL_S3") && !line.starts_with("  next: "))
    {
        assert!(
            line.starts_with("  Pod default/") || line.starts_with("warning: Pod default/"),
            "{line}"
        );
    }
}

const ODD: &str = "\
Pulled: registry.example.test/charts/app:1.2.3
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: web
  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::111122223333:role/web'}
---
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: web}
spec: {template: {spec: {serviceAccount: web, containers: [{name: web, image: i}]}}}
---
apiVersion: batch/v1beta1
kind: CronJob
metadata: {name: report, namespace: ''}
spec: {jobTemplate: {spec: {template: {spec: {serviceAccountName: web, containers: [{name: report, image: i}]}}}}}
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: {name: main}
spec: {serviceAccountName: web}
";

#[test]
fn every_document_with_a_pod_template_is_served_or_named() {
    let context = project(&[("a.yaml", ODD)]);
    let out = context.run(&["inject", "-f", "a.yaml"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    insta::assert_snapshot!("odd_said", out.stderr);
    assert_eq!(
        out.stdout.matches("name: AWS_ROLE_ARN").count(),
        2,
        "{}",
        out.stdout
    );
    let out = context.run(&["explain", "--offline", "--check", "-f", "a.yaml", "-o", "json"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    let answer: Value = serde_json::from_str(&out.stdout).expect("an envelope");
    let missed = &answer["data"]["notLookedInto"];
    assert_eq!(
        (&missed[0]["kind"], &missed[1]),
        (&"Prometheus".into(), &Value::Null),
        "{answer}"
    );
    assert_eq!(answer["warnings"].as_array().map(Vec::len), Some(2), "{answer}");
}

#[test]
fn check_asks_what_should_have_a_role_and_all_if_it_is_told_to() {
    let plain = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: plain}\nspec: {template: {spec: {containers: [{name: a, image: i}]}}}\n";
    let own = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: own}\nspec: {containers: [{name: a, image: i, env: [{name: AWS_REGION, value: x}]}]}\n";
    let typo = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: typo, annotations: {eks.amazonaws.com/role_arn: 'arn:aws:iam::111122223333:role/a'}}\n";
    let recipe = "---\napiVersion: irsa-emu.dev/v1alpha1\nkind: Recipe\nmetadata: {name: r}\nspec: {account: '111122223333', region: us-east-1, \
iam: {roles: [{name: a, serviceAccounts: [default/default]}]}}\n";
    for (text, check, all) in [
        (plain.to_owned(), 0, 1),
        ([plain, own].concat(), 1, 1),
        ([plain, typo].concat(), 1, 1),
        ([plain, recipe].concat(), 1, 1),
    ] {
        let context = project(&[("a.yaml", &text)]);
        let run = |flags: &[&str]| context.run(&[&["explain", "--offline", "-f", "a.yaml"], flags].concat());
        assert_eq!(run(&[]).code, Some(0), "{text}");
        assert_eq!(run(&["--check"]).code, Some(check), "{text}");
        assert_eq!(run(&["--check=expected"]).code, Some(check), "{text}");
        assert_eq!(run(&["--check=all"]).code, Some(all), "{text}");
        assert_eq!(run(&["--check=some"]).code, Some(2));
        let variable = |value| {
            context
                .run_with(
                    &[("IRSA_EMU_EXPLAIN_CHECK", value)],
                    &["explain", "--offline", "-f", "a.yaml"],
                )
                .code
        };
        assert_eq!(
            (variable("true"), variable("all"), variable("0")),
            (Some(check), Some(all), Some(0)),
            "{text}"
        );
    }
}

#[test]
fn what_kubectl_cannot_read_is_told_with_its_place() {
    let utf16: Vec<u8> = "kind: A\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let account = |metadata: &str| {
        format!("# c\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {metadata}\n").into_bytes()
    };
    for (bytes, said) in [
        (utf16, "it is UTF-16 without a byte order mark, which kubectl does not read: save it as UTF-8"),
        (b"kind: A\n---\n---\nkind: A\nb: \0\n".to_vec(), "document 3 of a.yaml is not readable: line 5: "),
        (
            account("{name: a, namespace: off}"),
            "the ServiceAccount a cannot be read: metadata.namespace must be a string, and is a boolean (false) to YAML: put it in quotes (document 1 of a.yaml (line 3))",
        ),
        (
            account("{name: a, annotations: {eks.amazonaws.com/token-expiration: 3600}}"),
            "metadata.annotations[eks.amazonaws.com/token-expiration] must be a string, and is a number (3600) to YAML",
        ),
        (
            b"apiVersion: irsa-emu.dev/v1alpha1\nkind: Recipe\nmetadata: {name: r}\nspec: {account: 000000000000, region: us-east-1}\n".to_vec(),
            "spec.account must be a string, and without quotes it is a number (0) to YAML: quote it, as in account: \"000000000000\"",
        ),
        (b"{\"a\": 1}\n{\"b\": x}".to_vec(), "document 1 of a.yaml is not readable: line 2: expected value"),
    ] {
        let context = Context::new();
        std::fs::write(context.path("a.yaml"), bytes).expect("the folder can be written to");
        for verb in [&["inject"][..], &["explain", "--offline"]] {
            let out = context.run(&[verb, &["-f", "a.yaml"]].concat());
            assert_eq!((out.code, out.stdout.as_str()), (Some(2), ""), "{}", out.stderr);
            assert!(out.stderr.contains(said), "{}", out.stderr);
        }
    }
}

#[test]
fn text_in_utf_16_is_read_whole() {
    let context = Context::new();
    let bytes: Vec<u8> = std::iter::once(0xfeff)
        .chain(APP.encode_utf16())
        .flat_map(u16::to_be_bytes)
        .collect();
    std::fs::write(context.path("a.yaml"), bytes).expect("the folder can be written to");
    let plain = project(&[("a.yaml", APP)]);
    let args = ["inject", "-f", "a.yaml", "-n", "shop"];
    assert_eq!(context.run(&args).stdout, plain.run(&args).stdout);
}

#[test]
fn trust_policies_in_files_are_judged() {
    const PLAN: &str = include_str!("data/plan.json");
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity",
"Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"},
"Condition":{"StringLike":{"oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF:sub":"system:serviceaccount:shop:*"}}}]}"#;
    let context = project(&[
        ("trust.json", trust),
        ("plan.json", PLAN),
        ("not.json", "{}"),
        ("pod.yaml", "kind: Pod\n"),
    ]);
    let check = |args: &[&str]| context.run(&[&["trust-policy", "check"], args].concat());
    let out = check(&["trust.json", "--as", "shop/web"]);
    assert_eq!(out.code, Some(0), "{}", out.stderr);
    assert_eq!(out.stdout, "allow trust.json: statement 0 allows it\n");
    assert_eq!(out.stderr, "");
    std::fs::write(
        context.path("open.json"),
        trust
            .replace(":sub", ":aud")
            .replace("system:serviceaccount:shop:*", "*"),
    )
    .expect("the folder can be written to");
    let open = check(&["open.json", "--as", "shop/web"]);
    assert!(
        open.stderr
            .starts_with("warning: open.json: statement 0 has no condition on the token's sub"),
        "{}",
        open.stderr
    );
    assert_eq!(check(&["trust.json", "--as", "other/web"]).code, Some(1));

    let out = check(&["plan.json", "--as", "shop/web"]);
    assert_eq!(out.code, Some(1), "{}", out.stderr);
    insta::assert_snapshot!("plan_checked", [out.stdout, out.stderr].join("\n"));
    assert!(
        include_str!("../../docs/offline.md").contains(&check(&["plan.json", "--as", "shop/web"]).stdout)
    );
    for role in ["web", "aws_iam_role.web"] {
        assert_eq!(
            check(&["plan.json", "--as", "shop/web", "--role", role]).code,
            Some(0),
            "{role}"
        );
    }
    let issuer = "https://oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF";
    for (issuer, code) in [(issuer.to_owned(), 0), (issuer.replace("eu-west", "us-west"), 1)] {
        let out = check(&["trust.json", "--as", "shop/web", "--issuer", &issuer]);
        assert_eq!(out.code, Some(code), "{issuer}: {}", out.stdout);
    }
    for (role, code) in [
        ("arn:aws:iam::111122223333:role/a", 0),
        ("arn:aws:iam::999900009999:role/a", 1),
    ] {
        assert_eq!(
            check(&["trust.json", "--as", "shop/web", "--role", role]).code,
            Some(code),
            "{role}"
        );
    }
    let out = check(&["plan.json", "--as", "shop/web", "-o", "json"]);
    let answer: Value = serde_json::from_str(&out.stdout).expect("an envelope");
    assert_eq!(
        (out.code, &answer["error"]["code"]),
        (Some(1), &"trust-refused".into()),
        "{answer}"
    );
    assert_eq!(answer["data"]["roles"][0]["decided"], "allow", "{answer}");
    for (args, said) in [
        (&["not.json", "--as", "a/b"][..], "neither a trust policy"),
        (&["pod.yaml", "--as", "a/b"], "it is not JSON"),
        (&["missing.json", "--as", "a/b"], "missing.json cannot be read"),
        (&["trust.json", "--as", "web"], "expected NAMESPACE/NAME"),
        (
            &["plan.json", "--as", "a/b", "--role", "nobody"],
            "no file has a role `nobody`",
        ),
        (&["trust.json"], "--as"),
    ] {
        let out = check(args);
        assert_eq!(
            (out.code, out.stdout.as_str()),
            (Some(2), ""),
            "{args:?}: {}",
            out.stderr
        );
        assert!(out.stderr.contains(said), "{args:?}: {}", out.stderr);
    }
}
