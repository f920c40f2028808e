//! Where the cluster comes from: the built program with a fake Docker, a fake kind and a fake k3d.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use std::fs;
use std::net::TcpListener;

use common::{Context, steady};

/// A program that notes how it is called, and lists and deletes like kind and k3d.
fn maker(context: &Context, name: &str, cases: &str) {
    let script = format!(
        "echo \"$*\" >> {home}/{name}.log\ncd {home}\ncase \"$*\" in\n{cases}\n\
         *delete*) rm -f containers.json;;\n\
         'get clusters') [ -f containers.json ] && echo irsa-emu;;\n\
         'cluster list -o json') if [ -f containers.json ]; then echo '[{{\"name\":\"irsa-emu\"}}]'; else echo '[]'; fi;;\n\
         esac\nexit 0",
        home = context.home.path().display()
    );
    context.program(name, &script);
}

fn calls(context: &Context, name: &str) -> Vec<String> {
    let log = fs::read_to_string(context.path(&format!("{name}.log"))).unwrap_or_default();
    log.lines().map(str::to_owned).collect()
}

const KIND_LABELS: &str = r#""io.x-k8s.kind.cluster":"irsa-emu","io.x-k8s.kind.role":"control-plane""#;
const K3D_LABELS: &str =
    r#""app":"k3d","k3d.cluster":"irsa-emu","k3d.role":"server","irsa-emu.dev/instance":"irsa-emu""#;
const FAILS: &str = "*create*) cat > config; echo 'no space left' >&2; exit 1;;";

#[test]
fn a_missing_kind_is_exit_4() {
    let context = Context::new();
    context.fake_docker();
    insta::assert_snapshot!(steady(&context.run(&["up"]).fails_with(4)));
}

#[test]
fn a_taken_port_is_exit_1_with_its_owner() {
    let context = Context::new();
    context.fake_docker();
    context.program("kind", "exit 0");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let stderr = context.run(&["up", "--host-port", &port]).fails_with(1);
    let error = stderr.split_once("error: ").expect("an error").1;
    let expected = format!("reserving port {port} of 127.0.0.1 for the emulator: it is taken by process ");
    assert!(error.starts_with(&expected), "{stderr}");
    assert!(error.ends_with("next: irsa-emu up --host-port 0\n"), "{stderr}");
}

#[test]
fn a_failed_creation_is_rolled_back_and_the_current_context_comes_back() {
    let context = Context::new();
    context.fake_docker();
    let log = context.path("kind.log");
    let script = format!(
        "echo \"$*\" >> {log}\ncase \"$*\" in create*) cat > /dev/null; \
         echo 'current-context: kind-irsa-emu' > \"$KUBECONFIG\"; echo ' • Preparing nodes' >&2; \
         echo 'ERROR: failed to create cluster: no space left' >&2; exit 1;; esac",
        log = log.display()
    );
    context.program("kind", &script);
    context.write("kubeconfig", "current-context: mine\n");
    let stderr = context.up(&[]).fails_with(1);
    insta::assert_snapshot!(steady(&stderr));
    let calls = fs::read_to_string(log).expect("the log");
    let calls: Vec<&str> = calls.lines().collect();
    let delete = "delete cluster --name irsa-emu";
    assert_eq!(
        calls,
        [
            "get clusters",
            "create cluster --name irsa-emu --config -",
            delete,
            delete
        ]
    );
    let kubeconfig = fs::read_to_string(context.path("kubeconfig")).expect("the kubeconfig");
    assert_eq!(kubeconfig, "current-context: \"mine\"\n");
}

#[test]
fn programs_that_are_not_there_or_not_static_are_told_before_anything_is_made() {
    let context = Context::new();
    context.fake_docker();
    context.program("kind", "case \"$*\" in create*) exit 99;; esac");
    let missing = context.path("none").display().to_string();
    let args = ["up", "--host-port", "0", "--webhook-binary", &missing];
    let stderr = context.run(&args).fails_with(1);
    assert!(
        stderr.contains("the program [HOME]/none cannot be read"),
        "{stderr}"
    );
    context.write("script", "#!/bin/sh\n");
    let script = context.path("script").display().to_string();
    let args = ["up", "--host-port", "0", "--webhook-binary", &script];
    insta::assert_snapshot!(steady(&context.run(&args).fails_with(1)));
}

