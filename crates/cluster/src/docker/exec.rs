//! Commands in containers.

use std::time::{Duration, Instant};

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{Stream, TryStreamExt};
use tokio::io::AsyncWriteExt;

use super::client::Docker;
use super::error::DockerError;

/// How long Docker may take to note the exit code of a command whose output has ended.
const NOTED: Duration = Duration::from_secs(5);

/// What a command in a container left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code.
    pub code: i64,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// A stream of bytes to feed to a command.
pub type Feed = BoxStream<'static, Result<Bytes, std::io::Error>>;

impl Docker {
    /// Runs a command in a container to its end, and feeds it.
    pub async fn exec(
        &self,
        container: &str,
        command: &[&str],
        feed: Option<Feed>,
    ) -> Result<Ran, DockerError> {
        let doing = || format!("running `{}` in the container {container}", command.join(" "));
        let failed = |source| DockerError::Api {
            doing: doing(),
            source,
        };
        let options = CreateExecOptions {
            attach_stdin: Some(feed.is_some()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..CreateExecOptions::default()
        };
        let id = self.api.create_exec(container, options).await.map_err(failed)?.id;
        let mut ran = Ran::default();
        if let StartExecResults::Attached { output, input } =
            self.api.start_exec(&id, None).await.map_err(failed)?
        {
            let (poured, read) = tokio::join!(pour(feed, input), read(output));
            (ran.stdout, ran.stderr) = read.map_err(failed)?;
            // A command that stops reading reports why itself; its exit code decides.
            if let Err(error) = poured {
                tracing::debug!(%error, "the command did not read all of its input");
                ran.stderr.push_str(&error.to_string());
            }
        }
        ran.code = self.exit_code(&id).await.map_err(failed)?;
        Ok(ran)
    }

    /// The exit code of a command whose output has ended. Docker notes it a moment after it closes the output, and
    /// until then means that the command runs.
    async fn exit_code(&self, id: &str) -> Result<i64, bollard::errors::Error> {
        let deadline = Instant::now() + NOTED;
        loop {
            let seen = self.api.inspect_exec(id).await?;
            let ended = seen.running != Some(true) && seen.exit_code.is_some();
            if ended || Instant::now() > deadline {
                return Ok(seen.exit_code.unwrap_or(-1));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs a command that must succeed, and returns what it wrote to stdout.
    pub async fn exec_ok(
        &self,
        container: &str,
        command: &[&str],
        feed: Option<Feed>,
    ) -> Result<String, DockerError> {
        let ran = self.exec(container, command, feed).await?;
        if ran.code == 0 {
            return Ok(ran.stdout);
        }
        let output = if ran.stderr.trim().is_empty() {
            &ran.stdout
        } else {
            &ran.stderr
        };
        Err(DockerError::Command {
            container: container.to_owned(),
            command: command.join(" "),
            output: format!("exit code {}: {}", ran.code, output.trim()),
        })
    }
}

async fn pour(feed: Option<Feed>, mut input: impl tokio::io::AsyncWrite + Unpin) -> std::io::Result<()> {
    if let Some(mut chunks) = feed {
        while let Some(chunk) = chunks.try_next().await? {
            input.write_all(&chunk).await?;
        }
    }
    // The command sees the end of its input.
    input.shutdown().await
}

async fn read(
    mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
) -> Result<(String, String), bollard::errors::Error> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(chunk) = output.try_next().await? {
        match chunk {
            LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
            other => stdout.extend_from_slice(&other.into_bytes()),
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((text(stdout), text(stderr)))
}
