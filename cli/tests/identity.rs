//! Processes of this machine with the identity of a Pod: the built program at a fake API server, which issues tokens and
//! has an STS front behind it.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{Context, ProgramOutput, steady};
use irsa_emu_test_support::api_server::{ApiServer, Request};
use irsa_emu_test_support::http::{Reply, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const ROLE: &str = "arn:aws:iam::123456789012:role/app";
const OTHER: &str = "arn:aws:iam::123456789012:role/other";
const STS: &str = "/api/v1/namespaces/irsa-emu/services/irsa-emu-sts:80/proxy/";
/// What must not be seen anywhere but where it is meant to be.
const SECRET: &str = "hush";

/// What STS was asked: the forms, decoded as far as the tests need it.
type Log = Arc<Mutex<Vec<String>>>;

/// A cluster with an install, two ServiceAccounts with a role, and one without.
struct Cluster {
    context: Context,
    log: Log,
    /// Where the emulator of the install is.
    _emulator: TcpListener,
    port: u16,
}

/// How STS responds to the exchange of this number.
type Sts = fn(usize) -> Reply;

impl Cluster {
    fn new(sts: Sts) -> Self {
        let context = Context::new();
        let emulator = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = emulator.local_addr().expect("an address").port();
        let log = Log::default();
        let (noted, number) = (Arc::clone(&log), AtomicUsize::new(0));
        let server = ApiServer::installed(Some(&format!("http://127.0.0.1:{port}")))
            .with(
                "/apis/apps/v1/namespaces/irsa-emu/deployments/irsa-emu-webhook",
                r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"irsa-emu-webhook"},
                   "spec":{"selector":{},"template":{"spec":{"containers":[{"name":"w","args":["--region=eu-west-1"]}]}}}}"#,
            )
            .with("/api/v1/namespaces/shop", r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}"#)
            .with("/api/v1/namespaces/shop/serviceaccounts/app", &account("app", Some(ROLE)).to_string())
            .with("/api/v1/namespaces/shop/serviceaccounts/web",
                &account("web", Some(OTHER)).to_string(),
            )
            .with(
                "/api/v1/namespaces/shop/serviceaccounts/plain", &account("plain", None).to_string())
            .with(
                "/api/v1/serviceaccounts",
                &json!({"apiVersion": "v1", "kind": "ServiceAccountList", "metadata": {},
                    "items": [account("app", Some(ROLE)), account("plain", None), account("web", Some(OTHER))]})
                .to_string(),
            )
            .with(
                "/api/v1/namespaces",
                r#"{"apiVersion":"v1","kind":"NamespaceList","metadata":{},"items":[]}"#,
            )
            .with(
                "/apis/irsa-emu.dev/v1alpha1/recipes",
                &json!({"apiVersion": "irsa-emu.dev/v1alpha1", "kind": "RecipeList", "metadata": {}, "items": [
                    {"apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": "r"},
                     "spec": {"account": "123456789012", "region": "eu-central-1",
                       "inject": [{"match": {"namespace": "shop", "serviceAccount": "web"}}]}},
                    {"apiVersion": "irsa-emu.dev/v1alpha1", "kind": "Recipe", "metadata": {"name": "s"},
                     "spec": {"account": "123456789012", "region": "eu-west-1",
                       "inject": [{"match": {"namespace": "shop", "serviceAccount": "app"},
                         "env": {"AWS_KMS_ENDPOINT": "{emulator}"}}]}}]})
                .to_string(),
            )
            .replying(move |request| reply(request, sts, &noted, &number));
        context.serve(server, "kind-dev");
        for program in ["sh", "bash", "env", "sleep", "cat"] {
            context.program(program, &format!("exec /bin/{program} \"$@\""));
        }
        Self {
            context,
            log,
            _emulator: emulator,
            port,
        }
    }

    fn run(&self, args: &[&str]) -> ProgramOutput {
        self.context.run(args)
    }

    fn asked(&self) -> Vec<String> {
        self.log.lock().expect("a lock").clone()
    }
}