#[test]
fn nothing_to_remove_is_no_failure() {
    let context = Context::new();
    context.fake_docker();
    context.program("kind", "exit 0");
    let outcome = context.run(&["down"]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(0), ""));
    assert_eq!(
        outcome.stderr,
        "nothing to remove: there is no cluster irsa-emu\n"
    );
}

#[test]
fn ctrl_c_while_kind_works_stops_it_and_removes_what_it_began() {
    let context = Context::new();
    context.fake_docker();
    let (log, mark) = (context.path("kind.log"), context.path("mark"));
    let script = format!(
        "echo \"$*\" >> {log}\ncase \"$*\" in create*) kill -INT $PPID; sleep 20; touch {mark};; esac",
        log = log.display(),
        mark = mark.display()
    );
    context.program("kind", &script);
    let began = std::time::Instant::now();
    let stderr = context.up(&[]).fails_with(130);
    assert!(began.elapsed().as_secs() < 15, "{stderr}");
    insta::assert_snapshot!(steady(&stderr));
    let calls = fs::read_to_string(log).expect("the log");
    assert_eq!(calls.lines().last(), Some("delete cluster --name irsa-emu"));
    assert!(!mark.exists());
}

#[test]
fn k3d_is_called_as_documented_and_its_failed_creation_is_rolled_back() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "k3d", FAILS);
    let stderr = context
        .up(&["--cluster", "k3d", "--host-port", "14577"])
        .fails_with(1);
    insta::assert_snapshot!(steady(&stderr));
    let delete = "cluster delete irsa-emu";
    let calls = calls(&context, "k3d");
    assert_eq!(calls[0], "cluster list -o json");
    assert!(
        calls[1].starts_with("cluster create irsa-emu --config - --wait --timeout "),
        "{calls:?}"
    );
    assert_eq!(calls[2..], [delete, delete]);
    let config = fs::read_to_string(context.path("config")).expect("a configuration");
    assert!(config.contains(r#"- port: "127.0.0.1:14577:30566""#), "{config}");
}

#[test]
fn without_kind_a_new_cluster_is_k3d_s() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "k3d", FAILS);
    let stderr = context.up(&[]).fails_with(1);
    assert!(
        stderr.contains("using the k3d cluster irsa-emu: a new one, as k3d is there"),
        "{stderr}"
    );
}

#[test]
fn a_current_cluster_that_nobody_named_is_left_alone() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "kind", FAILS);
    context.write("kubeconfig", &common::kubeconfig("kind-dev", 1));
    let stderr = context.up(&[]).fails_with(1);
    assert!(stderr.contains("using the kind cluster irsa-emu"), "{stderr}");
    let note = "the current context kind-dev is left alone; to install there: irsa-emu up --context kind-dev";
    assert!(stderr.contains(note), "{stderr}");
}

#[test]
fn contradicting_options_are_exit_2() {
    let context = Context::new();
    let args = ["up", "--cluster", "k3d", "--context", "kind-dev"];
    insta::assert_snapshot!("contradiction", steady(&context.run(&args).fails_with(2)));
    let args = ["up", "--cluster", "existing"];
    insta::assert_snapshot!("no_current_context", steady(&context.run(&args).fails_with(2)));
}

#[test]
fn a_cluster_that_is_not_what_is_asked_is_exit_3_with_the_difference() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "kind", FAILS);
    context.container(KIND_LABELS, "node:1", 4566);
    let args = ["--host-port", "4567", "--node-image", "node:2"];
    insta::assert_snapshot!(steady(&context.up(&args).fails_with(3)));
    assert_eq!(calls(&context, "kind"), ["get clusters"]);
}

#[test]
fn recreate_deletes_only_what_up_made_and_makes_it_anew() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "k3d", FAILS);
    let args = ["--cluster", "k3d", "--node-image", "k3s:2", "--recreate"];
    context.container(
        &K3D_LABELS.replace("dev/instance\":\"irsa-emu", "dev/instance\":\"other"),
        "k3s:1",
        4566,
    );
    insta::assert_snapshot!("not_ours", steady(&context.up(&args).fails_with(3)));
    assert_eq!(calls(&context, "k3d"), ["cluster list -o json"]);
    context.container(K3D_LABELS, "k3s:1", 4566);
    let stderr = context.up(&args).fails_with(1);
    assert!(
        stderr.contains("recreating it:\n    node image: - k3s:1  + k3s:2"),
        "{stderr}"
    );
    let calls = calls(&context, "k3d");
    assert_eq!(calls[2], "cluster delete irsa-emu");
    assert!(calls[3].starts_with("cluster create irsa-emu"), "{calls:?}");
}

