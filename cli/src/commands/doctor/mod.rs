//! `irsa-emu doctor`: finds problems, prints how to fix them, and repairs what is safe to repeat.

mod fix;
pub mod report;

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use irsa_emu_cluster::failure::ExitStatus;
use irsa_emu_core::contract::EMULATOR_PORT;
use irsa_emu_doctor::checks;
use irsa_emu_doctor::checks::engine::{self, Check, CheckResult, Mark, Phase, Selection};
use irsa_emu_doctor::checks::surroundings::Surroundings;
use irsa_emu_doctor::checks::surroundings::scope::Scope;
use irsa_emu_doctor::checks::surroundings::versions::Versions;
use tokio::time::Instant;

use crate::app::App;
use crate::console::prompt::YesArgs;
use crate::error::{Attempt, CliError};
use crate::options::words;

/// How long to wait between two rounds of `--wait`.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a repair may take to work, unless `--wait` is given.
const REPAIR_TIMEOUT: Duration = Duration::from_mins(2);

/// Reads the name of a phase.
fn phases() -> impl TypedValueParser<Value = Phase> {
    let names = Phase::ALL.map(|phase| PossibleValue::new(phase.name()).help(phase.title()));
    PossibleValuesParser::new(names).try_map(|typed| {
        let phase = Phase::ALL.into_iter().find(|phase| phase.name() == typed);
        phase.ok_or("no such phase")
    })
}

/// Options of `irsa-emu doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Run only these checks; `*` and `?` match anything
    #[arg(long, value_name = "ID|PATTERN", value_delimiter = ',')]
    only: Vec<String>,
    /// Do not run these checks
    #[arg(long, value_name = "ID|PATTERN", value_delimiter = ',')]
    skip: Vec<String>,
    /// Run only checks of these phases
    #[arg(long, value_name = "PHASE", value_delimiter = ',', value_parser = phases())]
    phase: Vec<Phase>,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Only list the checks
    #[arg(long)]
    list: bool,
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: ReportFormat,
    /// Repeat the checks until nothing is wrong, for at most this long
    #[arg(long, value_name = "DURATION", value_parser = words::duration)]
    wait: Option<Duration>,
    /// Which results make the exit code 1
    #[arg(long, value_name = "RESULT", default_value = "error")]
    fail_on: FailOn,
    /// Port of 127.0.0.1 that `up` would open for a new cluster. 0 uses any free port
    #[arg(long, value_name = "PORT", default_value_t = EMULATOR_PORT)]
    host_port: u16,
    #[command(flatten)]
    repair: RepairArgs,
}

/// Whose ServiceAccounts and Pods are looked at.
#[derive(Debug, Args)]
struct ScopeArgs {
    /// Look at ServiceAccounts and Pods of these Namespaces [default: those with an annotated ServiceAccount]
    #[arg(
        short,
        long,
        value_name = "NAMESPACE",
        value_delimiter = ',',
        conflicts_with = "all_namespaces"
    )]
    namespace: Vec<String>,
    /// Look at ServiceAccounts and Pods of all Namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

impl ScopeArgs {
    fn scope(&self) -> Scope {
        match (self.all_namespaces, self.namespace.as_slice()) {
            (true, _) => Scope::Everywhere,
            (false, []) => Scope::Annotated,
            (false, names) => Scope::Named(names.to_vec()),
        }
    }
}

/// Whether something is repaired.
#[derive(Debug, Args)]
struct RepairArgs {
    /// Repair what is safe to repeat (apply again, load images, restart workloads), after asking
    #[arg(long)]
    fix: bool,
    #[command(flatten)]
    yes: YesArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people
    #[value(alias = "text")]
    Table,
    /// Only warnings and errors, to paste into a ticket
    Short,
    /// One JSON object
    Json,
    /// The same as YAML
    Yaml,
    /// A test report in XML
    Junit,
    /// Annotations and a summary page for GitHub Actions
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
}

impl FailOn {
    /// Whether a result makes the command fail.
    fn counts(self, mark: Mark) -> bool {
        mark == Mark::Error || (self == Self::Warning && mark == Mark::Warning)
    }

    /// The checks that make it fail.
    fn bad(self, outcomes: &[CheckResult]) -> Vec<&'static str> {
        let bad = outcomes.iter().filter(|outcome| self.counts(outcome.mark));
        bad.map(|outcome| outcome.id).collect()
    }
}

