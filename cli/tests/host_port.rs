//! How this machine gets to the emulator of a cluster that publishes no port: the built program with a fake Docker and
//! a fake API server.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};

use common::{Context, steady};
use irsa_emu_test_support::api_server::ApiServer;
use serde_json::Value;

/// A kind cluster that others made, with one node and no port for the emulator.
fn cluster(context: &Context) {
    let labels = r#""io.x-k8s.kind.cluster":"dev","io.x-k8s.kind.role":"control-plane""#;
    context.write(
        "containers.json",
        &format!(r#"[{{"Id":"c1","Names":["/dev-control-plane"],"Labels":{{{labels}}}}}]"#),
    );
    context.write(
        "container-c1.json",
        r#"{"Id":"c1","Name":"/dev-control-plane","State":{"Running":true},"Config":{"Image":"node:1"},
            "HostConfig":{"NetworkMode":"kind"},"NetworkSettings":{"Networks":{"kind":{}}}}"#,
    );
}

/// A container of irsa-emu that leads a port to a node of that cluster.
fn proxy(context: &Context, node: &str, port: u16, running: bool) {
    context.write("proxies.json", r#"[{"Id":"p1"}]"#);
    context.write(
        "container-p1.json",
        &format!(
            r#"{{"Id":"p1","Name":"/irsa-emu-proxy-kind-dev","State":{{"Running":{running}}},
                "Config":{{"Image":"irsa-emu.dev/proxy:0","Cmd":["proxy","--listen","0.0.0.0:4566","--to","{node}:30566"],
                  "Labels":{{"irsa-emu.dev/instance":"irsa-emu","irsa-emu.dev/role":"proxy","irsa-emu.dev/cluster":"kind-dev"}}}},
                "HostConfig":{{"NetworkMode":"kind",
                  "PortBindings":{{"4566/tcp":[{{"HostIp":"127.0.0.1","HostPort":"{port}"}}]}}}}}}"#
        ),
    );
}

/// What of a plan is about containers.
fn planned(context: &Context, args: &[&str]) -> Vec<String> {
    let args = [args, &["--context", "kind-dev", "--dry-run"]].concat();
    let outcome = context.up(&args);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let lines = outcome.stdout.lines().map(str::to_owned);
    lines.filter(|line| line.contains(" container ")).collect()
}

/// What the fake Docker was asked to remove.
fn removed(context: &Context) -> Vec<String> {
    let log = fs::read_to_string(context.path("docker.log")).unwrap_or_default();
    let lines = log.lines().filter_map(|line| line.strip_prefix("DELETE "));
    lines
        .map(|path| path.split('?').next().unwrap_or(path).to_owned())
        .collect()
}

#[test]
fn a_plan_has_a_container_for_a_cluster_that_publishes_no_port() {
    let context = Context::new();
    context.fake_docker();
    context.serve(ApiServer::default(), "kind-dev");
    cluster(&context);
    // A file that looks static, as the program of a test is not.
    context.static_programs();
    let program = context.path("static-program").display().to_string();
    let with_program = ["--proxy-binary", program.as_str()];
    let name = "container irsa-emu-proxy-kind-dev";
    assert_eq!(planned(&context, &with_program), [format!("create {name}")]);
    proxy(&context, "dev-control-plane", 14_571, true);
    // That which is there has another image.
    assert_eq!(planned(&context, &with_program), [format!("recreate {name}")]);
}

#[test]
fn a_port_that_is_taken_is_no_reason_for_anything_unless_it_is_asked_for() {
    let context = Context::new();
    context.fake_docker();
    context.serve(ApiServer::default(), "kind-dev");
    cluster(&context);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    proxy(&context, "dev-control-plane", port, false);
    let programs = context.static_programs();
    let args: Vec<&str> = ["up", "--context", "kind-dev", "--dry-run"]
        .into_iter()
        .chain(programs.iter().map(String::as_str))
        .collect();
    let containers = |args: &[&str]| {
        let outcome = context.run(args);
        assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
        outcome.stdout.matches(" container ").count()
    };
    assert_eq!(containers(&args), 0);
    let port = port.to_string();
    let asked = [&args[..], &["--host-port", port.as_str()]].concat();
    assert_eq!(containers(&asked), 1);
}

