//! The name under which this program was called: `irsa-emu`, or a plugin of kubectl.

use std::ffi::OsString;
use std::path::Path;

use clap::Command;

/// The name that kubectl looks for when it is called as `kubectl irsa_emu`.
const PLUGIN: &str = "kubectl-irsa_emu";
/// What is typed then.
const AS_PLUGIN: &str = "kubectl irsa_emu";

/// The program as users type it here.
#[must_use]
pub fn typed() -> &'static str {
    if is_plugin(std::env::args_os().next().as_ref()) {
        AS_PLUGIN
    } else {
        "irsa-emu"
    }
}

/// A command line of ours as users type it here.
#[must_use]
pub fn typed_here(command: String) -> String {
    match command.strip_prefix("irsa-emu ") {
        Some(rest) => format!("{} {rest}", typed()),
        None => command,
    }
}

/// As a plugin of kubectl, the usage shows what was typed.
#[must_use]
pub fn named_as_called(command: Command, program: Option<&OsString>) -> Command {
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
