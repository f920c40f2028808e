//! `irsa-emu env -o aws-config --as NAMESPACE/SERVICEACCOUNT`: a profile that has the identity of a Pod.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_cluster::kubernetes::connect;
use irsa_emu_core::contract::DEFAULT_INSTANCE;
use irsa_emu_core::shell::shell_quoted;

use super::known::{endpoint_of, installed, no_port_yet};
use crate::app::App;
use crate::commands::identity;
use crate::error::CliError;
use crate::identity::account::AccountName;

/// Checks the name of a profile: what AWS tools accept between the brackets of a section.
pub(super) fn profile_name(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "_-/.%@:+".contains(c);
    if !text.is_empty() && text.chars().all(legal) {
        return Ok(text.to_owned());
    }
    Err("expected letters, digits and _-/.%@:+".to_owned())
}

/// Prints the profile.
pub(super) async fn run(
    account: &AccountName,
    profile: Option<String>,
    app: &App,
) -> Result<ExitStatus, CliError> {
    let text = tokio::select! {
        text = text(account, profile, app) => text?,
        signal = app.signals.received() => return Err(signal.interrupted("waiting")),
    };
    app.printer.data(&text);
    Ok(ExitStatus::Ok)
}

async fn text(account: &AccountName, profile: Option<String>, app: &App) -> Result<String, CliError> {
    let (cluster, recorded) = installed(app).await?;
    // A profile that can never work is not worth printing.
    let found = identity::find(account, None, &cluster, app).await?;
    let endpoint = if recorded.real_aws {
        None
    } else {
        let known = endpoint_of(&recorded, &cluster, app).await;
        Some(known.unwrap_or_else(|| no_port_yet(app)))
    };
    let command = Command {
        program: program(),
        kubeconfigs: kubeconfigs(app),
        instance: &app.session.instance,
        context: &cluster.context,
        account,
    };
    let line = command.line();
    if !is_one_value(&line) {
        let why = format!("an AWS configuration file cannot hold this command: {line:?}");
        return Err(CliError::because(
            ExitStatus::Failed,
            format!("writing a profile for {account}"),
            why,
        )
        .next(format!(
            "{} -- COMMAND",
            app.session.command(&format!("exec --as {account}"))
        )));
    }
    let default = || format!("{}-{}-{}", app.session.instance, account.namespace, account.name);
    Ok(section(
        &profile.unwrap_or_else(default),
        &line,
        &found.region,
        endpoint.as_deref(),
    ))
}

fn section(profile: &str, command: &str, region: &str, endpoint: Option<&str>) -> String {
    let mut text = format!("[profile {profile}]\ncredential_process = {command}\nregion = {region}");
    if let Some(endpoint) = endpoint {
        let _ = write!(text, "\nendpoint_url = {endpoint}");
    }
    text
}

/// The command of the profile, which runs in any folder, of any program, with any variables.
struct Command<'a> {
    program: String,
    /// Those in force, unless they are the default.
    kubeconfigs: Vec<PathBuf>,
    instance: &'a str,
    context: &'a str,
    account: &'a AccountName,
}

impl Command<'_> {
    fn line(&self) -> String {
        let mut line = String::new();
        if let [_, _, ..] = &self.kubeconfigs[..] {
            let list: Vec<String> = self.kubeconfigs.iter().map(|path| absolute(path)).collect();
            let _ = write!(
                line,
                "env {} ",
                shell_quoted(&format!("KUBECONFIG={}", list.join(":")))
            );
        }
        let _ = write!(
            line,
            "{} credentials {} --context {}",
            shell_quoted(&self.program),
            self.account,
            shell_quoted(self.context)
        );
        if let [file] = &self.kubeconfigs[..] {
            let _ = write!(line, " --kubeconfig {}", shell_quoted(&absolute(file)));
        }
        if self.instance != DEFAULT_INSTANCE {
            let _ = write!(line, " --name {}", self.instance);
        }
        if !connect::is_safe(self.context) {
            let _ = write!(line, " --allow-context {}", shell_quoted(self.context));
        }
        // A file of the project in which it happens to run must not decide.
        line + " --no-config"
    }
}