fn account(name: &str, role: Option<&str>) -> Value {
    let mut annotations = json!({});
    if let Some(role) = role {
        annotations["eks.amazonaws.com/role-arn"] = role.into();
    }
    json!({"apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"namespace": "shop", "name": name, "annotations": annotations}})
}

fn reply(request: &Request<'_>, sts: Sts, log: &Log, number: &AtomicUsize) -> Option<Reply> {
    let note = |line: String| log.lock().expect("a lock").push(line);
    if request.method == "POST" && request.path.ends_with("/token") {
        let asked: Value = serde_json::from_str(request.body).expect("a TokenRequest");
        note(format!("token for {}", asked["spec"]["audiences"]));
        let expires = now_and(600);
        let issued = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {},
            "spec": {"audiences": []}, "status": {"token": "hush-jwt", "expirationTimestamp": expires}});
        return Some((StatusCode::CREATED, issued.to_string()));
    }
    if request.path == STS {
        let role = request.body.split('&').find(|pair| pair.starts_with("RoleArn="));
        note(role.expect("a role").replace("%3A", ":").replace("%2F", "/"));
        return Some(sts(number.fetch_add(1, Ordering::SeqCst) + 1));
    }
    if request.path == "/apis/events.k8s.io/v1/namespaces/shop/events" {
        let event = |note: &str| {
            json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"},
                "reason": "AccessDenied", "note": note, "eventTime": now_and(0),
                "regarding": {"kind": "ServiceAccount", "namespace": "shop", "name": "app"},
                "reportingController": "irsa-emu-webhook"})
        };
        let items = [
            event(&format!("{OTHER}: of another role")),
            event(&format!(
                "{ROLE}: its trust policy does not allow it: statement 1: StringEquals on sub does not match"
            )),
        ];
        let list =
            json!({"apiVersion": "events.k8s.io/v1", "kind": "EventList", "metadata": {}, "items": items});
        return Some((StatusCode::OK, list.to_string()));
    }
    None
}

/// A time, as Kubernetes writes it in Events.
fn now_and(seconds: i64) -> String {
    let time = OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    let time = time.replace_nanosecond(0).expect("a time");
    time.format(&Rfc3339).expect("a time").replace('Z', ".000000Z")
}

/// Credentials that are valid for so long.
fn credentials(number: usize, seconds: i64) -> Reply {
    let end = OffsetDateTime::now_utc() + time::Duration::seconds(seconds);
    let body = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><AssumedRoleUser>\
<Arn>arn:aws:sts::123456789012:assumed-role/app/irsa-emu</Arn></AssumedRoleUser><Credentials>\
<AccessKeyId>LSIA{number}</AccessKeyId><SecretAccessKey>hush-secret</SecretAccessKey>\
<SessionToken>hush-session</SessionToken><Expiration>{}</Expiration></Credentials>\
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        end.format(&Rfc3339).expect("a time")
    );
    (StatusCode::OK, body)
}

fn for_an_hour(number: usize) -> Reply {
    credentials(number, 3600)
}

fn denied(_: usize) -> Reply {
    let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity";
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{message}</Message></Error></ErrorResponse>"
    );
    (StatusCode::FORBIDDEN, body)
}

/// Asks for the credentials as an SDK does, and prints what comes.
const ASK: &str = "ask() { uri=${AWS_CONTAINER_CREDENTIALS_FULL_URI#http://}; exec 3<>/dev/tcp/127.0.0.1/$(p=${uri#*:}; echo ${p%%/*}); \
printf 'GET /v1/credentials HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nAuthorization: %s\\r\\n\\r\\n' \"$1\" >&3; cat <&3; echo; }; ";

#[test]
fn a_command_has_what_a_pod_has_and_nothing_of_the_callers() {
    let cluster = Cluster::new(for_an_hour);
    let script = "env | while read -r line; do case $line in AWS_*|NO_PROXY*|APP*) echo \"$line\";; esac; done; exit 7";
    let caller = [
        ("AWS_ACCESS_KEY_ID", "AKIAOWN"),
        ("AWS_SECRET_ACCESS_KEY", "own"),
        ("AWS_SESSION_TOKEN", "own"),
        ("AWS_PROFILE", "production"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://elsewhere"),
        ("AWS_REGION", "us-west-2"),
        ("AWS_PAGER", "less"),
    ];
    let args = ["exec", "--as", "shop/app", "--", "sh", "-c", script];
    let outcome = cluster.context.run_with(&caller, &args);
    assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(7), ""));
    let mut lines: Vec<String> = outcome
        .stdout
        .lines()
        .map(|line| {
            let line = line.replace(&format!(":{}", cluster.port), ":EMULATOR");
            match line.split_once('=') {
                Some((name @ "AWS_CONTAINER_AUTHORIZATION_TOKEN", value)) => {
                    assert_eq!(value.len(), 64);
                    format!("{name}=[64 characters]")
                }
                Some((name @ "AWS_CONTAINER_CREDENTIALS_FULL_URI", value)) => {
                    let digits = |c: char| c.is_ascii_digit();
                    let port = value.trim_start_matches("http://127.0.0.1:");
                    format!("{name}=http://127.0.0.1:PORT{}", port.trim_start_matches(digits))
                }
                _ => line,
            }
        })
        .collect();
    lines.sort();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(
        !outcome.stdout.contains(SECRET),
        "the environment holds no credentials"
    );
    let expected = [
        "token for [\"sts.amazonaws.com\"]".to_owned(),
        format!("RoleArn={ROLE}"),
    ];
    assert_eq!(cluster.asked(), expected, "one exchange");
}