/// Runs the checks, and fails where one of them finds an error.
pub async fn run(args: DoctorArgs, app: &App) -> Result<ExitStatus, CliError> {
    let all = checks::all();
    let wanted = chosen(&args, &all)?;
    if args.list {
        print_list(&wanted, args.output, app);
        return Ok(ExitStatus::Ok);
    }
    let RepairArgs { fix, yes } = args.repair;
    let doctor = Doctor {
        wanted: &wanted,
        app,
        scope: args.scope.scope(),
        host_port: args.host_port,
        fail_on: args.fail_on,
    };
    let since = Instant::now();
    let mut found = doctor.rounds(args.wait.map(|wait| since + wait), None).await;
    if fix {
        let plan = fix::plan(&found.outcomes);
        if fix::apply(&plan, yes, app).await? {
            // What was not repaired needs no waiting for.
            let repaired: Vec<&str> = plan.into_values().flatten().collect();
            let awaited = args.wait.is_none().then_some(repaired);
            let deadline = Instant::now() + args.wait.unwrap_or(REPAIR_TIMEOUT);
            found = doctor.rounds(Some(deadline), awaited.as_deref()).await;
        }
    }
    print(&found, since.elapsed(), args.output, app)?;
    Ok(if args.fail_on.bad(&found.outcomes).is_empty() {
        ExitStatus::Ok
    } else {
        ExitStatus::Failed
    })
}

/// The checks that the options ask for.
fn chosen<'c, 'x>(
    args: &DoctorArgs,
    all: &'c [Check<Surroundings<'x>>],
) -> Result<Vec<&'c Check<Surroundings<'x>>>, CliError> {
    let selection = Selection {
        only: args.only.clone(),
        skip: args.skip.clone(),
        phases: args.phase.clone(),
    };
    let ids: Vec<&str> = all.iter().map(|check| check.id).collect();
    let refused = |why: String| {
        CliError::because(ExitStatus::Usage, "choosing checks", why).next("irsa-emu doctor --list")
    };
    if let Some(pattern) = selection.idle_pattern(&ids) {
        return Err(refused(format!("no check has an id like `{pattern}`")));
    }
    let wanted: Vec<_> = all
        .iter()
        .filter(|check| selection.wants(check.id, check.phase))
        .collect();
    if wanted.is_empty() {
        let why = "no check is both in --only and in --phase, and not in --skip";
        return Err(refused(why.to_owned()));
    }
    Ok(wanted)
}

/// What a round of checks found.
struct Found {
    outcomes: Vec<CheckResult>,
    versions: Versions,
}

struct Doctor<'a, 'x> {
    wanted: &'a [&'a Check<Surroundings<'x>>],
    app: &'x App,
    scope: Scope,
    host_port: u16,
    fail_on: FailOn,
}

impl Doctor<'_, '_> {
    /// Runs the checks once, or until nothing is wrong; with a list, until these are well.
    async fn rounds(&self, deadline: Option<Instant>, awaited: Option<&[&str]>) -> Found {
        let progress = &self.app.progress;
        progress.step("checking machine, cluster, webhook and emulator");
        loop {
            // What was found in the round before may be what is different now.
            let surroundings =
                Surroundings::new(&self.app.session, self.scope.clone()).with_host_port(self.host_port);
            let begun = |id: &str| tracing::debug!(id, "check begins");
            let outcomes = engine::run(self.wanted, &surroundings, &begun).await;
            surroundings.clean().await;
            let mut bad = self.fail_on.bad(&outcomes);
            bad.retain(|id| awaited.is_none_or(|awaited| awaited.contains(id)));
            if bad.is_empty() || deadline.is_none_or(|deadline| Instant::now() + PAUSE >= deadline) {
                progress.done(&format!("{} checks", outcomes.len()));
                let versions = surroundings.versions();
                return Found { outcomes, versions };
            }
            progress.detail(&format!("waiting for {}", bad.join(", ")));
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn print(found: &Found, took: Duration, output: ReportFormat, app: &App) -> Result<(), CliError> {
    let Found { outcomes, versions } = found;
    let attempted = || "writing the report".to_owned();
    let json = || report::json(outcomes, versions);
    let text = match output {
        ReportFormat::Table => report::table(outcomes, took, &app.printer),
        ReportFormat::Short => report::short(outcomes, versions, took, &app.printer),
        ReportFormat::Json => json().to_string(),
        ReportFormat::Yaml => serde_saphyr::to_string(&json()).attempting(attempted)?,
        ReportFormat::Junit => report::junit(outcomes).attempting(attempted)?,
        ReportFormat::Github => {
            if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY") {
                append(&path, &report::summary(outcomes)).attempting(attempted)?;
            }
            report::annotations(outcomes)
        }
    };
    app.printer.data(text.trim_end());
    Ok(())
}

fn append(path: &std::ffi::OsStr, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())
}

fn print_list(wanted: &[&Check<Surroundings<'_>>], output: ReportFormat, app: &App) {
    if output == ReportFormat::Json {
        let list: Vec<serde_json::Value> = wanted
            .iter()
            .map(|check| {
                serde_json::json!({
                    "id": check.id, "phase": check.phase, "needs": check.needs, "title": check.title,
                })
            })
            .collect();
        app.printer.data(&serde_json::Value::Array(list).to_string());
        return;
    }
    for check in wanted {
        app.printer.data(&format!(
            "{:18}  {:8}  {}",
            check.id,
            check.phase.name(),
            check.title
        ));
    }
}