/// Whether AWS tools read a text as one value: they end values at a comment and at the end of a line.
fn is_one_value(text: &str) -> bool {
    !text.contains(char::is_control) && !text.contains(" #") && !text.contains(" ;")
}

fn absolute(path: &Path) -> String {
    let absolute = std::path::absolute(path);
    absolute.as_deref().unwrap_or(path).display().to_string()
}

/// What others start us by: our name where PATH has us, else our file.
fn program() -> String {
    const NAME: &str = "irsa-emu";
    let Ok(own) = std::env::current_exe() else {
        return NAME.to_owned();
    };
    let is_own = |file: PathBuf| file.canonicalize().is_ok_and(|file| file == own);
    if which::which(NAME).is_ok_and(is_own) {
        NAME.to_owned()
    } else {
        own.display().to_string()
    }
}

/// The kubeconfig files, unless every program finds them by itself.
fn kubeconfigs(app: &App) -> Vec<PathBuf> {
    let is_set = std::env::var_os("KUBECONFIG").is_some_and(|list| !list.is_empty());
    if app.session.kubeconfig.is_none() && !is_set {
        return Vec::new();
    }
    app.session.kubeconfigs().paths().to_vec()
}

/// The error for a profile of nobody.
pub(super) fn lacks_account(app: &App) -> CliError {
    let why = "a profile has the identity of a ServiceAccount: name it with --as";
    let next = app
        .session
        .command("env -o aws-config --as NAMESPACE/SERVICEACCOUNT");
    CliError::because(ExitStatus::Usage, "writing a profile", why).next(next)
}

/// The error for a format that holds no credentials that are renewed.
pub(super) fn is_for_profiles(account: &AccountName, app: &App) -> CliError {
    let why = "--as is for -o aws-config; variables with credentials of its role come from another command";
    let next = format!(
        "{} -o shell",
        app.session.command(&format!("credentials {account}"))
    );
    CliError::because(
        ExitStatus::Usage,
        format!("printing variables for {account}"),
        why,
    )
    .next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_profile_is_quoted_for_a_shell() {
        let account = AccountName::parse("shop/app").unwrap();
        let mut command = Command {
            program: "irsa-emu".into(),
            kubeconfigs: Vec::new(),
            instance: "irsa-emu",
            context: "kind-irsa-emu",
            account: &account,
        };
        assert_eq!(
            command.line(),
            "irsa-emu credentials shop/app --context kind-irsa-emu --no-config"
        );
        command.program = "/home/a b/irsa-emu".into();
        command.kubeconfigs = vec!["/k 1".into()];
        command.context = "a'b";
        command.instance = "ci";
        assert_eq!(
            command.line(),
            r"'/home/a b/irsa-emu' credentials shop/app --context 'a'\''b' --kubeconfig '/k 1' --name ci --allow-context 'a'\''b' --no-config"
        );
        command.kubeconfigs.push("/k2".into());
        assert!(
            command.line().starts_with("env 'KUBECONFIG=/k 1:/k2' '/home"),
            "{}",
            command.line()
        );
    }

    #[test]
    fn what_would_end_a_value_is_no_value() {
        assert!(is_one_value("irsa-emu credentials a/b --context 'a#b'"));
        for text in ["a #b", "a ;b", "a\nb"] {
            assert!(!is_one_value(text), "{text}");
        }
    }

    #[test]
    fn a_profile_has_a_section_of_its_own() {
        assert_eq!(
            section("p", "c", "eu-west-1", Some("http://127.0.0.1:4566")),
            "[profile p]\ncredential_process = c\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:4566"
        );
        assert!(!section("p", "c", "r", None).contains("endpoint_url"));
        for (name, good) in [
            ("a/b-c.d", true),
            ("", false),
            ("a b", false),
            ("a]", false),
            ("a\nb", false),
        ] {
            assert_eq!(profile_name(name).is_ok(), good, "{name}");
        }
    }
}
