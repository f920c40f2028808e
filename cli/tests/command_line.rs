//! The built program without any cluster: its help, and every way in which something is missing or wrong.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use std::net::TcpListener;

use common::{Context, kubeconfig, steady};

#[test]
fn the_version_is_data() {
    let context = Context::new();
    assert_eq!(
        context.run(&["version"]).stdout,
        concat!(env!("CARGO_PKG_VERSION"), "\n")
    );
    let json = context.run(&["version", "--client", "-o", "json"]).stdout;
    let data = concat!(
        "\"data\":{\"cluster\":null,\"version\":\"",
        env!("CARGO_PKG_VERSION"),
        "\"}"
    );
    assert!(json.contains(data), "{json}");
}

#[test]
fn wrong_usage_is_exit_2() {
    let context = Context::new();
    for args in [
        &["frobnicate"][..],
        &["up", "--host-port", "70000"],
        &["up", "--region", "US EAST"],
        &["up", "--timeout", "soon"],
        &["up", "--name", "No_Name"],
        &["up", "--webhook-image", "a", "--webhook-binary", "b"],
    ] {
        let stderr = context.run(args).fails_with(2);
        assert!(stderr.starts_with("error: "), "{args:?}: {stderr}");
    }
}

#[test]
fn a_docker_that_is_not_running_is_exit_4() {
    insta::assert_snapshot!(steady(&Context::new().run(&["up"]).fails_with(4)));
    insta::assert_snapshot!(steady(&Context::new().run(&["down"]).fails_with(4)));
}

#[test]
fn a_docker_socket_that_nobody_listens_on_is_exit_4() {
    let context = Context::new();
    drop(std::os::unix::net::UnixListener::bind(context.path("no-docker.sock")).expect("a socket"));
    insta::assert_snapshot!(steady(&context.run(&["up"]).fails_with(4)));
}

#[test]
fn a_context_that_is_not_known_to_be_local_is_exit_3() {
    let context = Context::new();
    context.write(
        "kubeconfig",
        &kubeconfig("arn:aws:eks:eu-west-1:123456789012:cluster/prod", 1),
    );
    for verb in ["up", "down"] {
        let args = [
            verb,
            "--context",
            "arn:aws:eks:eu-west-1:123456789012:cluster/prod",
        ];
        insta::assert_snapshot!(
            format!("unsafe_{verb}"),
            steady(&context.run(&args).fails_with(3))
        );
    }
}

#[test]
fn a_context_that_does_not_exist_is_exit_2() {
    let context = Context::new();
    context.write("kubeconfig", &kubeconfig("kind-other", 1));
    insta::assert_snapshot!(steady(
        &context.run(&["up", "--context", "kind-mine"]).fails_with(2)
    ));
}

#[test]
fn a_broken_kubeconfig_is_exit_2() {
    let context = Context::new();
    context.write("kubeconfig", "clusters: [");
    let stderr = context.run(&["up", "--context", "kind-mine"]).fails_with(2);
    assert!(
        stderr.contains("[HOME]/kubeconfig is not a readable kubeconfig"),
        "{stderr}"
    );
}

#[test]
fn a_cluster_that_we_cannot_load_images_into_needs_images_to_be_named() {
    let context = Context::new();
    context.write("kubeconfig", &kubeconfig("k3d-dev", 1));
    insta::assert_snapshot!(steady(
        &context.run(&["up", "--context", "k3d-dev"]).fails_with(2)
    ));
}

#[test]
fn an_api_server_that_does_not_answer_is_told_with_the_context() {
    let context = Context::new();
    // Bound and dropped: a port that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .expect("a port")
        .port();
    context.write("kubeconfig", &kubeconfig("k3d-dev", port));
    let args = ["down", "--context", "k3d-dev"];
    let stderr = context.run(&args).fails_with(1);
    assert!(
        stderr.starts_with("error: connecting to the cluster of context `k3d-dev`: "),
        "{stderr}"
    );
}
