//! `irsa-emu trust-policy`: judges trust policies in files as STS would. No cluster and no Recipe is needed.

pub mod files;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_core::names::is_dns_subdomain;
use irsa_emu_core::paint::Paint;
use irsa_emu_core::plain::plain;
use irsa_emu_core::role_arn::RoleArn;
use irsa_emu_core::trust_policy::IssuerAlias;
use irsa_emu_doctor::explain::gather;
use irsa_emu_doctor::explain::world::USUAL_ISSUER;
use serde::Serialize;
use time::OffsetDateTime;

use self::files::{Asking, Decided, Found, Judged};
use crate::app::App;
use crate::commands::explain;
use crate::console::output::OutputArgs;
use crate::console::printer::Printer;
use crate::documents;
use crate::error::CliError;

/// Options of `irsa-emu trust-policy`.
#[derive(Debug, Args)]
pub struct TrustPolicyArgs {
    #[command(subcommand)]
    verb: TrustPolicyVerb,
}

#[derive(Debug, Subcommand)]
enum TrustPolicyVerb {
    /// Check whether trust policies in files allow a ServiceAccount
    Check(CheckArgs),
}

/// Options of `irsa-emu trust-policy check`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 0 if every role allows the ServiceAccount, with 1 if one does not, with 2 if a file cannot be read.

Examples:
  irsa-emu trust-policy check trust.json --as shop/web
  terraform show -json plan.out | irsa-emu trust-policy check - --as shop/web --role web
  aws iam get-role --role-name web | irsa-emu trust-policy check - --as shop/web"
)]
struct CheckArgs {
    /// A trust policy, or the output of `terraform show -json` or `aws iam get-role`; `-` is stdin
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The ServiceAccount that assumes the role
    #[arg(long = "as", value_name = "NAMESPACE/NAME", required = true, value_parser = service_account)]
    account: String,
    /// Check only this role: its name, its ARN or its address in Terraform. For a plain trust policy, the ARN of its role
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Audience of the token
    #[arg(long, value_name = "AUDIENCE", default_value = "sts.amazonaws.com")]
    audience: String,
    /// Issuer of the token, and no other [default: that of any EKS cluster, or of a local one]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

/// The output for programs.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    subject: &'a str,
    roles: &'a [Judged],
}

/// Reads `NAMESPACE/NAME`, or the subject itself; returns the subject.
fn service_account(text: &str) -> Result<String, String> {
    let pair = match text.strip_prefix("system:serviceaccount:") {
        Some(rest) => rest.split_once(':'),
        None => text.split_once('/'),
    };
    match pair {
        Some((namespace, name)) if is_dns_subdomain(namespace) && is_dns_subdomain(name) => {
            Ok(format!("system:serviceaccount:{namespace}:{name}"))
        }
        _ => Err("expected NAMESPACE/NAME of a ServiceAccount, such as shop/web".to_owned()),
    }
}

/// Judges trust policies.
pub async fn run(args: TrustPolicyArgs, app: &App) -> Result<ExitStatus, CliError> {
    let TrustPolicyVerb::Check(args) = args.verb;
    let mut found = Vec::new();
    for path in &args.files {
        let (title, of_file) = read(path).await?;
        found.extend(of_file.into_iter().map(|one| (title.clone(), one)));
    }
    let chosen = chosen(found, &args.roles)?;
    let settings = explain::settings(app)?;
    let keys = gather::time_keys(OffsetDateTime::now_utc());
    let own = args.issuer.as_deref().map(without_scheme);
    let none: &[IssuerAlias] = &[];
    let asking = Asking {
        subject: &args.account,
        audience: &args.audience,
        issuer: own.unwrap_or(USUAL_ISSUER),
        aliases: if own.is_some() {
            none
        } else {
            &settings.issuer_aliases
        },
        time_keys: &keys,
    };
    let judged: Vec<Judged> = chosen
        .iter()
        .map(|(title, found)| found.judge(title, &asking))
        .collect();
    let answer = Answer {
        subject: &args.account,
        roles: &judged,
    };
    app.answer(&answer, |printer| {
        for one in &judged {
            printer.data(&row(one, printer));
        }
    })?;
    for one in &judged {
        for warning in &one.warnings {
            app.progress.warn(&plain(&format!("{}: {warning}", one.title)));
        }
    }
    let refused: Vec<&Judged> = judged
        .iter()
        .filter(|one| one.decided != Decided::Allow)
        .collect();
    match refused.split_first() {
        Some((first, others)) => Err(refusal(first, others.len(), &args.account)),
        None => Ok(ExitStatus::Ok),
    }
}

