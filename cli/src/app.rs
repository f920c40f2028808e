//! What every command gets: where to report, which install, which cluster.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ArgMatches;
use serde::Serialize;

use crate::args::GlobalArgs;
use crate::cluster::Family;
use crate::cluster::kubeconfig::Kubeconfigs;
use crate::cluster::target::{self, Cluster};
use crate::command_line::typed_here;
use crate::config::Config;
use crate::error::{CliError, Code, ExitStatus};
use crate::exec::{CommandRunner, SystemRunner};
use crate::kubectl::kubectl;
use crate::output::Output;
use crate::printer::Printer;
use crate::progress::{Console, Progress};
use crate::recipe::wiring::shell_quoted;
use crate::signals::Signals;
use crate::state::State;

/// The surroundings of a command.
pub struct App {
    /// Writes data and talk.
    pub printer: Printer,
    /// Takes the answer.
    pub output: Arc<Output>,
    /// Takes reports.
    pub progress: Box<dyn Progress>,
    /// Starts other programs.
    pub runner: Box<dyn CommandRunner>,
    /// Hears signals.
    pub signals: Signals,
    /// Name of the install.
    pub instance: String,
    /// Context that the user named.
    pub context: Option<String>,
    /// Kubeconfig that the user named.
    pub kubeconfig: Option<PathBuf>,
    /// Contexts that the user declared safe.
    pub allowed_contexts: Vec<String>,
    /// The settings of files.
    pub config: Config,
    /// What was matched of the command line.
    pub matches: ArgMatches,
}

impl App {
    /// Takes the options that every command has.
    pub fn new(
        global: GlobalArgs,
        printer: Printer,
        output: Arc<Output>,
        config: Config,
        matches: ArgMatches,
    ) -> Result<Self, CliError> {
        let GlobalArgs {
            context,
            kubeconfig,
            allow_context,
            name,
            config: _,
            no_config: _,
            progress: _,
            color: _,
            verbose: _,
        } = global;
        let signals = Signals::listen().map_err(|error| CliError::failed("listening for signals", error))?;
        Ok(Self {
            progress: Box::new(Console::new(printer.clone())),
            printer,
            output,
            runner: Box::new(SystemRunner),
            signals,
            instance: name,
            context,
            kubeconfig,
            allowed_contexts: allow_context,
            config,
            matches,
        })
    }

    /// Gives the answer of the command: as lines for people at once, or as data when the command has ended.
    pub fn answer(&self, data: &impl Serialize, text: impl FnOnce(&Printer)) -> Result<(), CliError> {
        if self.output.is_text() {
            text(&self.printer);
            return Ok(());
        }
        self.output.put(data)
    }

    /// The kubeconfig files in force.
    #[must_use]
    pub fn kubeconfigs(&self) -> Kubeconfigs {
        Kubeconfigs::in_force(self.kubeconfig.as_deref())
    }

    /// The context of the install: the one that the user named, else that of the cluster that `up` makes, else the
    /// current one where that is local.
    pub fn context_name(&self) -> Result<String, CliError> {
        let attempted = "choosing the cluster";
        let config = self.kubeconfigs().read().map_err(|error| {
            CliError::new(ExitStatus::Usage, attempted, error).code(Code::KubeconfigInvalid)
        })?;
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
        if let Some(name) = current.filter(|name| known(name) && target::is_safe(name)) {
            return Ok(name.to_owned());
        }
        let why = format!(
            "no cluster: the kubeconfig has no context `{}`, no --context was given, and no local context is current",
            Family::Kind.context(&self.instance)
        );
        Err(CliError::because(ExitStatus::Failed, attempted, why)
            .code(Code::NoCluster)
            .next(self.command("up")))
    }

    /// `kubectl` for the cluster of the install; for the one that `up` would make where there is none.
    #[must_use]
    pub fn kubectl(&self) -> String {
        let context = self.context_name().ok().or_else(|| self.context.clone());
        kubectl(&context.unwrap_or_else(|| Family::Kind.context(&self.instance)))
    }

    /// Makes sure that the kubeconfig has a context.
    pub fn require_context(&self, name: &str) -> Result<(), CliError> {
        let attempted = "choosing the cluster";
        let config = self.kubeconfigs().read().map_err(|error| {
            CliError::new(ExitStatus::Usage, attempted, error).code(Code::KubeconfigInvalid)
        })?;
        let names: Vec<&str> = config
            .contexts
            .iter()
            .map(|context| context.name.as_str())
            .collect();
        if names.contains(&name) {
            return Ok(());
        }
        let there = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        let why = format!("the kubeconfig has no context `{name}`; it has: {there}");
        Err(CliError::because(ExitStatus::Usage, attempted, why)
            .code(Code::ContextUnknown)
            .next("kubectl config get-contexts"))
    }

    /// Connects to the cluster of the install, which must be on the safe list and answer.
    pub async fn connect(&self) -> Result<Cluster, CliError> {
        let context = self.context_name()?;
        target::require_safe(&context, &self.allowed_contexts)?;
        let connected = Cluster::connect(&self.kubeconfigs(), &context).await;
        connected.map_err(|error| match self.context {
            Some(_) => error.next(format!("{} cluster-info", kubectl(&context))),
            None => error.next(self.command("up")),
        })
    }

    /// What this machine remembers of the install.
    #[must_use]
    pub fn state(&self) -> State {
        State::of(&self.instance)
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
        let mut line = format!("irsa-emu {verb}");
        if self.instance != irsa_emu_core::contract::DEFAULT_INSTANCE {
            let _ = write!(line, " --name {}", self.instance);
        }
        if let Some(context) = context {
            let _ = write!(line, " --context {}", shell_quoted(context));
        }
        typed_here(line)
    }
}
