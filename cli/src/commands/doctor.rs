//! `irsa-emu doctor`: finds out what is wrong, and says how to mend it.

use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::time::Instant;

use crate::app::App;
use crate::args;
use crate::checks::engine::{self, Check, Outcome, Phase, Selection};
use crate::checks::{self, Surroundings, report};
use crate::error::{CliError, ExitStatus};

/// How long to wait between two rounds of `--wait`.
const PAUSE: Duration = Duration::from_secs(1);

/// Options of `irsa-emu doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Only these checks; `*` and `?` fit anything
    #[arg(long, value_name = "ID|PATTERN", value_delimiter = ',')]
    only: Vec<String>,
    /// Not these checks
    #[arg(long, value_name = "ID|PATTERN", value_delimiter = ',')]
    skip: Vec<String>,
    /// Only checks of these phases
    #[arg(long, value_name = "PHASE", value_delimiter = ',')]
    phase: Vec<Phase>,
    /// Only list the checks
    #[arg(long)]
    list: bool,
    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Ask again until nothing is wrong, for at most this long
    #[arg(long, value_name = "DURATION", value_parser = args::duration)]
    wait: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// Only what is not as it should be, to paste into a ticket
    Short,
    /// One JSON object
    Json,
}

/// Runs the checks, and fails where one of them finds an error.
pub async fn run(args: DoctorArgs, app: &App) -> Result<ExitStatus, CliError> {
    let DoctorArgs {
        only,
        skip,
        phase: phases,
        list,
        output,
        wait,
    } = args;
    let all = checks::all();
    let selection = Selection { only, skip, phases };
    let ids: Vec<&str> = all.iter().map(|check| check.id).collect();
    if let Some(pattern) = selection.idle_pattern(&ids) {
        let why = format!("no check has an id like `{pattern}`");
        return Err(
            CliError::because(ExitStatus::Usage, "choosing checks", why).next("irsa-emu doctor --list")
        );
    }
    let wanted: Vec<&Check<Surroundings<'_>>> = all
        .iter()
        .filter(|check| selection.wants(check.id, check.phase))
        .collect();
    if wanted.is_empty() {
        let why = "no check is both in --only and in --phase, and not in --skip";
        return Err(
            CliError::because(ExitStatus::Usage, "choosing checks", why).next("irsa-emu doctor --list")
        );
    }
    if list {
        print_list(&wanted, output, app);
        return Ok(ExitStatus::Ok);
    }
    let since = Instant::now();
    let (outcomes, version) = rounds(&wanted, app, wait.map(|wait| since + wait)).await;
    let text = match output {
        Format::Table => report::table(&outcomes, since.elapsed(), &app.printer),
        Format::Short => report::short(&outcomes, since.elapsed(), &app.printer),
        Format::Json => report::json(&outcomes, version.as_deref()).to_string(),
    };
    app.printer.data(&text);
    Ok(if report::count(&outcomes).error == 0 {
        ExitStatus::Ok
    } else {
        ExitStatus::Failed
    })
}

/// Runs the checks once, or until none finds an error.
async fn rounds<'x>(
    wanted: &[&Check<Surroundings<'x>>],
    app: &'x App,
    deadline: Option<Instant>,
) -> (Vec<Outcome>, Option<String>) {
    app.progress.step("asking machine, cluster, webhook and emulator");
    loop {
        // What was found in the round before may be what is different now.
        let surroundings = Surroundings::new(app);
        let begun = |id: &str| tracing::debug!(id, "check begins");
        let outcomes = engine::run(wanted, &surroundings, &begun).await;
        surroundings.clean().await;
        let version = surroundings.cluster_version().map(str::to_owned);
        let errors = report::count(&outcomes).error;
        if errors == 0 || deadline.is_none_or(|deadline| Instant::now() + PAUSE >= deadline) {
            app.progress.done(&format!("{} checks", outcomes.len()));
            return (outcomes, version);
        }
        app.progress
            .detail(&format!("{errors} not as they should be yet"));
        tokio::time::sleep(PAUSE).await;
    }
}

fn print_list(wanted: &[&Check<Surroundings<'_>>], output: Format, app: &App) {
    if output == Format::Json {
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
