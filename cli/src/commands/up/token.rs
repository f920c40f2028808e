//! The token of a licence, as this machine has it.

use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_install::objects::auth_token::AuthToken;
use irsa_emu_install::objects::emulator_options::AUTH_TOKEN;

use super::options::UpArgs;
use crate::app::App;
use crate::error::CliError;
use irsa_emu_core::install::Backend;

/// Refuses what the container must not get, before anything is made; reads a token that comes from here.
pub(super) fn token(args: &UpArgs, app: &App) -> Result<Option<AuthToken>, CliError> {
    if args.install.backend != Backend::Emulator {
        return Ok(None);
    }
    let up = app.session.command("up");
    if let Some(why) = args.emulator.options().refused() {
        let attempted = "reading the variables for the emulator";
        return Err(CliError::because(ExitStatus::Usage, attempted, why).next(format!("{up} --help")));
    }
    let file = args.emulator_auth_token_file.as_deref();
    AuthToken::read(file, std::env::var(AUTH_TOKEN).ok()).map_err(|error| {
        let attempted = "reading the token of the emulator";
        CliError::new(ExitStatus::Usage, attempted, error)
            .next(format!("{up} --emulator-auth-token-file FILE"))
    })
}
