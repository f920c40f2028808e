//! The variable of each flag, and what a verb sees where the user types none of its flags.

use clap::builder::{FalseyValueParser, Resettable};
use clap::{Arg, ArgAction, ArgMatches, Args, Command};

use crate::config::{Config, Key};
use crate::options::emulator::EmulatorArgs;
use crate::options::install::InstallArgs;

/// What every variable begins with.
const PREFIX: &str = "IRSA_EMU";

/// What a verb would see if it were called without a flag.
pub fn as_if(parser: &Command, verb: &str, config: &Config) -> Result<ArgMatches, clap::Error> {
    let words = ["irsa-emu", verb];
    let given = parser.clone().try_get_matches_from(words)?;
    let mut matches = config
        .lay_below(parser.clone(), &given)
        .try_get_matches_from(words)?;
    Ok(matches
        .remove_subcommand()
        .map_or_else(ArgMatches::default, |(_, matches)| matches))
}

/// The variable of the flag of a key.
#[must_use]
pub fn variable_for(parser: &Command, key: &Key) -> Option<String> {
    let command = key
        .verb()
        .map_or(Some(parser), |verb| parser.find_subcommand(verb))?;
    let arg = command.get_arguments().find(|arg| arg.get_id() == key.arg)?;
    variable_of(arg, key.verb().as_slice())
}

/// The parser, where every flag has its variable. `verbs` are the names of the commands above it.
#[must_use]
pub fn with_variables(mut command: Command, verbs: &[&str]) -> Command {
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

/// The variable of a flag. Flags of `up` and of every verb have short names, as they describe the environment;
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
