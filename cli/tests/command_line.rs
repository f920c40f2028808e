//! The built program without any cluster: its help, and every way in which something is missing or wrong.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use std::fs;
use std::net::TcpListener;

use common::{Context, Outcome, kubeconfig, steady};

#[test]
fn help_of_every_command_is_in_the_snapshot() {
    let context = Context::new();
    for verb in ["", "up", "down", "version"] {
        let mut args: Vec<&str> = verb.split(' ').filter(|word| !word.is_empty()).collect();
        args.push("--help");
        let outcome = context.run(&args);
        assert_eq!((outcome.code, outcome.stderr.as_str()), (Some(0), ""));
        let name = format!("help_{}", if verb.is_empty() { "all" } else { verb });
        insta::assert_snapshot!(name, outcome.stdout);
    }
}

#[test]
fn the_version_is_data() {
    let context = Context::new();
    assert_eq!(
        context.run(&["version"]).stdout,
        concat!(env!("CARGO_PKG_VERSION"), "\n")
    );
    let json = context.run(&["version", "-o", "json"]).stdout;
    assert!(
        json.contains(concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}")),
        "{json}"
    );
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

mod with_docker {
    //! With a Docker that answers: a fake one, on a socket.

    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::{Context, Outcome, TcpListener, fs, steady};

    /// Answers the few calls that come before anything is made: an old Docker without containers.
    fn fake_docker(context: &Context) {
        let listener = UnixListener::bind(context.path("no-docker.sock")).expect("a socket");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || serve(stream));
            }
        });
    }

    fn serve(mut stream: UnixStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let mut request = String::new();
            if reader.read_line(&mut request).ok()? == 0 {
                return None;
            }
            let mut header = String::new();
            while reader.read_line(&mut header).ok()? > 2 {
                header.clear();
            }
            let path = request.split(' ').nth(1)?;
            let (status, body) = answer(path);
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
                .ok()?;
        }
    }

    /// Runs `up` with programs that look like static ones, and a port of its own.
    fn up(context: &Context) -> Outcome {
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        elf[18] = 62;
        let file = context.path("static-program");
        fs::write(&file, elf).expect("a file");
        let file = file.display().to_string();
        context.run(&[
            "up",
            "--host-port",
            "0",
            "--webhook-binary",
            &file,
            "--sidecar-binary",
            &file,
        ])
    }

    fn answer(path: &str) -> (&'static str, String) {
        match path.split('?').next().unwrap_or_default() {
            "/version" => (
                "200 OK",
                r#"{"Version":"20.10.24","ApiVersion":"1.41","Arch":"amd64"}"#.to_owned(),
            ),
            "/containers/json" => ("200 OK", "[]".to_owned()),
            _ => ("404 Not Found", r#"{"message":"page not found"}"#.to_owned()),
        }
    }

    /// Programs that do as told, first in PATH.
    fn program(context: &Context, name: &str, script: &str) {
        let folder = context.path("bin");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    #[test]
    fn a_missing_kind_is_exit_4() {
        let context = Context::new();
        fake_docker(&context);
        insta::assert_snapshot!(steady(&context.run(&["up"]).fails_with(4)));
    }

    #[test]
    fn a_taken_port_is_exit_1_with_its_owner() {
        let context = Context::new();
        fake_docker(&context);
        program(&context, "kind", "exit 0");
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("an address").port().to_string();
        let stderr = context.run(&["up", "--host-port", &port]).fails_with(1);
        let error = stderr.split_once("error: ").expect("an error").1;
        let expected =
            format!("reserving port {port} of 127.0.0.1 for the emulator: it is taken by process ");
        assert!(error.starts_with(&expected), "{stderr}");
        assert!(error.ends_with("next: irsa-emu up --host-port 0\n"), "{stderr}");
    }

    #[test]
    fn a_failed_creation_is_rolled_back_and_the_current_context_comes_back() {
        let context = Context::new();
        fake_docker(&context);
        let log = context.path("kind.log");
        let script = format!(
            "echo \"$*\" >> {log}\ncase \"$*\" in create*) cat > /dev/null; \
             echo 'current-context: kind-irsa-emu' > \"$KUBECONFIG\"; echo ' • Preparing nodes' >&2; \
             echo 'ERROR: failed to create cluster: no space left' >&2; exit 1;; esac",
            log = log.display()
        );
        program(&context, "kind", &script);
        context.write("kubeconfig", "current-context: mine\n");
        let stderr = up(&context).fails_with(1);
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
        fake_docker(&context);
        program(&context, "kind", "case \"$*\" in create*) exit 99;; esac");
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
        fake_docker(&context);
        program(&context, "kind", "exit 0");
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
        fake_docker(&context);
        let (log, mark) = (context.path("kind.log"), context.path("mark"));
        let script = format!(
            "echo \"$*\" >> {log}\ncase \"$*\" in create*) kill -INT $PPID; sleep 20; touch {mark};; esac",
            log = log.display(),
            mark = mark.display()
        );
        program(&context, "kind", &script);
        program(&context, "kill", "exec /bin/kill \"$@\"");
        let began = std::time::Instant::now();
        let stderr = up(&context).fails_with(130);
        assert!(began.elapsed().as_secs() < 15, "{stderr}");
        insta::assert_snapshot!(steady(&stderr));
        let calls = fs::read_to_string(log).expect("the log");
        assert_eq!(calls.lines().last(), Some("delete cluster --name irsa-emu"));
        assert!(!mark.exists());
    }
}
