//! What the tests of the built program share: a home of its own, and programs that do as told.

#![allow(
    dead_code,
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too; not every test file needs every helper"
)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use irsa_emu_test_support::api_server::{self, ApiServer};
use irsa_emu_test_support::docker;
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

    pub(crate) fn run(&self, args: &[&str]) -> ProgramOutput {
        self.run_with(&[], args)
    }

    /// Runs the program with variables, in the home folder.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], args: &[&str]) -> ProgramOutput {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        self.outcome(command.output().expect("the program runs"))
    }

    pub(crate) fn outcome(&self, output: std::process::Output) -> ProgramOutput {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .expect("text")
                .replace(&self.home.path().display().to_string(), "[HOME]")
        };
        ProgramOutput {
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

    /// Starts a fake Docker whose containers are files of the home folder.
    pub(crate) fn fake_docker(&self) {
        docker::start(self.home.path(), &self.path("no-docker.sock")).expect("a fake Docker");
    }

    /// Starts a fake API server, and writes a kubeconfig whose one context has this name and leads there.
    pub(crate) fn serve(&self, server: ApiServer, context: &str) {
        let server = server.start().expect("a fake API server");
        self.write("kubeconfig", &server.kubeconfig(context));
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
    pub(crate) fn up(&self, args: &[&str]) -> ProgramOutput {
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

pub(crate) struct ProgramOutput {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl ProgramOutput {
    /// Asserts the exit code and that nothing was written to stdout; returns stderr.
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

/// A kubeconfig with one context, whose API server has this port.
pub(crate) fn kubeconfig(context: &str, port: u16) -> String {
    api_server::kubeconfig(context, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
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
