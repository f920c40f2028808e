//! Starts other programs: the only place that does, so that tests can put a fake in its place.

use std::path::PathBuf;
use std::process::Stdio;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};

/// A program to start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Invocation {
    /// Its name, looked up in PATH.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it reads.
    pub stdin: Option<String>,
    /// Environment variables beside ours.
    pub env: Vec<(String, String)>,
}

impl Invocation {
    /// A program with arguments.
    #[must_use]
    pub fn new<'a>(program: &str, args: impl IntoIterator<Item = &'a str>) -> Self {
        let args = args.into_iter().map(str::to_owned).collect();
        Self {
            program: program.to_owned(),
            args,
            ..Self::default()
        }
    }

    /// The same with something to read.
    #[must_use]
    pub fn with_stdin(mut self, text: String) -> Self {
        self.stdin = Some(text);
        self
    }

    /// The same with an environment variable.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The command line, for people.
    #[must_use]
    pub fn line(&self) -> String {
        std::iter::once(&self.program)
            .chain(&self.args)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// What a program left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// Whether it exited with 0.
    pub success: bool,
    /// How it ended, for people.
    pub status: String,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// It is not in PATH.
    #[error("`{0}` is not on PATH")]
    NotFound(String),
    /// It could not be started, or not be waited for.
    #[error("`{line}` could not be run")]
    Io {
        /// The command line.
        line: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Runs programs.
#[async_trait]
pub trait CommandRunner: Send + Sync {
    /// Where PATH has a program.
    fn find(&self, program: &str) -> Option<PathBuf>;

    /// Runs a program to its end, and passes each line of its stderr on as it comes.
    async fn run(
        &self,
        invocation: &Invocation,
        on_line: &(dyn for<'a> Fn(&'a str) + Sync),
    ) -> Result<Finished, ExecError>;
}

/// Runs programs of this machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRunner;

#[async_trait]
impl CommandRunner for SystemRunner {
    fn find(&self, program: &str) -> Option<PathBuf> {
        which::which(program).ok()
    }

    async fn run(
        &self,
        invocation: &Invocation,
        on_line: &(dyn for<'a> Fn(&'a str) + Sync),
    ) -> Result<Finished, ExecError> {
        if self.find(&invocation.program).is_none() {
            return Err(ExecError::NotFound(invocation.program.clone()));
        }
        let failed = |source| ExecError::Io {
            line: invocation.line(),
            source,
        };
        tracing::debug!(line = invocation.line(), "starting");
        let mut child = spawn(invocation).map_err(failed)?;
        let group = Group(child.id());
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let (Some(mut pipe), Some(text)) = (stdin, &invocation.stdin) {
                // A program that does not read to the end reports why itself.
                let _ = pipe.write_all(text.as_bytes()).await;
            }
        };
        let ((), stdout, stderr, status) = tokio::join!(
            feed,
            collect(stdout, &|_| ()),
            collect(stderr, on_line),
            child.wait()
        );
        let status = status.map_err(failed)?;
        group.ended();
        Ok(Finished {
            success: status.success(),
            status: status.to_string(),
            stdout,
            stderr,
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts programs")]
fn spawn(invocation: &Invocation) -> std::io::Result<tokio::process::Child> {
    tokio::process::Command::new(&invocation.program)
        .args(&invocation.args)
        .envs(invocation.env.iter().map(|(name, value)| (name, value)))
        .stdin(if invocation.stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C is ours to handle: a child in our own group would be hit by it halfway.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// The process group of a child; ends with us when we stop waiting for it.
struct Group(Option<u32>);

impl Group {
    fn ended(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let Some(id) = self.0 else { return };
        let group = i32::try_from(id).ok().and_then(Pid::from_raw);
        let sent = group.map(|group| kill_process_group(group, Signal::TERM));
        tracing::debug!(id, ?sent, "ended the process group");
    }
}

async fn collect(
    stream: Option<impl AsyncRead + Unpin>,
    on_line: &(dyn for<'a> Fn(&'a str) + Sync),
) -> String {
    let mut text = String::new();
    let Some(stream) = stream else { return text };
    let mut lines = BufReader::new(stream).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        on_line(line.trim_end());
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// A runner that starts nothing: it takes its results from a list, and keeps what it was asked.
#[cfg(test)]
pub(crate) mod fake {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    pub(crate) struct FakeRunner {
        effect: Mutex<Option<Box<dyn Fn() + Send>>>,
        pub(crate) programs: Vec<&'static str>,
        pub(crate) answers: Mutex<VecDeque<Finished>>,
        pub(crate) asked: Mutex<Vec<Invocation>>,
    }

    impl FakeRunner {
        pub(crate) fn answering(answers: impl IntoIterator<Item = Finished>) -> Self {
            Self {
                programs: vec!["kind", "k3d"],
                answers: Mutex::new(answers.into_iter().collect()),
                ..Self::default()
            }
        }

        /// What every program does beside its output.
        pub(crate) fn on_run(&self, effect: impl Fn() + Send + 'static) {
            *self.effect.lock().unwrap() = Some(Box::new(effect));
        }

        pub(crate) fn lines(&self) -> Vec<String> {
            self.asked.lock().unwrap().iter().map(Invocation::line).collect()
        }
    }

    pub(crate) fn ok(stdout: &str) -> Finished {
        Finished {
            success: true,
            status: "exit status: 0".into(),
            stdout: stdout.into(),
            stderr: String::new(),
        }
    }

    pub(crate) fn fails(stderr: &str) -> Finished {
        Finished {
            success: false,
            status: "exit status: 1".into(),
            stdout: String::new(),
            stderr: stderr.into(),
        }
    }

    #[async_trait]
    impl CommandRunner for FakeRunner {
        fn find(&self, program: &str) -> Option<PathBuf> {
            self.programs.contains(&program).then(|| PathBuf::from(program))
        }

        async fn run(
            &self,
            invocation: &Invocation,
            _: &(dyn for<'a> Fn(&'a str) + Sync),
        ) -> Result<Finished, ExecError> {
            self.asked.lock().unwrap().push(invocation.clone());
            if let Some(effect) = self.effect.lock().unwrap().as_ref() {
                effect();
            }
            self.answers
                .lock()
                .unwrap()
                .pop_front()
                .ok_or_else(|| ExecError::NotFound(invocation.program.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_status_and_lines_of_a_program_arrive() {
        let seen = std::sync::Mutex::new(Vec::new());
        let script = "cat; echo one >&2; echo two >&2; exit 3";
        let invocation = Invocation::new("sh", ["-c", script]).with_stdin("hello".into());
        let finished = SystemRunner
            .run(&invocation, &|line| seen.lock().unwrap().push(line.to_owned()))
            .await
            .unwrap();
        assert_eq!((finished.success, finished.stdout.as_str()), (false, "hello\n"));
        assert_eq!(finished.status, "exit status: 3");
        assert_eq!(*seen.lock().unwrap(), ["one", "two"]);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let error = SystemRunner
            .run(&Invocation::new("no-such-program", []), &|_| ())
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` is not on PATH");
    }

    #[tokio::test]
    async fn a_program_that_nobody_waits_for_any_more_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("mark");
        let script = format!("sh -c 'sleep 1; touch {}' & wait", mark.display());
        let invocation = Invocation::new("sh", ["-c", &script]);
        let run = SystemRunner.run(&invocation, &|_| ());
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(200), run)
                .await
                .is_err()
        );
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        assert!(!mark.exists());
    }
}
