//! The `irsa-emu` program: installs the TLS provider, runs the command line, and turns its result into an exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Fails only where a provider is installed already, and then that one serves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    irsa_emu::main().into()
}
