//! What the tests of the built program share: a home of its own, a fake Docker, and programs that do as told.

#![allow(
    dead_code,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too; not every test file needs every helper"
)]

pub(crate) mod api;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A home folder of its own, an empty PATH, and no variable that could lead to the machine's own cluster.
pub(crate) struct Context {
    pub(crate) home: TempDir,
}

impl Context {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The built program in these surroundings.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the tests start the program"
    )]
    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("irsa-emu"));
        command.env_clear();
        command
            .env("HOME", self.home.path())
            .env("PATH", self.path("bin"))
            .env("KUBECONFIG", self.path("kubeconfig"))
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.path("no-docker.sock").display()),
            )
            .current_dir(self.home.path())
            .args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Outcome {
        self.run_with(&[], args)
    }

    /// Runs the program with variables, in the home folder.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Outcome {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        self.outcome(command.output().expect("the program runs"))
    }

    pub(crate) fn outcome(&self, output: std::process::Output) -> Outcome {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .expect("text")
                .replace(&self.home.path().display().to_string(), "[HOME]")
        };
        Outcome {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// A program that does as told, first in PATH.
    pub(crate) fn program(&self, name: &str, script: &str) {
        let folder = self.path("bin");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    }

    /// Answers the calls that `up` and `down` make before anything is made: an old Docker with the containers of the
    /// file `containers.json`, each of which is told by a file of its own.
    pub(crate) fn fake_docker(&self) {
        let listener = UnixListener::bind(self.path("no-docker.sock")).expect("a socket");
        let home = self.home.path().to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let home = home.clone();
                std::thread::spawn(move || serve(stream, &home));
            }
        });
    }

    /// A container of the fake Docker.
    pub(crate) fn container(&self, labels: &str, image: &str, port: u16) {
        let summary = format!(r#"[{{"Id":"c1","Names":["/node"],"Labels":{{{labels}}}}}]"#);
        self.write("containers.json", &summary);
        let inspected = format!(
            r#"{{"Id":"c1","Name":"/node","State":{{"Running":true}},"Config":{{"Image":"{image}"}},
               "HostConfig":{{"PortBindings":{{"30566/tcp":[{{"HostIp":"127.0.0.1","HostPort":"{port}"}}]}}}}}}"#
        );
        self.write("container-c1.json", &inspected);
    }

    /// Files that look like static programs, as arguments of `up`.
    pub(crate) fn static_programs(&self) -> Vec<String> {
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        elf[18] = 62;
        let file = self.path("static-program");
        fs::write(&file, elf).expect("a file");
        let file = file.display().to_string();
        vec![
            "--webhook-binary".to_owned(),
            file.clone(),
            "--sidecar-binary".to_owned(),
            file,
        ]
    }

    /// `up` with programs that look like static ones, and a port of its own unless one is given.
    pub(crate) fn up(&self, args: &[&str]) -> Outcome {
        self.run(&self.up_args(args).iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub(crate) fn up_args(&self, args: &[&str]) -> Vec<String> {
        let mut all = vec!["up".to_owned()];
        if !args.contains(&"--host-port") {
            all.extend(["--host-port".to_owned(), "0".to_owned()]);
        }
        all.extend(self.static_programs());
        all.extend(args.iter().map(|arg| (*arg).to_owned()));
        all
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).expect("a folder is made");
        }
        fs::write(path, text).expect("a file is written");
    }
}

pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Asserts the exit code and that nothing was written to stdout; answers stderr.
    pub(crate) fn fails_with(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{}",
            self.stderr
        );
        self.stderr
    }
}

fn serve(mut stream: UnixStream, home: &Path) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let request = read_request(&mut reader)?;
        let mut words = request.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        note(home, &format!("{method} {path}"));
        if path.ends_with("/start") && path.starts_with("/exec/") {
            // What a command in a container writes comes on the same connection, here nothing.
            write!(
                stream,
                "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
            )
            .ok()?;
            return None;
        }
        let (status, body) = image(path, home).unwrap_or_else(|| {
            let (status, text) = answer(method, path, home);
            (status, text.into_bytes())
        });
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
        .ok()?;
        stream.write_all(&body).ok()?;
    }
}