#[test]
fn only_the_command_gets_the_credentials_and_gets_new_ones_before_they_end() {
    let cluster = Cluster::new(|number| credentials(number, 4));
    let script = format!("{ASK} T=$AWS_CONTAINER_AUTHORIZATION_TOKEN; ask $T; ask wrong; sleep 2.5; ask $T");
    let outcome = cluster.run(&["exec", "--as", "shop/app", "--", "bash", "-c", &script]);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(0), ""),
        "{}",
        outcome.stdout
    );
    let answers: Vec<&str> = outcome.stdout.split("HTTP/1.1 ").skip(1).collect();
    let [first, stranger, later] = answers[..] else {
        unreachable!("three answers: {answers:?}")
    };
    assert!(
        first.starts_with("200") && first.contains("\"AccessKeyId\":\"LSIA1\""),
        "{first}"
    );
    assert!(
        first.contains("\"Token\":\"hush-session\"") && first.contains("\"AccountId\":\"123456789012\""),
        "{first}"
    );
    assert!(
        stranger.starts_with("401") && !stranger.contains(SECRET),
        "{stranger}"
    );
    assert!(later.starts_with("200") && later.contains("LSIA2"), "{later}");
    assert_eq!(cluster.asked().len(), 4, "each exchange has a token of its own");
}

#[test]
fn a_role_that_is_taken_away_meanwhile_is_reported_to_the_command_and_to_the_user() {
    let cluster = Cluster::new(|number| match number {
        1 => credentials(1, 1),
        number => denied(number),
    });
    let script = format!("{ASK} sleep 1.2; ask $AWS_CONTAINER_AUTHORIZATION_TOKEN");
    let outcome = cluster.run(&["exec", "--as", "shop/app", "--", "bash", "-c", &script]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.starts_with("HTTP/1.1 403") && outcome.stdout.contains("\"code\":\"AccessDenied\""),
        "{}",
        outcome.stdout
    );
    let told =
        "warning: credentials of shop/app: STS refused arn:aws:iam::123456789012:role/app: AccessDenied";
    assert!(outcome.stderr.starts_with(told), "{}", outcome.stderr);
}

#[test]
fn without_a_role_the_command_is_not_started_and_the_condition_is_shown() {
    let cluster = Cluster::new(denied);
    let outcome = cluster.run(&["exec", "--as", "shop/app", "--", "sh", "-c", "echo started"]);
    insta::assert_snapshot!(steady(&outcome.fails_with(1)));
    let outcome = cluster.run(&["credentials", "shop/app", "-o", "json"]);
    assert_eq!(outcome.code, Some(1));
    let envelope: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    insta::assert_json_snapshot!("refused", envelope);
    // A role of the user's choice has reasons of its own.
    let outcome = cluster.run(&["credentials", "shop/app", "--role", OTHER]);
    let stderr = outcome.fails_with(1);
    assert!(stderr.contains("reason: of another role"), "{stderr}");
}

#[test]
fn a_service_account_that_is_missing_or_has_no_role_lists_those_that_have_one() {
    let cluster = Cluster::new(for_an_hour);
    let missing = cluster
        .run(&["exec", "--as", "shop/nobody", "--", "sh"])
        .fails_with(1);
    insta::assert_snapshot!("missing", steady(&missing));
    let plain = cluster
        .run(&["exec", "--as", "shop/plain", "--", "sh"])
        .fails_with(1);
    insta::assert_snapshot!("plain", steady(&plain));
    let outcome = cluster.run(&["credentials", "shop/nobody", "-o", "json"]);
    let envelope: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(envelope["error"]["code"], "service-account-unknown");
    let first = json!({"serviceAccount": "shop/app", "role": ROLE});
    assert_eq!(envelope["error"]["details"]["withRole"][0], first);
    assert_eq!(cluster.asked(), [""; 0], "STS is not asked");
}

