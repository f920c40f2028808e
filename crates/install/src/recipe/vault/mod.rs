//! Reads the values of HashiCorp's Vault chart, and of OpenBao's: which keys seal Vault, and as which role it runs.
//!
//! Pure: text in, findings out. What it reads, and in which order, is what the chart and Vault do on EKS.

mod chart;
mod error;
pub mod found;
mod hcl;
pub mod key;
mod merge;
mod more;
mod role;
mod seal;
mod stanza;
mod template;
#[cfg(test)]
mod tests;
mod text;

use serde_json::{Map, Value};

use self::chart::{Chart, Product, Variables};
pub use self::error::{Problem, ValuesError};
use self::found::VaultValues;
pub use self::more::add_keys;
use self::text::text_at;

/// Where Vault and the SDK look where no region is named.
const DEFAULT_REGION: &str = "us-east-1";

/// A file of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub title: String,
    /// Its text, or why it has none.
    pub text: Result<String, String>,
}

/// Reads values, later ones laid over earlier ones, for a release of the chart.
#[must_use]
pub fn read(sources: &[Source], release: Option<&str>) -> VaultValues {
    let mut values = VaultValues::default();
    let root = Value::Object(laid_over_each_other(sources, &mut values));
    let chart = match Chart::find(&root) {
        Ok(chart) => chart,
        Err(error) => {
            values.problems.push(error.needs(error::ALL));
            return values;
        }
    };
    let release = match (release, chart.product) {
        (Some(release), _) => release,
        (None, Product::Vault) => Product::Vault.chart(),
        (None, Product::OpenBao) => {
            values.release = Some(Product::OpenBao.chart().to_owned());
            Product::OpenBao.chart()
        }
    };
    values.service_account = chart.service_account(release);
    values.namespace =
        text_at(chart.values, "/global/namespace").or_else(|| text_at(&root, "/global/namespace"));
    let variables = Variables::of(&chart);
    warn_of_variables(&chart, &variables, &mut values.warnings);
    let accounts = seal::read(&root, &chart, &variables, &mut values);
    read_role(&chart, &mut values);
    one_account(accounts, &mut values);
    values
}

/// The values of all files. A file that cannot be read is a problem.
fn laid_over_each_other(sources: &[Source], values: &mut VaultValues) -> Map<String, Value> {
    let mut all = Map::new();
    for source in sources {
        let file = match sources {
            [_] => String::new(),
            _ => format!("{}: ", source.title),
        };
        let parsed = match &source.text {
            Ok(text) => merge::parse(text).map_err(|why| ValuesError::Yaml {
                file: file.clone(),
                why,
            }),
            Err(why) => Err(ValuesError::Text {
                file: file.clone(),
                why: why.clone(),
            }),
        };
        match parsed {
            Ok(Value::Object(read)) => merge::merge(&mut all, read),
            Ok(Value::Null) => {}
            Ok(_) => values
                .problems
                .push(ValuesError::NoMapping { file }.needs(error::ALL)),
            Err(error) => values.problems.push(error.needs(error::ALL)),
        }
    }
    all
}

fn warn_of_variables(chart: &Chart<'_>, variables: &Variables, warnings: &mut Vec<String>) {
    let product = chart.product.name();
    for name in variables.names() {
        match name {
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" => warnings.push(format!(
                "the values set {name}: {product} uses static credentials before any role, on EKS as here; \
remove it to use the role"
            )),
            "AWS_ENDPOINT_URL" | "AWS_ENDPOINT_URL_KMS" | "AWS_KMS_ENDPOINT" | "AWSKMS_ENDPOINT" => {
                warnings.push(format!(
                    "the values set {name}: it goes to EKS, too, and irsa-emu leaves it as it is; \
remove it, as irsa-emu adds what is needed"
                ));
            }
            _ => {}
        }
    }
    if chart
        .values
        .pointer("/server/extraEnvironmentVars")
        .is_some_and(Value::is_array)
    {
        warnings.push(format!(
            "{} is a list, but the chart takes a mapping of names to values",
            chart.place(chart::VARIABLES)
        ));
    }
}

fn read_role(chart: &Chart<'_>, values: &mut VaultValues) {
    let role = match role::read(chart.values) {
        Ok(Some(role)) => role,
        Ok(None) => return,
        Err(problem) => {
            values.problems.push(problem);
            return;
        }
    };
    let region = values.keys.first().and_then(|key| key.region.as_deref());
    if let Err(problem) = role::check_partition(&role, region.unwrap_or(DEFAULT_REGION)) {
        values.problems.push(problem);
    }
    values.account = Some(role.account().to_owned());
    values.role = Some(role.name().to_owned());
    values.role_path = Some(role.path().to_owned());
}

/// Takes the account of the keys' ARNs where no role names one, and refuses a key in another account than the rest.
fn one_account(accounts: Vec<(String, String)>, values: &mut VaultValues) {
    let mut other = values.role.as_ref().map(|role| format!("the role {role}"));
    for (key, account) in accounts {
        match (&values.account, &other) {
            (Some(known), Some(other)) if *known != account => {
                let error = ValuesError::Accounts {
                    key,
                    account,
                    other: other.clone(),
                    other_account: known.clone(),
                };
                values.problems.push(error.needs(&["account"]));
            }
            (Some(_), _) => {}
            (None, _) => {
                other = Some(format!("the key {key}"));
                values.account = Some(account);
            }
        }
    }
}
