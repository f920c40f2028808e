//! Environment variables that the command reads, each the default of the flag it is named after.

/// Name of the install: `--name`.
pub const NAME: &str = "IRSA_EMU_NAME";
/// Context of the kubeconfig: `--context`.
pub const CONTEXT: &str = "IRSA_EMU_CONTEXT";
/// Contexts beside the safe list, separated by commas: `--allow-context`.
pub const ALLOW_CONTEXT: &str = "IRSA_EMU_ALLOW_CONTEXT";
/// How the answer is printed: `--output`, where it is lines or the envelope.
pub const OUTPUT: &str = "IRSA_EMU_OUTPUT";
/// How progress is shown: `--progress`.
pub const PROGRESS: &str = "IRSA_EMU_PROGRESS";
/// Image of the nodes that kind makes: `up --node-image`.
pub const NODE_IMAGE: &str = "IRSA_EMU_NODE_IMAGE";
/// What the credentials of Pods are good for: `up --backend`.
pub const BACKEND: &str = "IRSA_EMU_BACKEND";
/// Where the base credentials come from: `up --base-credentials`.
pub const BASE_CREDENTIALS: &str = "IRSA_EMU_BASE_CREDENTIALS";
/// STS endpoint of real AWS: `up --sts-endpoint`.
pub const STS_ENDPOINT: &str = "IRSA_EMU_STS_ENDPOINT";
/// Tags on sessions of real AWS: `up --session-tags`.
pub const SESSION_TAGS: &str = "IRSA_EMU_SESSION_TAGS";
/// Image of the emulator: `up --emulator-image`.
pub const EMULATOR_IMAGE: &str = "IRSA_EMU_EMULATOR_IMAGE";
/// Program of the webhook: `up --webhook-binary`.
pub const WEBHOOK_BINARY: &str = "IRSA_EMU_WEBHOOK_BINARY";
/// Program of the sidecar: `up --sidecar-binary`.
pub const SIDECAR_BINARY: &str = "IRSA_EMU_SIDECAR_BINARY";
/// Image of the webhook: `up --webhook-image`.
pub const WEBHOOK_IMAGE: &str = "IRSA_EMU_WEBHOOK_IMAGE";
/// Image of the sidecar: `up --sidecar-image`.
pub const SIDECAR_IMAGE: &str = "IRSA_EMU_SIDECAR_IMAGE";
/// Port of the emulator on 127.0.0.1: `up --host-port`.
pub const HOST_PORT: &str = "IRSA_EMU_HOST_PORT";
/// Region of the install: `up --region`.
pub const REGION: &str = "IRSA_EMU_REGION";
/// How long `up` may take: `up --timeout`.
pub const TIMEOUT: &str = "IRSA_EMU_TIMEOUT";