fn without_scheme(issuer: &str) -> &str {
    issuer
        .strip_prefix("https://")
        .unwrap_or(issuer)
        .trim_end_matches('/')
}

async fn read(path: &Path) -> Result<(String, Vec<Found>), CliError> {
    let wrong = |why: String, title: &str| {
        CliError::because(
            ExitStatus::Usage,
            format!("reading the trust policies of {}", plain(title)),
            why,
        )
        .next("irsa-emu trust-policy check --help")
    };
    let shown = path.display().to_string();
    let (title, text) = documents::read_text(path).await.map_err(|error| {
        wrong(
            anyhow::Error::from(error)
                .chain()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": "),
            &shown,
        )
    })?;
    let found = files::read(&text, &title).map_err(|error| wrong(error.to_string(), &title))?;
    Ok((title, found))
}

/// The roles that the user wants to know about.
fn chosen(found: Vec<(String, Found)>, roles: &[String]) -> Result<Vec<(String, Found)>, CliError> {
    if roles.is_empty() {
        return Ok(found);
    }
    let wrong = |why: String| {
        CliError::because(ExitStatus::Usage, "choosing the roles", why)
            .next("irsa-emu trust-policy check --help")
    };
    let mut chosen = Vec::new();
    let mut met = vec![false; roles.len()];
    for (title, mut one) in found {
        // A plain document does not name its role.
        let is_plain = one.name.is_none() && one.arn.is_none() && one.title == title;
        for (role, met) in roles.iter().zip(&mut met) {
            if is_plain && RoleArn::parse(role).is_ok() {
                one.arn = Some(role.clone());
            }
            if one.is_called(role) {
                *met = true;
                chosen.push((title.clone(), one.clone()));
                break;
            }
        }
    }
    match roles.iter().zip(met).find(|(_, met)| !met) {
        Some((role, _)) => Err(wrong(format!("no file has a role `{}`", plain(role)))),
        None => Ok(chosen),
    }
}

/// What was decided about a role, for people.
fn row(one: &Judged, printer: &Printer) -> String {
    let word = match one.decided {
        Decided::Allow => printer.paint(Paint::Good, "allow"),
        Decided::Deny => printer.paint(Paint::Bad, "deny"),
        Decided::Unknown => printer.paint(Paint::Warn, "unknown"),
    };
    let role = one.role.as_ref().filter(|role| **role != one.title);
    let role = role.map_or_else(String::new, |role| format!(" ({role})"));
    format!(
        "{word} {}",
        plain(&format!("{}{role}: {}", one.title, one.decision))
    )
}

/// What it fails with.
fn refusal(first: &Judged, others: usize, subject: &str) -> CliError {
    let others = match others {
        0 => String::new(),
        count => format!("; {count} more do not allow it, or are not known"),
    };
    let why = format!("{}: {}{others}", first.title, first.decision);
    CliError::because(
        ExitStatus::Failed,
        format!("checking whether every role allows {subject}"),
        plain(&why),
    )
    .code(Code::TrustRefused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_account_is_named_with_its_namespace() {
        for text in ["shop/web", "system:serviceaccount:shop:web"] {
            assert_eq!(
                service_account(text).as_deref(),
                Ok("system:serviceaccount:shop:web")
            );
        }
        for text in [
            "",
            "web",
            "shop/",
            "/web",
            "shop/web/x",
            "Shop/web",
            "system:serviceaccount:shop",
        ] {
            assert!(service_account(text).is_err(), "{text}");
        }
    }
}