#[test]
fn credentials_are_printed_as_aws_tools_read_them() {
    let cluster = Cluster::new(for_an_hour);
    let outcome = cluster.run(&["credentials", "shop/plain", "--role", OTHER, "-vv"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let mut printed: Value = serde_json::from_str(&outcome.stdout).expect("one JSON object");
    assert!(
        printed["Expiration"]
            .as_str()
            .is_some_and(|end| end.ends_with('Z')),
        "{printed}"
    );
    printed["Expiration"] = "[time]".into();
    let expected = json!({"Version": 1, "AccessKeyId": "LSIA1", "SecretAccessKey": "hush-secret",
        "SessionToken": "hush-session", "Expiration": "[time]", "AccountId": "123456789012"});
    assert_eq!(printed, expected);
    assert!(!outcome.stderr.contains(SECRET), "{}", outcome.stderr);
    assert_eq!(cluster.asked()[1], format!("RoleArn={OTHER}"));
    // The one command whose output AWS tools read: a variable of the user's does not change it.
    let outcome = cluster
        .context
        .run_with(&[("IRSA_EMU_OUTPUT", "json")], &["credentials", "shop/app"]);
    assert!(outcome.stdout.contains("\"Version\":1"), "{}", outcome.stdout);
    let outcome = cluster.run(&["credentials", "shop/app", "-o", "shell"]);
    assert_eq!(
        outcome.stdout,
        "export AWS_ACCESS_KEY_ID=LSIA3\nexport AWS_SECRET_ACCESS_KEY=hush-secret\nexport AWS_SESSION_TOKEN=hush-session\n"
    );
    let outcome = cluster.run(&["credentials", "shop/web", "-o", "json"]);
    let envelope: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(
        (&envelope["data"]["role"], &envelope["data"]["region"]),
        (&json!(OTHER), &json!("eu-central-1")),
        "the region of its Recipe"
    );
    assert_eq!(envelope["data"]["credentials"]["Version"], 1);
}

#[test]
fn a_profile_for_aws_tools_is_printed() {
    let cluster = Cluster::new(for_an_hour);
    let program = env!("CARGO_BIN_EXE_irsa-emu");
    let printed = |args: &[&str]| {
        let outcome = cluster.run(&[&["env", "-o", "aws-config", "--as"], args].concat());
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""), "{args:?}");
        let text = outcome.stdout.replace(program, "[PROGRAM]");
        text.replace(&format!(":{}", cluster.port), ":EMULATOR")
    };
    insta::assert_snapshot!(printed(&["shop/web"]));
    assert!(printed(&["shop/app", "--profile", "dev"]).starts_with("[profile dev]\n"));
    assert_eq!(cluster.asked(), [""; 0], "STS is not asked for a profile");
    // Where PATH has the program, its name is enough.
    std::os::unix::fs::symlink(program, cluster.context.path("bin/irsa-emu")).expect("a link");
    let text = printed(&["shop/app"]);
    assert!(
        text.contains("\ncredential_process = irsa-emu credentials shop/app "),
        "{text}"
    );
    let missing = cluster
        .run(&["env", "-o", "aws-config", "--as", "shop/nobody"])
        .fails_with(1);
    assert!(missing.contains("these have a role"), "{missing}");
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn signals_reach_the_command_and_no_process_shows_a_secret() {
    let cluster = Cluster::new(for_an_hour);
    let script = "trap 'echo got; exit 5' TERM; echo $$; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; done";
    let mut command = cluster
        .context
        .command(&["exec", "--as", "shop/app", "--", "sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut running = Running(command.spawn().expect("the program starts"));
    let mut lines = BufReader::new(running.0.stdout.take().expect("its stdout")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    let child = next();
    for process in [running.0.id().to_string(), child] {
        for file in ["cmdline", "environ"] {
            let text = std::fs::read(format!("/proc/{process}/{file}")).expect("a file of /proc");
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(SECRET), "{file}: {text}");
        }
    }
    let status = assert_cmd::Command::new("/bin/kill")
        .args(["-TERM", &running.0.id().to_string()])
        .output()
        .expect("kill runs")
        .status;
    assert!(status.success());
    assert_eq!(next(), "got");
    assert_eq!(running.0.wait().expect("it ends").code(), Some(5));
}

#[test]
fn a_front_that_is_not_there_is_reported_with_what_to_do() {
    let cluster = Cluster::new(|_| {
        let status = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"services \"irsa-emu-sts\" not found","reason":"NotFound","code":404}"#;
        (StatusCode::NOT_FOUND, status.to_owned())
    });
    let stderr = cluster.run(&["credentials", "shop/app"]).fails_with(1);
    insta::assert_snapshot!(steady(&stderr));
}

#[test]
fn what_does_not_go_together_is_exit_2() {
    let cluster = Cluster::new(for_an_hour);
    for args in [
        &["exec", "--", "sh"][..],
        &["exec", "--as", "shop/app"],
        &["exec", "--as", "app", "--", "sh"],
        &["exec", "--as", "shop/app", "--role", "app", "--", "sh"],
        &["credentials"],
        &["env", "-o", "aws-config"],
        &["env", "--as", "shop/app"],
        &["env", "--as", "shop/app", "--exec", "--", "sh"],
        &["env", "-o", "aws-config", "--as", "shop/app", "--profile", "a b"],
    ] {
        let stderr = cluster.run(args).fails_with(2);
        assert!(stderr.starts_with("error: "), "{args:?}: {stderr}");
    }
    let outcome = cluster.run(&["exec", "--as", "shop/app", "--", "no-such-program"]);
    assert_eq!(outcome.code, Some(127), "{}", outcome.stderr);
}
