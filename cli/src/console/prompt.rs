//! Questions to the user: only at a terminal, and each with a flag that replaces it.

use std::io::IsTerminal;

use clap::Args;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_core::recipe::Parameter;

use crate::console::printer::Printer;
use crate::error::CliError;
use crate::options::words::ProgressMode;

/// The flag that confirms.
#[derive(Debug, Clone, Copy, Args)]
pub struct YesArgs {
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub yes: bool,
}

/// Whether somebody can be asked. Programs that read events cannot.
#[must_use]
pub fn is_possible(printer: &Printer) -> bool {
    let events = printer.mode() == ProgressMode::Json;
    !events && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Continues if the flag or the user confirms. `attempted` is what needs the confirmation (`deleting 3 Pods`), `command` what was
/// typed. Without a terminal nobody can be asked, and the result is no.
pub async fn confirm(
    printer: &Printer,
    yes: YesArgs,
    question: &str,
    attempted: &str,
    command: &str,
) -> Result<(), CliError> {
    if yes.yes {
        return Ok(());
    }
    let refused = |why: &str| {
        CliError::because(ExitStatus::Unsafe, attempted, why)
            .code(Code::ConfirmationRequired)
            .next(format!("{command} --yes"))
    };
    if !is_possible(printer) {
        return Err(refused(
            "it needs a confirmation, and there is no terminal to ask",
        ));
    }
    let question = question.to_owned();
    let answered = at_terminal(printer, move || {
        dialoguer::Confirm::new()
            .with_prompt(question)
            .default(false)
            .interact()
    });
    match answered.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(refused("it was not confirmed")),
        Err(error) => Err(CliError::failed(attempted, error)),
    }
}

/// Asks for the parameters of a recipe.
pub async fn parameters(
    printer: &Printer,
    missing: Vec<Parameter>,
) -> Result<Vec<(String, String)>, CliError> {
    let asked = at_terminal(printer, move || {
        let one = |parameter: Parameter| {
            let prompt = format!("{} ({})", parameter.name, parameter.description);
            let answer = dialoguer::Input::<String>::new()
                .with_prompt(prompt)
                .interact_text()?;
            Ok((parameter.name, answer.trim().to_owned()))
        };
        missing.into_iter().map(one).collect()
    });
    asked
        .await
        .map_err(|error| CliError::failed("asking for parameters", error))
}

/// Asks without a line of progress in between. A signal ends the program although the read is still waiting.
async fn at_terminal<T, F>(printer: &Printer, ask: F) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> dialoguer::Result<T> + Send + 'static,
{
    let lines = printer.lines().clone();
    let asked = tokio::task::spawn_blocking(move || lines.suspend(ask));
    Ok(asked.await??)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::words::ColorMode;

    #[tokio::test]
    async fn without_a_terminal_only_the_flag_is_a_yes() {
        let printer = Printer::new(ColorMode::Never, ProgressMode::Quiet);
        let ask = |yes| confirm(&printer, YesArgs { yes }, "Sure?", "deleting x", "irsa-emu x");
        assert!(ask(true).await.is_ok());
        if !is_possible(&printer) {
            let error = ask(false).await.unwrap_err();
            assert_eq!(
                (error.exit(), error.known_as()),
                (ExitStatus::Unsafe, Code::ConfirmationRequired)
            );
            assert_eq!(error.next_command(), Some("irsa-emu x --yes"));
        }
    }
}
