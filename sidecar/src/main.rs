//! The credentials sidecar: exchanges the Pod's projected token at the STS front, keeps the result fresh, and serves it
//! to the other containers of the Pod on loopback and, where asked, as a shared credentials file.
//!
//! It never exits before its first success: a Pod waits for it, and an exit would leave some Pods hanging.

mod args;
mod cache;
mod credentials;
mod credentials_file;
mod endpoint;
mod exchange;
mod probe;
mod reach;

use std::process::ExitCode;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::args::{Args, Settings, Verb};

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    // The one verb that speaks for no role.
    if let Some(Verb::Reach { urls }) = &args.verb {
        return print(&runtime.block_on(reach::report(urls)));
    }
    let settings = match Settings::resolve(args) {
        Ok(settings) => settings,
        Err(error) => return fail(&error.to_string()),
    };
    match settings.verb {
        Verb::Serve | Verb::Reach { .. } => runtime.block_on(serve(settings)),
        Verb::Probe => match runtime.block_on(probe::ask(&settings)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => fail(&reason.to_string()),
        },
        Verb::CredentialProcess => match runtime.block_on(probe::process_credentials(&settings)) {
            Ok(credentials) => print(&credentials),
            Err(reason) => fail(&reason.to_string()),
        },
    }
}

/// The one thing that is ever printed on standard output: it was asked for.
fn print(text: &str) -> ExitCode {
    use std::io::Write as _;
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("cannot print: {error}")),
    }
}

/// Prints the reason to standard error, from where the kubelet takes a probe's message.
fn fail(message: &str) -> ExitCode {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "irsa-emu-sidecar: {message}");
    ExitCode::FAILURE
}

async fn serve(settings: Settings) -> ExitCode {
    let filter = EnvFilter::try_from_env("IRSA_EMU_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();

    let authorization = match credentials_file::write_authorization_token(&settings.credentials_dir) {
        Ok(token) => token,
        Err(error) => return fail(&error.to_string()),
    };
    let listener = match tokio::net::TcpListener::bind(settings.listen).await {
        Ok(listener) => listener,
        Err(error) => return fail(&format!("cannot listen on {}: {error}", settings.listen)),
    };
    tracing::info!(listen = %settings.listen, role = settings.role_arn, "serving");
    let (cache, publisher) = cache::channel();
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return fail("cannot listen for signals");
    };
    tokio::select! {
        () = cache::keep_fresh(&settings, publisher) => {}
        () = endpoint::serve(listener, authorization, cache) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    ExitCode::SUCCESS
}
