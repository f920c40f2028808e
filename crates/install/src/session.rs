//! Which install a command is about, in which cluster, and under which name it was called.

use std::fmt;
use std::path::PathBuf;

use irsa_emu_core::contract::DEFAULT_INSTANCE;
use irsa_emu_core::kubectl::kubectl;
use irsa_emu_core::shell::shell_quoted;

use irsa_emu_cluster::exec::CommandRunner;
use irsa_emu_cluster::failure::{Code, ExitStatus, Hint};
use irsa_emu_cluster::kubernetes::connect;
use irsa_emu_cluster::kubernetes::connect::{Cluster, ConnectError, Unsafe};
use irsa_emu_cluster::kubernetes::kubeconfig::{KubeconfigError, Kubeconfigs};
use irsa_emu_cluster::local::family::Family;

/// Which install, in which cluster.
pub struct Session {
    /// What users type to call the command: `irsa-emu`, or what kubectl makes of it.
    pub program: &'static str,
    /// Starts other programs.
    pub runner: Box<dyn CommandRunner>,
    /// Name of the install.
    pub instance: String,
    /// Context that the user named.
    pub context: Option<String>,
    /// Kubeconfig that the user named.
    pub kubeconfig: Option<PathBuf>,
    /// Contexts that the user declared safe.
    pub allowed_contexts: Vec<String>,
}

/// Why there is no cluster to work with.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// A kubeconfig cannot be read.
    #[error(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// None was named, and none is of the install.
    #[error(
        "no cluster: the kubeconfig has no context `{context}`, no --context was given, and no local context is current"
    )]
    NoCluster {
        /// The context that the install's own cluster would have.
        context: String,
        /// The next command.
        next: String,
    },
    /// The kubeconfig does not have the context that was named.
    #[error("the kubeconfig has no context `{context}`; it has: {known}")]
    NoContext {
        /// The context.
        context: String,
        /// Those that it has.
        known: String,
    },
    /// It may be no local cluster.
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    /// It does not respond.
    #[error(transparent)]
    Connect(#[from] Unconnected),
}

/// A cluster that does not respond.
#[derive(Debug)]
pub struct Unconnected {
    context: String,
    next: String,
    why: ConnectError,
}

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.why.fmt(f)
    }
}

impl std::error::Error for Unconnected {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.why.source()
    }
}

impl SessionError {
    /// What was attempted.
    #[must_use]
    pub fn attempted(&self) -> String {
        match self {
            Self::Kubeconfig(_) | Self::NoCluster { .. } | Self::NoContext { .. } => {
                "choosing the cluster".to_owned()
            }
            Self::Unsafe(Unsafe { context }) => format!("using the context `{context}`"),
            Self::Connect(error) => connecting(&error.context),
        }
    }
}

/// What is attempted when a cluster is connected to.
#[must_use]
pub fn connecting(context: &str) -> String {
    format!("connecting to the cluster of context `{context}`")
}

impl Hint for SessionError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Kubeconfig(_) => None,
            Self::NoCluster { next, .. } | Self::Connect(Unconnected { next, .. }) => Some(next.clone()),
            Self::NoContext { .. } => Some("kubectl config get-contexts".to_owned()),
            Self::Unsafe(error) => error.hint(),
        }
    }

    fn exit(&self) -> ExitStatus {
        match self {
            Self::Kubeconfig(_) | Self::NoContext { .. } => ExitStatus::Usage,
            Self::NoCluster { .. } => ExitStatus::Failed,
            Self::Unsafe(error) => error.exit(),
            Self::Connect(error) => error.why.exit(),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Kubeconfig(_) => Code::KubeconfigInvalid,
            Self::NoCluster { .. } => Code::NoCluster,
            Self::NoContext { .. } => Code::ContextUnknown,
            Self::Unsafe(error) => error.code(),
            Self::Connect(error) => error.why.code(),
        }
    }
}

impl Session {
    /// The kubeconfig files in force.
    #[must_use]
    pub fn kubeconfigs(&self) -> Kubeconfigs {
        Kubeconfigs::in_force(self.kubeconfig.as_deref())
    }

    /// The context of the install: the one that the user named, else that of the cluster that `up` makes, else the
    /// current one where that is local.
    pub fn context_name(&self) -> Result<String, SessionError> {
        let config = self.kubeconfigs().read()?;
        let known = |name: &str| config.contexts.iter().any(|context| context.name == name);
        if let Some(name) = &self.context {
            return self.require_context(name).map(|()| name.clone());
        }
        let mut own = Family::ALL
            .map(|family| family.context(&self.instance))
            .into_iter();
        if let Some(name) = own.find(|name| known(name)) {
            return Ok(name);
        }
        // An install may be in a cluster that was there before; one that is not local is never meant.
        let current = config.current_context.as_deref();
        if let Some(name) = current.filter(|name| known(name) && connect::is_safe(name)) {
            return Ok(name.to_owned());
        }
        Err(SessionError::NoCluster {
            context: Family::Kind.context(&self.instance),
            next: self.command("up"),
        })
    }

    /// `kubectl` for the cluster of the install; for the one that `up` would create if there is none.
    #[must_use]
    pub fn kubectl(&self) -> String {
        let context = self.context_name().ok().or_else(|| self.context.clone());
        kubectl(&context.unwrap_or_else(|| Family::Kind.context(&self.instance)))
    }

    /// Makes sure that the kubeconfig has a context.
    pub fn require_context(&self, name: &str) -> Result<(), SessionError> {
        let config = self.kubeconfigs().read()?;
        let names: Vec<&str> = config
            .contexts
            .iter()
            .map(|context| context.name.as_str())
            .collect();
        if names.contains(&name) {
            return Ok(());
        }
        Err(SessionError::NoContext {
            context: name.to_owned(),
            known: if names.is_empty() {
                "none".to_owned()
            } else {
                names.join(", ")
            },
        })
    }

    /// Connects to the cluster of the install, which must be on the safe list and respond.
    pub async fn connect(&self) -> Result<Cluster, SessionError> {
        let context = self.context_name()?;
        connect::require_safe(&context, &self.allowed_contexts)?;
        let connected = Cluster::connect(&self.kubeconfigs(), &context).await;
        Ok(connected.map_err(|why| Unconnected {
            next: match self.context {
                Some(_) => format!("{} cluster-info", kubectl(&context)),
                None => self.command("up"),
            },
            context,
            why,
        })?)
    }

    /// A command line of ours that stays with this install and this cluster.
    #[must_use]
    pub fn command(&self, verb: &str) -> String {
        self.command_line(verb, self.context.as_deref())
    }

    /// The same, with the context in it whether the user named one or not.
    #[must_use]
    pub fn command_in(&self, context: &str, verb: &str) -> String {
        self.command_line(verb, Some(context))
    }

    fn command_line(&self, verb: &str, context: Option<&str>) -> String {
        use std::fmt::Write as _;
        let mut line = format!("{} {verb}", self.program);
        if self.instance != DEFAULT_INSTANCE {
            let _ = write!(line, " --name {}", self.instance);
        }
        if let Some(context) = context {
            let _ = write!(line, " --context {}", shell_quoted(context));
        }
        line
    }
}
