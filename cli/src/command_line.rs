//! The command line as it is read: flags, then variables, then files, then defaults.

use std::ffi::OsString;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, ValueEnum};

use crate::args::{Cli, Verb};
use crate::config::{Choice, Config};
use crate::console::output::{self, Output};
use crate::console::printer::Printer;
use crate::error::CliError;
use crate::options::words::{ColorMode, ProgressMode};
use crate::program::named_as_called;
use crate::variables::with_variables;

/// The variable of `--output`, which is the same for every verb that has no format of its own.
const OUTPUT_VARIABLE: &str = "IRSA_EMU_OUTPUT";
/// A command line, understood.
#[derive(Debug)]
pub struct CommandLine {
    /// What is to be done.
    pub cli: Cli,
    /// Where the output goes.
    pub output: Output,
    /// The settings of files.
    pub config: Config,
    /// What was matched, for those who ask where a value comes from.
    pub matches: ArgMatches,
}

/// A command line that is not carried out.
#[derive(Debug)]
pub struct Refusal {
    /// Why not.
    pub why: Why,
    /// Where the output goes.
    pub output: Output,
    /// Where the message goes.
    pub printer: Printer,
}

/// Why a command line is not carried out.
#[derive(Debug)]
pub enum Why {
    /// It asks for help, or is wrong.
    Words(clap::Error),
    /// A file is wrong.
    Config(CliError),
}

/// Reads a command line; its first word is the program.
pub fn read(words: &[OsString]) -> Result<CommandLine, Box<Refusal>> {
    let rest = words.get(1..).unwrap_or_default();
    let color = looked_up(rest, "--color", "IRSA_EMU_COLOR").unwrap_or(ColorMode::Auto);
    let command = || named_as_called(command(), words.first()).color(color.into());
    let refused = |why: Why| {
        let progress = looked_up(rest, "--progress", "IRSA_EMU_PROGRESS").unwrap_or(ProgressMode::Auto);
        let variable = std::env::var(OUTPUT_VARIABLE).ok();
        Box::new(Refusal {
            why,
            output: Output::of_words(rest, variable.as_deref()),
            printer: Printer::new(color, progress),
        })
    };
    let wrong = |error: clap::Error| refused(Why::Words(error));
    let given = command().try_get_matches_from(words).map_err(wrong)?;
    let Cli { global, verb } = Cli::from_arg_matches(&given).map_err(wrong)?;
    // A shell that starts must not stumble over a file that is wrong, and a proxy has no files.
    let none = global.no_config || matches!(verb, Verb::Completion(_) | Verb::Man(_) | Verb::Proxy(_));
    let config = Config::load(&Choice::here(none, global.config))
        .map_err(|error| refused(Why::Config(error.into())))?;
    let matches = config
        .lay_below(command(), &given)
        .try_get_matches_from(words)
        .map_err(wrong)?;
    Ok(CommandLine {
        cli: Cli::from_arg_matches(&matches).map_err(wrong)?,
        output: Output::of(&matches),
        config,
        matches,
    })
}

/// A choice in words that the parser may refuse, or in its variable.
fn looked_up<T: ValueEnum>(words: &[OsString], long: &str, variable: &str) -> Option<T> {
    let typed = output::value_in(words, long, None).map(ToOwned::to_owned);
    T::from_str(&typed.or_else(|| std::env::var(variable).ok())?, false).ok()
}

/// The parser, where every flag has its variable.
#[must_use]
pub fn command() -> Command {
    with_variables(Cli::command(), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &[&str], long: &str) -> Option<String> {
        let mut command = command();
        command.build();
        let mut at = &command;
        for name in path {
            at = at.find_subcommand(name)?;
        }
        let arg = at.get_arguments().find(|arg| arg.get_long() == Some(long))?;
        arg.get_env().map(|name| name.to_string_lossy().into_owned())
    }

    #[test]
    fn every_flag_has_its_variable() {
        for (path, long, variable) in [
            (&[][..], "context", "IRSA_EMU_CONTEXT"),
            (&["up"], "context", "IRSA_EMU_CONTEXT"),
            (&["up"], "host-port", "IRSA_EMU_HOST_PORT"),
            (&["doctor"], "host-port", "IRSA_EMU_HOST_PORT"),
            (&["up"], "issuer-alias", "IRSA_EMU_ISSUER_ALIAS"),
            (&["render"], "emulator-env", "IRSA_EMU_EMULATOR_ENV"),
            (&["up"], "output", "IRSA_EMU_OUTPUT"),
            (&["recipe", "list"], "output", "IRSA_EMU_OUTPUT"),
            (&["down"], "timeout", "IRSA_EMU_DOWN_TIMEOUT"),
            (&["env"], "output", "IRSA_EMU_ENV_OUTPUT"),
        ] {
            assert_eq!(find(path, long).as_deref(), Some(variable), "{path:?} {long}");
        }
    }

    #[test]
    fn called_as_a_plugin_it_is_named_so() {
        let usage = |program: &str| {
            named_as_called(command(), Some(&program.into()))
                .render_usage()
                .to_string()
        };
        assert!(
            usage("/usr/bin/kubectl-irsa_emu").contains("kubectl irsa_emu"),
            "{}",
            usage("x")
        );
        assert!(usage("irsa-emu").contains("Usage: irsa-emu "));
    }
}
