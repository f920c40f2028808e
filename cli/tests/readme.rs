//! What the pages show to type, typed: a developer's current context is often a cluster in production, and no line that
//! is followed word for word may reach it.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Context;
use irsa_emu_test_support::api_server::ApiServer;
use irsa_emu_test_support::http::StatusCode;

/// The cluster of `irsa-emu up`.
const OWN: &str = "kind-irsa-emu";
/// Pages that only show what was seen once.
const RECORDED: [&str; 1] = ["recorded-run.md"];

/// The README and the pages of `docs/`, by their names.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<PathBuf> = fs::read_dir(root.join("docs"))
        .expect("the pages")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .collect();
    files.sort();
    files.insert(0, root.join("README.md"));
    let read = |path: PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, fs::read_to_string(&path).expect("a page"))
    };
    files.into_iter().map(read).collect()
}

/// The fenced blocks of a page, each with its language.
fn blocks(page: &str) -> Vec<(&str, String)> {
    let (mut found, mut open) = (Vec::new(), None::<(&str, String)>);
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(language), None) => open = Some((language, String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// What a block shows to type: all of a script, and what stands behind the `$` of a console. A line that ends with `\` goes
/// on in the next.
fn typed(language: &str, block: &str) -> Vec<String> {
    match language {
        "sh" => vec![block.to_owned()],
        "console" => {
            let (mut commands, mut goes_on) = (Vec::<String>::new(), false);
            for line in block.lines() {
                if let Some(command) = line.strip_prefix("$ ") {
                    commands.push(command.to_owned());
                } else if goes_on && let Some(last) = commands.last_mut() {
                    last.push('\n');
                    last.push_str(line);
                } else {
                    continue;
                }
                goes_on = line.ends_with('\\');
            }
            commands
        }
        _ => Vec::new(),
    }
}

/// A machine whose current context is a cluster in production, beside that of `irsa-emu up`.
struct Machine {
    context: Context,
    /// Connections to production, and its port.
    reached: Arc<AtomicUsize>,
    port: u16,
}

impl Machine {
    fn new() -> Self {
        let context = Context::new();
        let reached = Arc::<AtomicUsize>::default();
        let production = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = production.local_addr().expect("an address").port();
        let counted = Arc::clone(&reached);
        std::thread::spawn(move || {
            for mut stream in production.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"counted");
            }
        });
        let own = ApiServer::installed(Some("http://127.0.0.1:9"));
        let own = own.start().expect("a fake API server").address;
        context.write(
            "kubeconfig",
            &format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: production\n\
                 clusters: [{{name: p, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}, {{name: o, cluster: {{server: \"http://{own}\"}}}}]\n\
                 users: [{{name: u, user: {{}}}}]\n\
                 contexts: [{{name: production, context: {{cluster: p, user: u}}}}, {{name: {OWN}, context: {{cluster: o, user: u}}}}]\n"
            ),
        );
        // As the real ones do: whoever names no context gets the current one.
        let script = |flag: &str, offline: &str| {
            format!(
                "echo \"${{0##*/}} $*\" >>\"$HOME/reached.log\"\n\
                 case \" $* \" in {offline}) exit 0;; *\" {flag} \"*) exit 0;; esac\n\
                 exec /bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"
            )
        };
        context.program("kubectl", &script("--context", "\" config \"*"));
        context.program("helm", &script("--kube-context", "\" repo \"*|\" template \"*"));
        for program in ["make", "aws", "kind", "k3d", "docker", "terraform"] {
            context.program(program, "exit 1");
        }
        symlink(env!("CARGO_BIN_EXE_irsa-emu"), context.path("bin/irsa-emu")).expect("a link");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        symlink(root.join("examples"), context.path("examples")).expect("a link");
        Self {
            context,
            reached,
            port,
        }
    }

    /// Types a command, and returns what it wrote to stderr.
    #[expect(clippy::disallowed_methods, reason = "the shell of a reader")]
    fn types(&self, command: &str) -> String {
        let home = self.context.home.path();
        let path = format!("{}:/usr/bin:/bin", self.context.path("bin").display());
        let said = std::process::Command::new("/bin/bash")
            .args(["-c", command])
            .env_clear()
            .env("HOME", home)
            .env("PATH", path)
            .env("KUBECONFIG", self.context.path("kubeconfig"))
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.context.path("no-docker.sock").display()),
            )
            .current_dir(home)
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        String::from_utf8_lossy(&said.stderr).into_owned()
    }

    /// How often production was reached since this was last asked.
    fn reached(&self) -> usize {
        // Connections are accepted in their order: when ours has been counted, so have all before it.
        let mut own = TcpStream::connect(("127.0.0.1", self.port)).expect("a connection");
        own.read_exact(&mut [0; 7]).expect("it is counted");
        self.reached.swap(0, Ordering::SeqCst) - 1
    }

    /// What kubectl and helm were called with.
    fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.context.path("reached.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

#[test]
fn what_the_pages_show_to_type_never_reaches_the_current_context() {
    let mut calls = Vec::new();
    for (name, page) in pages() {
        if RECORDED.contains(&name.as_str()) {
            continue;
        }
        let machine = Machine::new();
        for (language, block) in blocks(&page) {
            for command in typed(language, &block) {
                let said = machine.types(&command);
                assert!(
                    !said.contains("\nUsage: ") && !said.contains("command not found"),
                    "{name}: {command}\n{said}"
                );
                assert_eq!(machine.reached(), 0, "{name}: reaches production:\n{command}");
            }
        }
        calls.extend(machine.calls());
    }
    let wrong: Vec<&String> = calls
        .iter()
        .filter(|call| !is_offline(call) && !call.contains(&format!("context {OWN}")))
        .collect();
    assert_eq!(wrong, [""; 0], "these name another cluster");
    assert!(
        calls.iter().any(|call| call.starts_with("helm install vault")),
        "the README's own line was typed: {calls:?}"
    );
}

#[test]
fn a_line_that_names_no_cluster_would_be_seen() {
    for (line, reaches) in [
        ("helm install vault hashicorp/vault -n kube-system", 1),
        ("kubectl get pods", 1),
        ("kubectl --context kind-irsa-emu get pods", 0),
        ("helm upgrade --install a b --kube-context kind-irsa-emu", 0),
        ("helm repo add a b", 0),
    ] {
        let machine = Machine::new();
        machine.types(line);
        assert_eq!(machine.reached(), reaches, "{line}");
    }
}

/// The calls of kubectl and helm in a line, each up to what ends a command.
fn calls_in(line: &str) -> Vec<&str> {
    let words = |text: &str| text.split_whitespace().count();
    let mut found = Vec::new();
    for program in ["kubectl ", "helm "] {
        for (at, _) in line.match_indices(program) {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "-_/.".contains(c)) {
                continue;
            }
            let rest = &line[at..];
            let end = rest.find(['|', '`', ';', '#']).unwrap_or(rest.len());
            // A name alone, such as `kubectl annotate`, is nothing that is typed, and neither is what a message says of it.
            let is_said = rest.starts_with("kubectl refuses ");
            if words(&rest[..end]) > 2 && !is_said {
                found.push(rest[..end].trim());
            }
        }
    }
    found
}

/// Whether a call reaches no cluster.
fn is_offline(call: &str) -> bool {
    let offline = [
        "helm repo ",
        "helm template ",
        "kubectl config ",
        "kubectl irsa_emu ",
    ];
    offline.iter().any(|start| call.starts_with(start))
}

/// Whether a call reaches no cluster, or names the one that it reaches.
fn is_safe(call: &str) -> bool {
    is_offline(call) || call.contains(" --context ") || call.contains(" --kube-context ")
}

#[test]
fn every_call_of_kubectl_and_helm_on_a_page_names_its_cluster() {
    let mut wrong = Vec::new();
    for (name, page) in pages() {
        let in_blocks: Vec<String> = blocks(&page)
            .into_iter()
            .flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect();
        // Outside of blocks, what is typed stands between backticks.
        let spans = page.split('`').skip(1).step_by(2).map(str::to_owned);
        for text in in_blocks.into_iter().chain(spans) {
            let calls = calls_in(&text).into_iter().filter(|call| !is_safe(call));
            wrong.extend(calls.map(|call| format!("{name}: {call}")));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn a_call_that_names_no_cluster_is_found_wherever_it_stands() {
    for (line, unsafe_calls) in [
        ("$ helm install vault hashicorp/vault -n kube-system", 1),
        ("credential_process = kubectl exec -n x pod -- y", 1),
        ("irsa-emu render | kubectl apply -f -", 1),
        ("kubectl --context kind-irsa-emu get pods | kubectl apply -f -", 1),
        ("kubectl irsa_emu status", 0),
        ("the `kubectl annotate` that is printed", 0),
        ("~/.local/bin/kubectl-irsa_emu up now", 0),
    ] {
        let found = calls_in(line).into_iter().filter(|call| !is_safe(call)).count();
        assert_eq!(found, unsafe_calls, "{line}");
    }
}

/// What makes a call one that reaches a cluster, where a message names it.
const REACHES: [&str; 18] = [
    "kubectl -",
    "kubectl annotate",
    "kubectl apply",
    "kubectl auth",
    "kubectl cluster-info",
    "kubectl create",
    "kubectl delete",
    "kubectl describe",
    "kubectl edit",
    "kubectl get",
    "kubectl label",
    "kubectl logs",
    "kubectl patch",
    "kubectl rollout",
    "kubectl version",
    "helm install",
    "helm uninstall",
    "helm upgrade",
];

/// The Rust files below a folder that hold no tests, each without the tests at its end.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a file").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).expect("a source");
            let end = text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(text.len());
            found.push((path, text[..end].to_owned()));
        }
    }
    found
}

/// Whether a line of a program prints a call that names no cluster.
fn prints_unsafe_call(line: &str) -> bool {
    let calls = REACHES.iter().flat_map(|call| line.match_indices(call));
    let mut unsafe_calls = calls.filter(|(at, _)| !is_safe(&line[*at..]));
    !line.trim_start().starts_with("//") && unsafe_calls.next().is_some()
}

#[test]
fn no_program_prints_a_call_that_names_no_cluster() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut wrong = Vec::new();
    for folder in ["cli/src", "crates", "sidecar/src", "webhook/src"] {
        for (path, text) in sources(&root.join(folder)) {
            let lines = text.lines().filter(|line| prints_unsafe_call(line));
            wrong.extend(lines.map(|line| format!("{}: {}", path.display(), line.trim())));
        }
    }
    // The help of an option is a comment in the source.
    let help = root.join("cli/tests/snapshots");
    for entry in fs::read_dir(help).expect("the snapshots") {
        let text = fs::read_to_string(entry.expect("a file").path()).expect("a snapshot");
        let lines = text.lines().filter(|line| prints_unsafe_call(line));
        wrong.extend(lines.map(str::to_owned));
    }
    assert_eq!(wrong, [""; 0]);
    for (line, expected) in [
        ("\"kubectl get --raw /readyz\",", true),
        ("The address: `kubectl -n irsa-emu get service localstack`", true),
        ("/// who types kubectl get pods", false),
        ("\"kubectl --context NAME get pods\"", false),
        ("\"which kubectl does not read\"", false),
    ] {
        assert_eq!(prints_unsafe_call(line), expected, "{line}");
    }
}

#[test]
fn a_recipe_ends_with_the_next_command_which_names_its_cluster() {
    let context = Context::new();
    let server = ApiServer::installed(None).replying(|request| {
        let is_recipe = request.path.starts_with("/apis/irsa-emu.dev/v1alpha1/recipes/");
        (request.method == "PATCH" && is_recipe).then(|| (StatusCode::CREATED, request.body.to_owned()))
    });
    context.serve(server, "kind-irsa-emu");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/vault/values.yaml");
    fs::copy(example, context.path("vault-values.yaml")).expect("a file");
    let args = [
        "recipe",
        "vault-awskms",
        "--values",
        "vault-values.yaml",
        "--no-wait",
    ];
    let next = "helm upgrade --install vault hashicorp/vault --kube-context kind-irsa-emu -n kube-system -f vault-values.yaml";
    let outcome = context.run(&args);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stderr.ends_with(&format!("\nnext: {next}\n")),
        "{}",
        outcome.stderr
    );
    let outcome = context.run(&[&args[..], &["-o", "json"]].concat());
    let envelope: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(envelope["data"]["next"], next);
    // Without a cluster there is none to deploy into.
    let outcome = context.run(&[&args[..], &["--dry-run", "-o", "json"]].concat());
    let envelope: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(envelope["data"].get("next"), None);
}
