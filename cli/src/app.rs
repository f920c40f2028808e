//! What every command gets: where to report, which install, which cluster.

use std::sync::Arc;

use clap::{ArgMatches, Command};
use irsa_emu_cluster::exec::SystemRunner;
use irsa_emu_cluster::progress::Progress;
use irsa_emu_install::session::Session;
use serde::Serialize;

use crate::config::Config;
use crate::console::output::Output;
use crate::console::printer::Printer;
use crate::console::progress::Console;
use crate::error::CliError;
use crate::options::global::GlobalArgs;
use crate::program;
use crate::signals::Signals;
use crate::state::State;

/// What a command is handed.
pub struct App {
    /// Writes data and messages.
    pub printer: Printer,
    /// Takes the output.
    pub output: Arc<Output>,
    /// Takes reports.
    pub progress: Box<dyn Progress>,
    /// Which install, in which cluster.
    pub session: Session,
    /// Hears signals.
    pub signals: Signals,
    /// The settings of files.
    pub config: Config,
    /// Reads command lines.
    pub parser: Command,
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
        parser: Command,
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
            session: Session {
                program: program::typed(),
                runner: Box::new(SystemRunner),
                instance: name,
                context,
                kubeconfig,
                allowed_contexts: allow_context,
            },
            signals,
            config,
            parser,
            matches,
        })
    }

    /// Prints the result of the command: as lines for people at once, or as data when the command has ended.
    pub fn answer(&self, data: &impl Serialize, text: impl FnOnce(&Printer)) -> Result<(), CliError> {
        if self.output.is_text() {
            text(&self.printer);
            return Ok(());
        }
        self.output.put(data)
    }

    /// What this machine remembers of the install.
    #[must_use]
    pub fn state(&self) -> State {
        State::of(&self.session.instance)
    }
}
