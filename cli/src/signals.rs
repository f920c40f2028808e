//! SIGINT and SIGTERM, as something to wait for. The second one ends the program at once, unless all are passed on to
//! another program.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use irsa_emu_cluster::failure::ExitStatus;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::error::CliError;

/// A signal that asks the program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, which Ctrl-C sends.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// How the program ends for it.
    #[must_use]
    pub fn exit(self) -> ExitStatus {
        match self {
            Self::Interrupt => ExitStatus::Interrupted,
            Self::Terminate => ExitStatus::Terminated,
        }
    }

    /// The error of a command that was doing this when the signal came.
    #[must_use]
    pub fn interrupted(self, attempted: &str) -> CliError {
        CliError::because(self.exit(), attempted, format!("interrupted by {self}"))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Listens for signals from its making on.
#[derive(Debug, Clone)]
pub struct Signals {
    first: watch::Receiver<Option<Signal>>,
    passed_on: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to listen.
    pub fn listen() -> std::io::Result<Self> {
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let (sender, first) = watch::channel(None);
        let passed_on = Arc::<AtomicBool>::default();
        let leave = Arc::clone(&passed_on);
        tokio::spawn(async move {
            loop {
                let got = tokio::select! {
                    _ = interrupt.recv() => Signal::Interrupt,
                    _ = terminate.recv() => Signal::Terminate,
                };
                if sender.borrow().is_some() && !leave.load(Ordering::Relaxed) {
                    end_now(got);
                }
                sender.send_replace(Some(got));
            }
        });
        Ok(Self { first, passed_on })
    }

    /// From now on no signal ends the program: all are passed on to another, and it is the other that ends.
    pub fn pass_on(&self) {
        self.passed_on.store(true, Ordering::Relaxed);
    }

    /// Waits for the first signal; returns at once where it came before.
    pub async fn received(&self) -> Signal {
        let mut receiver = self.first.clone();
        let got = receiver
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|signal| *signal);
        match got {
            Some(signal) => signal,
            // The listener is gone with the runtime: nothing will come any more.
            None => std::future::pending().await,
        }
    }
}

#[expect(clippy::exit, reason = "a second signal means: stop cleaning up, now")]
fn end_now(signal: Signal) -> ! {
    std::process::exit(i32::from(signal.exit().code()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_an_error_of_its_own_code_and_category() {
        let error = Signal::Terminate.interrupted("waiting").to_json();
        assert_eq!(
            (error["code"].as_str(), error["category"].as_str()),
            (Some("interrupted"), Some("interrupted"))
        );
    }
}