#[test]
fn a_cluster_that_a_killed_run_left_half_made_is_made_again() {
    let context = Context::new();
    context.fake_docker();
    let killed = "create*) echo x > containers.json; kill -9 $PPID; exit 1;;";
    maker(&context, "kind", killed);
    let outcome = context.up(&[]);
    assert_eq!(outcome.code, None, "killed: {}", outcome.stderr);
    context.container(KIND_LABELS, "node:1", 4566);
    maker(&context, "kind", FAILS);
    let stderr = context.up(&[]).fails_with(1);
    assert!(
        stderr.contains("an earlier run was cut off while it created the cluster"),
        "{stderr}"
    );
    let calls: Vec<String> = calls(&context, "kind").split_off(2);
    let create = "create cluster --name irsa-emu --config -";
    let delete = "delete cluster --name irsa-emu";
    assert_eq!(calls, ["get clusters", delete, create, delete, delete]);
}

#[test]
fn keep_on_failure_leaves_what_is_half_made() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "kind", FAILS);
    let stderr = context.up(&["--keep-on-failure"]).fails_with(1);
    assert!(stderr.contains("the cluster is kept"), "{stderr}");
    assert_eq!(calls(&context, "kind").len(), 2, "nothing is deleted");
}

#[test]
fn sigterm_is_exit_143_and_the_second_signal_does_not_wait() {
    let context = Context::new();
    context.fake_docker();
    let script = "create*) kill -TERM $PPID; sleep 20;;\ndelete*) kill -TERM $PPID; sleep 20;;";
    maker(&context, "kind", script);
    let began = std::time::Instant::now();
    context.up(&[]).fails_with(143);
    assert!(began.elapsed().as_secs() < 10);
}

#[test]
fn a_second_run_waits_for_the_first_and_says_for_whom() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "kind", "create*) touch begun; sleep 20;;");
    let mut first = context
        .command(
            &context
                .up_args(&[])
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        )
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the program starts");
    let began = std::time::Instant::now();
    while !context.path("begun").exists() {
        assert!(
            began.elapsed() < std::time::Duration::from_secs(20),
            "kind was never called"
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let id = first.id().to_string();
    let stderr = context.up(&["--timeout", "1s"]).fails_with(124);
    first.kill().expect("the first run is ended");
    first.wait().expect("the first run has ended");
    assert!(
        stderr.contains(&format!(
            "irsa-emu up (process {id}) is working on `irsa-emu`: waiting for it to end"
        )),
        "{stderr}"
    );
}

#[test]
fn down_keeps_a_cluster_that_up_did_not_make() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "k3d", "");
    context.container(
        &K3D_LABELS.replace("dev/instance\":\"irsa-emu", "dev/instance\":\"other"),
        "k3s:1",
        4566,
    );
    let outcome = context.run(&["down"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome
            .stderr
            .contains("irsa-emu did not create the k3d cluster irsa-emu, so it stays"),
        "{}",
        outcome.stderr
    );
    assert!(context.path("containers.json").exists());
    let outcome = context.run(&["down", "--delete-cluster"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(calls(&context, "k3d"), ["cluster delete irsa-emu"]);
}

#[test]
fn down_lists_what_it_would_remove() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "k3d", "");
    context.container(K3D_LABELS, "k3s:1", 4566);
    context.write("kubeconfig", &common::kubeconfig("k3d-irsa-emu", 1));
    let outcome = context.run(&["down", "--dry-run"]);
    assert_eq!(outcome.stdout, "container node\nkubeconfig entry k3d-irsa-emu\n");
    assert!(context.path("containers.json").exists());
}

#[test]
fn a_plan_lists_what_would_be_made_and_tells_by_the_exit_code_that_there_is_something() {
    let context = Context::new();
    context.fake_docker();
    maker(&context, "kind", FAILS);
    let outcome = context.up(&["--dry-run"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    insta::with_settings!({filters => vec![(r":0\.1\.0-[0-9a-f]{12}", ":[TAG]")]}, {
        insta::assert_snapshot!("plan", outcome.stdout);
    });
    assert_eq!(context.up(&["--dry-run", "--detailed-exitcode"]).code, Some(10));
    assert_eq!(calls(&context, "kind"), [""; 0], "nothing is made");
}

#[test]
fn without_docker_a_plan_is_exit_4() {
    Context::new().run(&["up", "--dry-run"]).fails_with(4);
}
