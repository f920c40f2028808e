//! Command line and environment, read once.

use std::net::SocketAddr;

use clap::error::ErrorKind;
use clap::{Arg, ArgMatches, Command, FromArgMatches, Parser, ValueEnum};
use irsa_emu_core::contract;
use irsa_emu_core::grant::GrantDefaults;
use irsa_emu_core::install::{FLAGS, Flag, InstallSettings};
use irsa_emu_core::plan::InjectConfig;
use irsa_emu_core::trust_policy::IssuerAlias;

/// Admission webhook, STS front and keeper of irsa-emu.
#[derive(Debug, Parser)]
#[command(name = "irsa-emu-webhook", version)]
pub(crate) struct Args {
    #[command(flatten)]
    install: Install,
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

/// The settings of the install, each of which is a flag or a variable.
#[derive(Debug)]
struct Install(InstallSettings);

impl clap::Args for Install {
    fn augment_args(command: Command) -> Command {
        let default = InstallSettings::default();
        let arguments = FLAGS.iter().map(|flag| {
            let argument = Arg::new(flag.name)
                .long(flag.name)
                .env(flag.variable())
                .help(flag.help)
                .required(flag.is_required);
            match flag.value(&default) {
                Some(value) if !flag.is_required => argument.default_value(value),
                Some(_) | None => argument,
            }
        });
        command.args(arguments)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Install {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value = |flag: &Flag| matches.get_one::<String>(flag.name).cloned();
        match InstallSettings::from_flags(value) {
            (settings, invalid) if invalid.is_empty() => Ok(Self(settings)),
            (_, invalid) => {
                let lines: Vec<String> = invalid.iter().map(|flag| format!("{flag}\n")).collect();
                Err(clap::Error::raw(ErrorKind::InvalidValue, lines.concat()))
            }
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
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
    pub(crate) install: InstallSettings,
    /// What shapes every patch.
    pub(crate) inject: InjectConfig,
    /// What annotations can override.
    pub(crate) grants: GrantDefaults,
    /// Issuers that mean this cluster in trust policies.
    pub(crate) issuer_aliases: Vec<IssuerAlias>,
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
            install: Install(install),
            listen_admission,
            listen_sts,
            listen_health,
            replica,
            log_format,
            log_level,
        } = args;
        Self {
            inject: install.inject(),
            grants: install.grants(),
            issuer_aliases: install.issuer_aliases(),
            install,
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

#[cfg(test)]
mod tests {
    use irsa_emu_core::install::{Backend, Profile, RoleMode};
    use irsa_emu_core::rules::Delivery;

    use super::*;

    fn parse(flags: &[String]) -> Result<InstallSettings, clap::Error> {
        let words = flags.iter().map(String::as_str);
        let args = Args::try_parse_from(std::iter::once("irsa-emu-webhook").chain(words))?;
        Ok(Settings::resolve(args).install)
    }

    fn words(settings: &InstallSettings) -> Vec<String> {
        let flags = settings.flags().into_iter();
        flags.map(|(name, value)| format!("--{name}={value}")).collect()
    }

    #[test]
    fn what_an_install_writes_is_what_the_process_starts_with() {
        let plain = InstallSettings {
            sidecar_image: "sidecar:1".into(),
            ..InstallSettings::default()
        };
        let other = InstallSettings {
            sidecar_image: "sidecar:2".into(),
            sts_url: "http://sts.example.test".into(),
            region: String::new(),
            default_delivery: Delivery::Sidecar,
            profile: Profile::StrictEks,
            native_sidecars: false,
            roles: RoleMode::Strict,
            issuer_aliases: vec!["eks".into(), "oidc.example.org/*".into()],
            instance: "mine".into(),
            namespace: "other".into(),
            emulator_url: "http://emulator.example.test".into(),
            backend: Backend::Aws,
            session_tags: true,
            sts_endpoint: Some("https://sts.example.test".into()),
            compose_role_arn: true,
            account: "123456789012".into(),
            partition: "aws-cn".into(),
            annotation_prefix: "iam.example.org".into(),
            audience: "sts.example.org".into(),
            token_expiration: 600,
            regional_sts: true,
        };
        for settings in [plain, other] {
            assert_eq!(parse(&words(&settings)).ok(), Some(settings));
        }
    }

    #[test]
    fn the_sidecars_image_is_required_and_every_value_must_be_one() {
        let refused = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            parse(&flags)
                .map_err(|error| error.to_string())
                .err()
                .unwrap_or_default()
        };
        assert!(refused(&[]).contains("--sidecar-image"));
        let error = refused(&["--sidecar-image=i", "--backend=gcp", "--regional-sts=yes"]);
        assert!(
            error.contains("`gcp` for --backend") && error.contains("`yes` for --regional-sts"),
            "{error}"
        );
    }
}
