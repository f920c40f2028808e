//! `irsa-emu port-forward`: a port of this machine for the emulator, for clusters that publish none.

use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use clap::Args;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::kubernetes::forward;
use irsa_emu_cluster::local::port;
use irsa_emu_core::contract::{EMULATOR_PORT, NAMESPACE};
use irsa_emu_install::recorded;
use tokio::net::TcpListener;

use crate::app::App;
use crate::console::printer::Printer;
use crate::error::{Attempt, CliError};

/// Options of `irsa-emu port-forward`.
#[derive(Debug, Args)]
pub struct PortForwardArgs {
    /// Port of 127.0.0.1; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = EMULATOR_PORT)]
    port: u16,
}

/// Carries connections until a signal comes.
pub async fn run(args: PortForwardArgs, app: &App) -> Result<ExitStatus, CliError> {
    let cluster = app.session.connect().await?;
    let attempted = || format!("forwarding to the cluster of context `{}`", cluster.context);
    let recorded = recorded::read(&cluster.client).await.attempting(attempted)?;
    let Some(recorded) = recorded else {
        let why = format!("irsa-emu is not installed there: it has no Namespace {NAMESPACE}");
        return Err(CliError::because(ExitStatus::Prerequisite, attempted(), why)
            .code(Code::NotInstalled)
            .next(app.session.command("up")));
    };
    if recorded.real_aws {
        let why = "the backend is real AWS, so there is no emulator";
        return Err(CliError::because(ExitStatus::Failed, attempted(), why)
            .code(Code::RealAws)
            .next(app.session.command("status")));
    }
    let listener = listen(args.port, app).await?;
    let address = listener.local_addr().attempting(attempted)?;
    app.printer.data(&format!("http://{address}"));
    app.printer.talk("until Ctrl-C");
    let on_trouble = once(&app.printer);
    tokio::select! {
        never = forward::serve(&listener, &cluster.client, &on_trouble) => match never {},
        signal = app.signals.received() => Ok(signal.exit()),
    }
}

/// Warns of trouble. The same comes with every connection; once is enough.
pub(super) fn once(printer: &Printer) -> impl Fn(&str) {
    let told = Mutex::new(String::new());
    move |trouble: &str| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != trouble {
            trouble.clone_into(&mut told);
            printer.warn(trouble);
        }
    }
}

async fn listen(wanted: u16, app: &App) -> Result<TcpListener, CliError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .await
        .map_err(|error| {
            let why = match port::owner(wanted) {
                Some(owner) => format!("it is taken by {owner}"),
                None => error.to_string(),
            };
            let attempted = format!("listening on port {wanted} of 127.0.0.1");
            CliError::because(ExitStatus::Failed, attempted, why)
                .code(Code::PortTaken)
                .next(format!("{} --port 0", app.session.command("port-forward")))
        })
}