/// Reads a request to its end, and answers its first line.
pub(crate) fn read_request(reader: &mut impl BufRead) -> Option<String> {
    read_whole(reader).map(|(line, _)| line)
}

/// Reads a request to its end, and answers its first line and its body.
pub(crate) fn read_whole(reader: &mut impl BufRead) -> Option<(String, String)> {
    let mut request = String::new();
    if reader.read_line(&mut request).ok()? == 0 {
        return None;
    }
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).ok()? <= 2 {
            break;
        }
        let header = header.to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((request, String::from_utf8_lossy(&body).into_owned()))
}

/// Notes what the fake Docker is asked.
fn note(home: &Path, line: &str) {
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(home.join("docker.log"));
    writeln!(log.expect("a log"), "{line}").expect("a line");
}

/// What is answered about images: there is one, if the file `image.tar` is there.
fn image(path: &str, home: &Path) -> Option<(&'static str, Vec<u8>)> {
    let path = path.split('?').next()?;
    let of_image = path.strip_prefix("/images/")?;
    let archive = fs::read(home.join("image.tar"));
    Some(match archive {
        Ok(archive) if of_image.ends_with("/get") => ("200 OK", archive),
        Ok(_) => ("200 OK", br#"{"Id":"sha256:e","Size":219000000}"#.to_vec()),
        Err(_) => (
            "404 Not Found",
            br#"{"message":"pull access denied: no such host"}"#.to_vec(),
        ),
    })
}

fn answer(method: &str, path: &str, home: &Path) -> (&'static str, String) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let of_container = path.strip_prefix("/containers/").unwrap_or_default();
    match path {
        // Containers of irsa-emu itself are in a file of their own.
        "/containers/json" if query.contains("role%3Dproxy") => (
            "200 OK",
            fs::read_to_string(home.join("proxies.json")).unwrap_or_else(|_| "[]".to_owned()),
        ),
        "/version" => (
            "200 OK",
            r#"{"Version":"20.10.24","ApiVersion":"1.41","Arch":"amd64"}"#.to_owned(),
        ),
        // Enough of everything, so that the machine of the test does not show.
        "/info" => (
            "200 OK",
            r#"{"CgroupVersion":"2","NCPU":8,"MemTotal":34359738368}"#.to_owned(),
        ),
        "/containers/json" => {
            let all = fs::read_to_string(home.join("containers.json")).unwrap_or_else(|_| "[]".to_owned());
            // The one filter that the tests need: which program made the cluster.
            let wanted = if query.contains("k3d") { "k3d" } else { "kind" };
            let shown = if all.contains(wanted) {
                all
            } else {
                "[]".to_owned()
            };
            ("200 OK", shown)
        }
        _ if method == "DELETE" && of_container == "p1" => {
            let _ = fs::remove_file(home.join("proxies.json"));
            ("204 No Content", String::new())
        }
        _ if of_container.ends_with("/json") => {
            let id = of_container.trim_end_matches("/json");
            (
                "200 OK",
                fs::read_to_string(home.join(format!("container-{id}.json"))).unwrap_or_default(),
            )
        }
        // Every command in a container fails.
        _ if of_container.ends_with("/exec") => ("201 Created", r#"{"Id":"e1"}"#.to_owned()),
        "/exec/e1/json" => ("200 OK", r#"{"Running":false,"ExitCode":1}"#.to_owned()),
        _ => ("404 Not Found", r#"{"message":"page not found"}"#.to_owned()),
    }
}

/// A kubeconfig with one context.
pub(crate) fn kubeconfig(context: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: \"{context}\"\n\
         clusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}]\n\
         users: [{{name: u, user: {{}}}}]\n\
         contexts: [{{name: \"{context}\", context: {{cluster: c, user: u}}}}]\n"
    )
}

/// Talk without what differs from run to run: durations and ports.
pub(crate) fn steady(text: &str) -> String {
    let mut steady = String::new();
    for line in text.lines() {
        let line = match line.rfind(" (") {
            Some(at) if line.ends_with(" s)") => &line[..at],
            _ => line,
        };
        steady.push_str(line);
        steady.push('\n');
    }
    steady
}
