//! Command line and environment, read once.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use irsa_emu_core::contract;
use irsa_emu_core::grant::{Compose, GrantDefaults};
use irsa_emu_core::plan::InjectConfig;
use irsa_emu_core::rules::Delivery;
use irsa_emu_core::trust_policy::IssuerAlias;

/// Admission webhook, STS front and keeper of irsa-emu.
#[derive(Debug, Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
#[command(name = "irsa-emu-webhook", version)]
pub(crate) struct Args {
    /// Name of the install
    #[arg(long, env = "IRSA_EMU_INSTANCE", default_value = contract::DEFAULT_INSTANCE)]
    instance: String,
    /// Namespace that this process runs in
    #[arg(long, env = "IRSA_EMU_NAMESPACE", default_value = contract::NAMESPACE)]
    namespace: String,
    /// Who opens the sessions of roles
    #[arg(long, env = "IRSA_EMU_BACKEND", value_enum, default_value_t = Backend::Emulator)]
    backend: Backend,
    /// STS endpoint of backend `aws`, instead of the region's own
    #[arg(long, env = "IRSA_EMU_STS_ENDPOINT")]
    sts_endpoint: Option<String>,
    /// Tag sessions of backend `aws` as EKS Pod Identity does
    #[arg(long, env = "IRSA_EMU_SESSION_TAGS", default_value_t = false, action = clap::ArgAction::Set)]
    session_tags: bool,
    /// URL of the emulator inside the cluster
    #[arg(long, env = "IRSA_EMU_EMULATOR_URL", default_value_t = contract::emulator_url())]
    emulator_url: String,
    /// URL of the STS front inside the cluster
    #[arg(long, env = "IRSA_EMU_STS_URL", default_value_t = contract::sts_front_url())]
    sts_url: String,
    /// Image of the credentials sidecar
    #[arg(long, env = "IRSA_EMU_SIDECAR_IMAGE")]
    sidecar_image: String,
    /// Region of Pods that no Recipe speaks for
    #[arg(long, env = "IRSA_EMU_REGION", default_value = contract::DEFAULT_REGION)]
    region: String,
    /// How Pods get their credentials unless something else speaks
    #[arg(long, env = "IRSA_EMU_DEFAULT_DELIVERY", default_value = "web-identity", value_parser = parse_delivery)]
    default_delivery: Delivery,
    /// Prefix of EKS's annotations
    #[arg(long, env = "IRSA_EMU_ANNOTATION_PREFIX", default_value = contract::EKS_PREFIX)]
    annotation_prefix: String,
    /// Audience of projected tokens
    #[arg(long, env = "IRSA_EMU_AUDIENCE", default_value = contract::DEFAULT_AUDIENCE)]
    audience: String,
    /// Lifetime of projected tokens in seconds
    #[arg(long, env = "IRSA_EMU_TOKEN_EXPIRATION", default_value_t = contract::DEFAULT_TOKEN_EXPIRATION)]
    token_expiration: i64,
    /// Add `AWS_STS_REGIONAL_ENDPOINTS=regional`
    #[arg(long, env = "IRSA_EMU_REGIONAL_STS", default_value_t = false, action = clap::ArgAction::Set)]
    regional_sts: bool,
    /// Make an ARN of an annotation that is a bare role name
    #[arg(long, env = "IRSA_EMU_COMPOSE_ROLE_ARN", default_value_t = false, action = clap::ArgAction::Set)]
    compose_role_arn: bool,
    /// Account of composed role ARNs
    #[arg(long, env = "IRSA_EMU_ACCOUNT", default_value = contract::DEFAULT_ACCOUNT)]
    account: String,
    /// Partition of composed role ARNs
    #[arg(long, env = "IRSA_EMU_PARTITION", default_value = "aws")]
    partition: String,
    /// What to do about a role that does not exist: `auto` makes it if the annotation of the ServiceAccount or the role
    /// table names it, `strict` refuses
    #[arg(long, env = "IRSA_EMU_ROLES", value_enum, default_value_t = Roles::Auto)]
    roles: Roles,
    /// Issuers that count as this cluster's in trust policies: `eks` for every EKS cluster, or patterns
    #[arg(
        long,
        env = "IRSA_EMU_ISSUER_ALIASES",
        value_delimiter = ',',
        default_value = "eks"
    )]
    issuer_aliases: Vec<String>,
    /// Whether the cluster runs native sidecars
    #[arg(long, env = "IRSA_EMU_NATIVE_SIDECARS", default_value_t = true, action = clap::ArgAction::Set)]
    native_sidecars: bool,
    /// `strict-eks` injects what EKS injects and nothing else
    #[arg(long, env = "IRSA_EMU_PROFILE", value_enum, default_value_t = Profile::Default)]
    profile: Profile,
    /// Address of the admission server (TLS)
    #[arg(long, env = "IRSA_EMU_LISTEN_ADMISSION", default_value_t = any(contract::WEBHOOK_PORT))]
    listen_admission: SocketAddr,
    /// Address of the STS front
    #[arg(long, env = "IRSA_EMU_LISTEN_STS", default_value_t = any(contract::STS_FRONT_PORT))]
    listen_sts: SocketAddr,
    /// Address of the health endpoints
    #[arg(long, env = "IRSA_EMU_LISTEN_HEALTH", default_value_t = any(contract::WEBHOOK_HEALTH_PORT))]
    listen_health: SocketAddr,
    /// Form of the logs
    #[arg(long, env = "IRSA_EMU_LOG_FORMAT", value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
    /// Name of this replica among its like; the kubelet sets HOSTNAME to the Pod's name
    #[arg(long, env = "HOSTNAME", default_value = "irsa-emu-webhook")]
    replica: String,
    /// What is logged, in the form of `tracing`'s filters
    #[arg(long, env = "IRSA_EMU_LOG_LEVEL", default_value = "info")]
    log_level: String,
}