#[test]
fn a_program_that_is_not_static_keeps_what_is_there_and_makes_nothing() {
    let context = Context::new();
    context.fake_docker();
    context.serve(ApiServer::default(), "kind-dev");
    cluster(&context);
    if cfg!(target_feature = "crt-static") {
        return;
    }
    let name = "container irsa-emu-proxy-kind-dev";
    assert_eq!(planned(&context, &[]), [""; 0]);
    proxy(&context, "dev-control-plane", 14_571, true);
    assert_eq!(planned(&context, &[]), [""; 0]);
    proxy(&context, "dev-control-plane", 14_571, false);
    assert_eq!(planned(&context, &[]), [format!("start {name}")]);
    proxy(&context, "dev-worker", 14_571, true);
    assert_eq!(planned(&context, &[]), [format!("remove {name}")]);
    proxy(&context, "dev-control-plane", 14_571, true);
    let real_aws = ["--backend", "aws"];
    assert_eq!(planned(&context, &real_aws), [format!("remove {name}")]);
}

#[test]
fn down_takes_the_container_with_the_install() {
    let context = Context::new();
    context.fake_docker();
    context.serve(ApiServer::default(), "kind-dev");
    cluster(&context);
    proxy(&context, "dev-control-plane", 14_571, true);
    let args = ["down", "--context", "kind-dev"];
    let listed = context.run(&[&args[..], &["--dry-run"]].concat());
    assert_eq!(
        (listed.code, listed.stdout.as_str()),
        (Some(0), "container irsa-emu-proxy-kind-dev\n"),
        "{}",
        listed.stderr
    );
    assert_eq!(removed(&context), [""; 0]);
    let outcome = context.run(&[&args[..], &["--keep-cluster", "-o", "json"]].concat());
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let answer: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(answer["data"]["removed"][0], "container irsa-emu-proxy-kind-dev");
    assert_eq!(
        removed(&context),
        ["/containers/p1", "/images/irsa-emu.dev/proxy:0"]
    );
    let outcome = context.run(&args);
    assert!(
        outcome.stderr.starts_with("nothing to remove"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn down_takes_the_container_of_a_cluster_that_is_gone() {
    for args in [&["down"][..], &["down", "--context", "kind-dev"]] {
        let context = Context::new();
        context.fake_docker();
        context.program("kind", "exit 0");
        proxy(&context, "dev-control-plane", 14_571, true);
        let outcome = context.run(args);
        assert_eq!(outcome.code, Some(0), "{args:?}: {}", outcome.stderr);
        assert_eq!(removed(&context)[0], "/containers/p1", "{args:?}");
        assert!(
            outcome
                .stderr
                .contains("removing the container irsa-emu-proxy-kind-dev"),
            "{args:?}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn down_leaves_the_container_of_another_cluster_alone() {
    let context = Context::new();
    context.fake_docker();
    context.serve(ApiServer::default(), "kind-other");
    cluster(&context);
    proxy(&context, "dev-control-plane", 14_571, true);
    let outcome = context.run(&["down", "--context", "kind-other"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert_eq!(removed(&context), [""; 0]);
}

#[test]
fn status_says_by_which_container_and_whether_it_runs() {
    let context = Context::new();
    context.fake_docker();
    context.serve(ApiServer::installed(Some("http://127.0.0.1:14571")), "kind-dev");
    cluster(&context);
    proxy(&context, "dev-control-plane", 14_571, true);
    let args = ["status", "--context", "kind-dev"];
    let line = |outcome: &common::ProgramOutput| {
        let found = outcome.stdout.lines().find(|line| line.starts_with("host:"));
        found.expect("a line").to_owned()
    };
    let outcome = context.run(&args);
    assert_eq!(
        line(&outcome),
        "host:        http://127.0.0.1:14571 (by the container irsa-emu-proxy-kind-dev)"
    );
    let json = context.run(&[&args[..], &["-o", "json"]].concat()).stdout;
    let answer: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(answer["data"]["hostWay"], "proxy");
    proxy(&context, "dev-control-plane", 14_571, false);
    let outcome = context.run(&args);
    assert!(
        line(&outcome)
            .ends_with("(the container irsa-emu-proxy-kind-dev does not run; `irsa-emu up` starts it)"),
        "{}",
        outcome.stdout
    );
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(context: &Context, args: &[&str]) -> Self {
        let mut command = context.command(args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(command.spawn().expect("the program starts"))
    }

    fn signal(&self, context: &Context, name: &str) {
        context.program("signal", "exec kill \"$@\"");
        let status = assert_cmd::Command::new(context.path("bin/signal"))
            .args([&format!("-{name}"), &self.0.id().to_string()])
            .output()
            .expect("kill runs")
            .status;
        assert!(status.success());
    }

    /// The exit code, as one sees it in a shell.
    fn code(&mut self) -> Option<i32> {
        self.0.wait().expect("it ends").code()
    }
}

#[test]
fn a_proxy_carries_connections_and_ends_at_once() {
    let context = Context::new();
    let target = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = target.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut stream in target.incoming().flatten() {
            let mut all = Vec::new();
            let _ = stream.read_to_end(&mut all);
            let _ = stream.write_all(&all);
        }
    });
    let args = ["proxy", "--listen", "127.0.0.1:0", "--to", &to];
    let mut proxy = Running::start(&context, &args);
    let mut said = String::new();
    let mut stderr = BufReader::new(proxy.0.stderr.take().expect("its stderr"));
    stderr.read_line(&mut said).expect("a line");
    let address = said
        .strip_prefix("from ")
        .and_then(|rest| rest.split(' ').next())
        .expect("its address");
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(b"hello").expect("bytes go");
    // A connection that is open does not hold it up.
    let open = TcpStream::connect(address).expect("another connection");
    stream.shutdown(Shutdown::Write).expect("an end");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("bytes come");
    assert_eq!(answer, "hello");
    let began = std::time::Instant::now();
    proxy.signal(&context, "TERM");
    assert_eq!(proxy.code(), Some(143));
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
    drop(open);
}

/// An install, and somebody who listens where it leads.
fn installed(context: &Context) -> TcpListener {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    context.serve(ApiServer::installed(Some(&url)), "kind-dev");
    context.program("sh", "exec /bin/sh \"$@\"");
    listener
}

#[test]
fn a_command_has_the_variables_and_its_exit_code_is_ours() {
    let context = Context::new();
    let listener = installed(&context);
    let port = listener.local_addr().expect("an address").port();
    let script = "echo $AWS_ENDPOINT_URL $AWS_REGION $AWS_ACCESS_KEY_ID; echo said >&2; exit 7";
    let outcome = context.run(&["env", "--exec", "--", "sh", "-c", script]);
    assert_eq!(outcome.code, Some(7), "{}", outcome.stderr);
    assert_eq!(
        outcome.stdout,
        format!("http://127.0.0.1:{port} eu-west-1 000000000000\n")
    );
    assert_eq!(outcome.stderr, "said\n");
    let outcome = context.run(&["env", "--exec", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (Some(137), ""),
        "128 and the signal"
    );
}

#[test]
fn where_nobody_listens_a_command_gets_a_port_of_its_own() {
    let context = Context::new();
    let listener = installed(&context);
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let script = "echo ${AWS_ENDPOINT_URL#http://}";
    let outcome = context.run(&["env", "--exec", "--", "sh", "-c", script]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let other = outcome
        .stdout
        .trim()
        .strip_prefix("127.0.0.1:")
        .expect("an address");
    assert_ne!(other.parse(), Ok(port));
    // The client gets the reason: this API server has no Pod.
    context.program(
        "ask",
        "exec /bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/${AWS_ENDPOINT_URL##*:}; cat <&3'",
    );
    let outcome = context.run(&["env", "--exec", "--", "ask"]);
    assert_eq!(
        outcome.stderr, "warning: no Pod of the emulator is ready\n",
        "{}",
        outcome.stdout
    );
}

#[test]
fn signals_are_passed_on_and_the_command_decides() {
    let context = Context::new();
    let _listener = installed(&context);
    // It ends by itself where no signal comes.
    let script = "trap 'echo got; exit 5' TERM; trap 'echo twice' INT; echo ready; \
        for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.5; done";
    let mut running = Running::start(&context, &["env", "--exec", "--", "sh", "-c", script]);
    let mut lines = BufReader::new(running.0.stdout.take().expect("its stdout")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert_eq!(next(), "ready");
    for _ in 0..2 {
        // Even the second does not end us before the command.
        running.signal(&context, "INT");
        assert_eq!(next(), "twice");
    }
    running.signal(&context, "TERM");
    assert_eq!(next(), "got");
    assert_eq!(running.code(), Some(5));
}

#[test]
fn a_command_that_is_not_there_is_exit_127() {
    let context = Context::new();
    let _listener = installed(&context);
    let outcome = context.run(&["env", "--exec", "--", "no-such-program", "--flag"]);
    insta::assert_snapshot!(steady(&outcome.fails_with(127)));
    let args = ["--progress", "json", "env", "--exec", "--", "no-such-program"];
    let stderr = context.run(&args).fails_with(127);
    let event: Value = serde_json::from_str(&stderr).expect("one event");
    assert_eq!(
        (&event["event"], &event["code"]),
        (&"error".into(), &"tool-missing".into())
    );
}

#[test]
fn a_command_is_named_behind_two_hyphens_and_takes_no_format() {
    let context = Context::new();
    for args in [
        &["env", "--exec"][..],
        &["env", "--", "sh"],
        &["env", "--exec", "sh"],
        &["env", "--exec", "-o", "github", "--", "sh"],
    ] {
        let stderr = context.run(args).fails_with(2);
        assert!(stderr.starts_with("error: "), "{args:?}: {stderr}");
    }
}

#[test]
fn before_there_is_a_cluster_the_doctor_looks_at_the_port_that_up_would_open() {
    let context = Context::new();
    context.fake_docker();
    context.write("containers.json", "[]");
    let taken = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("its address").port().to_string();
    let check = |args: &[&str], variables: &[(&str, &str)]| {
        let all = [&["doctor", "--only", "host-port-free", "-o", "json"], args].concat();
        let outcome = context.run_with(variables, &all);
        let report: Value = serde_json::from_str(&outcome.stdout).expect("JSON");
        let found = report["checks"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|check| check["id"] == "host-port-free")
            .cloned()
            .expect("the check");
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        (text("result"), text("message"))
    };
    let (result, message) = check(&["--host-port", &port], &[]);
    assert_eq!(result, "error");
    assert!(
        message.starts_with(&format!("port {port} of 127.0.0.1 is not free")),
        "{message}"
    );
    assert_eq!(check(&[], &[("IRSA_EMU_HOST_PORT", &port)]).0, "error");
    assert_eq!(check(&["--host-port", "0"], &[]).0, "ok");
    // A cluster that somebody else made publishes what it publishes.
    let named = ["--host-port", port.as_str(), "--context", "kind-nowhere"];
    assert_eq!(check(&named, &[]).0, "skipped");
    context.write("irsa-emu.yaml", &format!("emulator: {{hostPort: {port}}}\n"));
    assert_eq!(check(&[], &[]).0, "error");
}
