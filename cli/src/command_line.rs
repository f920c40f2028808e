//! The command line as it is read: flags, then variables, then files, then defaults.

use std::ffi::OsString;
use std::path::Path;

use clap::builder::{FalseyValueParser, Resettable};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, CommandFactory, FromArgMatches, ValueEnum};

use crate::args::{Cli, ColorMode, ProgressMode, Verb};
use crate::config::{Choice, Config, Key};
use crate::error::CliError;
use crate::manifests::{EmulatorArgs, InstallArgs};
use crate::output::{self, Output};
use crate::printer::Printer;

/// What every variable begins with.
const PREFIX: &str = "IRSA_EMU";
/// The variable of `--output`, which is the same for every verb that has no format of its own.
const OUTPUT_VARIABLE: &str = "IRSA_EMU_OUTPUT";
/// The name that kubectl looks for when it is called as `kubectl irsa_emu`.
const PLUGIN: &str = "kubectl-irsa_emu";
/// What is typed then.
const AS_PLUGIN: &str = "kubectl irsa_emu";

/// A command line, understood.
#[derive(Debug)]
pub struct CommandLine {
    /// What is to be done.
    pub cli: Cli,
    /// Where the answer goes.
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
    /// Where the answer goes.
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

/// What a verb would see if it were called without a flag.
pub fn as_if(verb: &str, config: &Config) -> Result<ArgMatches, clap::Error> {
    let words = ["irsa-emu", verb];
    let given = command().try_get_matches_from(words)?;
    let mut matches = config.lay_below(command(), &given).try_get_matches_from(words)?;
    Ok(matches
        .remove_subcommand()
        .map_or_else(ArgMatches::default, |(_, matches)| matches))
}

/// The variable of the flag of a key.
#[must_use]
pub fn variable_for(key: &Key) -> Option<String> {
    let command = command();
    let command = key
        .verb()
        .map_or(Some(&command), |verb| command.find_subcommand(verb))?;
    let arg = command.get_arguments().find(|arg| arg.get_id() == key.arg)?;
    variable_of(arg, key.verb().as_slice())
}

/// The parser, where every flag has its variable.
#[must_use]
pub fn command() -> Command {
    with_variables(Cli::command(), &[])
}

/// As the plugin of kubectl, usage says what was typed.
fn named_as_called(command: Command, program: Option<&OsString>) -> Command {
    if is_plugin(program) {
        command.bin_name(AS_PLUGIN)
    } else {
        command
    }
}

fn is_plugin(program: Option<&OsString>) -> bool {
    let name = program.and_then(|program| Path::new(program).file_name());
    name.is_some_and(|name| name == PLUGIN)
}

/// A command line of ours as it can be typed: by the plugin of kubectl, if that is how we were called.
#[must_use]
pub fn typed_here(command: String) -> String {
    match command.strip_prefix("irsa-emu ") {
        Some(rest) if is_plugin(std::env::args_os().next().as_ref()) => format!("{AS_PLUGIN} {rest}"),
        _ => command,
    }
}

fn with_variables(mut command: Command, verbs: &[&str]) -> Command {
    command = command.mut_args(|arg| with_variable(arg, verbs));
    let names: Vec<String> = command
        .get_subcommands()
        .map(|sub| sub.get_name().to_owned())
        .collect();
    for name in names {
        let verbs = [verbs, &[name.as_str()]].concat();
        command = command.mut_subcommand(&name, |sub| with_variables(sub, &verbs));
    }
    command
}

fn with_variable(arg: Arg, verbs: &[&str]) -> Arg {
    let Some(name) = variable_of(&arg, verbs) else {
        return arg;
    };
    let arg = match arg.get_action() {
        // As variables go: `1`, `true` and `yes` are on; `0`, `false`, `no` and the empty string are off.
        ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
        _ => arg,
    };
    // CI sets variables to the empty string where it has nothing for them.
    let is_empty = std::env::var_os(&name).is_some_and(|value| value.is_empty());
    let variable = if is_empty {
        Resettable::Reset
    } else {
        Resettable::Value(name.into())
    };
    arg.env(variable).hide_env_values(true)
}

/// The variable of a flag. Flags of `up` and of every verb have short names, as they say what the environment is;
/// those of other verbs are named after the verb, too.
#[must_use]
pub fn variable_of(arg: &Arg, verbs: &[&str]) -> Option<String> {
    let long = arg.get_long()?;
    let verbs: &[&str] = match verbs {
        ["up"] => &[],
        // Which images are meant is the same for all that handle them.
        ["images", _] | ["render" | "inject"] if long.ends_with("-image") || long.ends_with("-binary") => &[],
        // What an install is, is the same for all that make one or decide as one.
        ["render" | "inject"] if is_of_install(long) => &[],
        // The doctor looks at the port that `up` takes.
        ["doctor"] if long == "host-port" => &[],
        // `recipe NAME` is short for `recipe apply NAME`.
        ["recipe", "apply"] => &["recipe"],
        _ if long == "output" && is_common_output(arg) => &[],
        verbs => verbs,
    };
    let words: Vec<&str> = std::iter::once(PREFIX)
        .chain(verbs.iter().copied())
        .chain([long])
        .collect();
    Some(words.join("_").replace('-', "_").to_uppercase())
}

fn is_of_install(long: &str) -> bool {
    let options = EmulatorArgs::augment_args(InstallArgs::augment_args(Command::new(PREFIX)));
    options.get_arguments().any(|arg| arg.get_long() == Some(long))
}

fn is_common_output(arg: &Arg) -> bool {
    let names = arg.get_possible_values();
    let names: Vec<&str> = names.iter().map(|value| value.get_name()).collect();
    names == ["text", "json", "yaml"]
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
