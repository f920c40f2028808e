//! What tests build on: an install, and its objects.

use irsa_emu_core::install::InstallSettings;

use crate::objects::install::{Emulator, Install};

/// An install with an emulator, as `up` makes it.
#[must_use]
pub fn install() -> Install {
    Install {
        settings: InstallSettings {
            sidecar_image: "irsa-emu.dev/irsa-emu-creds-injector:0.1.0-111111111111".into(),
            ..InstallSettings::default()
        },
        webhook_image: "irsa-emu.dev/webhook:0.1.0-000000000000".into(),
        emulator: Emulator {
            image: "localstack/localstack:4.14.0".into(),
            ..Emulator::default()
        },
        host_endpoint: Some("http://127.0.0.1:4566".into()),
    }
}
