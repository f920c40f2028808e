//! Programs that make clusters: how they are run, and what of their words is kept when they fail.

use minijinja::{Environment, UndefinedBehavior};

use crate::exec::{CommandRunner, ExecError, Finished, Invocation};
use crate::failure::{Code, ExitStatus, Hint};
use crate::local::family::Family;

/// How many of a program's last lines are kept.
const LAST_LINES: usize = 12;

/// Why a program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be run.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// It failed.
    #[error("`{line}` failed ({status}): {output}")]
    Failed {
        /// The command line.
        line: String,
        /// How it ended.
        status: String,
        /// The end of what it wrote.
        output: String,
    },
    /// Its configuration could not be written.
    #[error("the configuration of the cluster could not be rendered")]
    Template(#[from] minijinja::Error),
    /// The user's own configuration of the cluster could not be written again.
    #[error("the configuration of the cluster could not be written")]
    Yaml(#[from] serde_saphyr::ser::Error),
    /// Its response could not be read.
    #[error("`{line}` printed no JSON")]
    Answer {
        /// The command line.
        line: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The kubeconfig could not be read or changed.
    #[error(transparent)]
    Kubeconfig(#[from] crate::kubernetes::kubeconfig::KubeconfigError),
    /// The cluster is another's.
    #[error("the cluster of context {0} was not made by irsa-emu")]
    NotOurs(String),
}

impl Hint for ToolError {
    fn hint(&self) -> Option<String> {
        let install = match self {
            Self::Exec(ExecError::NotFound(program)) if program == Family::Kind.program() => {
                "go install sigs.k8s.io/kind@latest"
            }
            Self::Exec(ExecError::NotFound(program)) if program == Family::K3d.program() => {
                "https://k3d.io/stable/#installation"
            }
            _ => return None,
        };
        Some(format!(
            "{install}  (or: irsa-emu up --context NAME, for a cluster that is there)"
        ))
    }

    fn exit(&self) -> ExitStatus {
        match self {
            Self::Exec(ExecError::NotFound(_)) => ExitStatus::Prerequisite,
            Self::NotOurs(_) => ExitStatus::Unsafe,
            _ => ExitStatus::Failed,
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Exec(ExecError::NotFound(_)) => Code::ToolMissing,
            Self::Exec(_) | Self::Failed { .. } | Self::Answer { .. } => Code::ToolFailed,
            Self::Kubeconfig(_) => Code::KubeconfigInvalid,
            Self::NotOurs(_) => Code::ClusterNotOurs,
            Self::Template(_) | Self::Yaml(_) => Code::Failed,
        }
    }
}

/// Takes a line of output.
pub type OnLine<'a> = dyn for<'l> Fn(&'l str) + Sync + 'a;

/// Makes sure that a program is there.
pub(super) fn require(runner: &dyn CommandRunner, family: Family) -> Result<(), ToolError> {
    match runner.find(family.program()) {
        Some(_) => Ok(()),
        None => Err(ExecError::NotFound(family.program().to_owned()).into()),
    }
}

/// Runs a program that must succeed.
pub(super) async fn run(
    runner: &dyn CommandRunner,
    invocation: &Invocation,
    on_line: &OnLine<'_>,
) -> Result<Finished, ToolError> {
    let finished = runner.run(invocation, on_line).await?;
    if finished.success {
        return Ok(finished);
    }
    let lines: Vec<&str> = finished
        .stderr
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let output = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n    ");
    Err(ToolError::Failed {
        line: invocation.line(),
        status: finished.status,
        output,
    })
}

/// Renders a configuration; a name that the template knows and we do not is an error.
pub(super) fn render(template: &str, values: minijinja::Value) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.render_str(template, values)
}