/// Who opens the sessions of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    Emulator,
    Aws,
}

/// Who opens the sessions of roles, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BackendSettings {
    /// The emulator, whose roles are judged here.
    Emulator {
        /// Its URL inside the cluster.
        url: String,
    },
    /// Real AWS.
    Aws(AwsSettings),
}

/// How real AWS is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsSettings {
    /// Region whose STS is asked.
    pub(crate) region: String,
    /// STS endpoint instead of the region's own.
    pub(crate) sts_endpoint: Option<String>,
    /// Whether sessions are tagged as EKS Pod Identity tags them.
    pub(crate) session_tags: bool,
    /// The cluster's name, in session names and tags.
    pub(crate) cluster: String,
}

/// What to do about a role that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Roles {
    /// Make it, with a trust policy for exactly the ServiceAccount that asks.
    Auto,
    /// Refuse, as AWS does.
    Strict,
}

/// How much is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    Default,
    StrictEks,
}

/// Form of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    Json,
    Text,
}

/// What the process works with.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) instance: String,
    pub(crate) namespace: String,
    pub(crate) backend: BackendSettings,
    pub(crate) roles: Roles,
    pub(crate) issuer_aliases: Vec<IssuerAlias>,
    pub(crate) inject: InjectConfig,
    pub(crate) grants: GrantDefaults,
    pub(crate) listen_admission: SocketAddr,
    pub(crate) listen_sts: SocketAddr,
    pub(crate) listen_health: SocketAddr,
    pub(crate) replica: String,
    pub(crate) log_format: LogFormat,
    pub(crate) log_level: String,
}

impl Settings {
    pub(crate) fn resolve(args: Args) -> Self {
        let Args {
            instance,
            namespace,
            backend,
            sts_endpoint,
            session_tags,
            emulator_url,
            sts_url,
            sidecar_image,
            region,
            default_delivery,
            annotation_prefix,
            audience,
            token_expiration,
            regional_sts,
            compose_role_arn,
            account,
            partition,
            roles,
            issuer_aliases,
            native_sidecars,
            profile,
            listen_admission,
            listen_sts,
            listen_health,
            replica,
            log_format,
            log_level,
        } = args;
        let backend = match backend {
            Backend::Emulator => BackendSettings::Emulator { url: emulator_url },
            Backend::Aws => BackendSettings::Aws(AwsSettings {
                region: region.clone(),
                sts_endpoint,
                session_tags,
                cluster: instance.clone(),
            }),
        };
        let (emulator_url, default_delivery) = match &backend {
            BackendSettings::Emulator { url } => (Some(url.clone()), default_delivery),
            // Nothing else serves it, so nothing else is a default that a warning should speak of.
            BackendSettings::Aws(_) => (None, Delivery::Sidecar),
        };
        let inject = InjectConfig {
            region: Some(region).filter(|region| !region.is_empty()),
            emulator_url,
            // The cluster chooses it.
            s3_url: None,
            sts_url,
            sidecar_image,
            native_sidecars,
            default_delivery,
            annotation_prefix: annotation_prefix.clone(),
            strict_eks: profile == Profile::StrictEks,
        };
        let grants = GrantDefaults {
            annotation_prefix,
            audience,
            token_expiration,
            regional_sts,
            compose: compose_role_arn.then_some(Compose { partition, account }),
        };
        Self {
            instance,
            namespace,
            backend,
            roles,
            issuer_aliases: issuer_aliases
                .iter()
                .map(|text| IssuerAlias::parse(text))
                .collect(),
            inject,
            grants,
            listen_admission,
            listen_sts,
            listen_health,
            replica,
            log_format,
            log_level,
        }
    }
}

fn any(port: u16) -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], port))
}

fn parse_delivery(text: &str) -> Result<Delivery, String> {
    Delivery::parse(text).ok_or_else(|| "expected web-identity or sidecar".to_owned())
}
