//! The variables in every format.

use std::fmt::Write as _;

use irsa_emu_core::contract::{emulator_url, env as names, sts_front_url};
use irsa_emu_core::emulator;
use irsa_emu_core::shell::shell_quoted;
use serde_json::{Map, Value};

use crate::console::github;

/// What tools of this machine need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) context: String,
    pub(super) host_endpoint: String,
    pub(super) region: String,
    pub(super) account: String,
}

impl Facts {
    /// The variables that AWS tools read.
    pub(super) fn variables(&self) -> [(&'static str, &str); 5] {
        [
            (names::ENDPOINT, &self.host_endpoint),
            (names::REGION, &self.region),
            (names::DEFAULT_REGION, &self.region),
            // The emulator takes the account from the access key. GitHub need not mask the secret one: every `test`
            // in the log would become stars.
            ("AWS_ACCESS_KEY_ID", &self.account),
            ("AWS_SECRET_ACCESS_KEY", emulator::DEFAULT.secret_key),
        ]
    }

    pub(super) fn shell(&self) -> String {
        let line = |(name, value): (&str, &str)| format!("export {name}={}", shell_quoted(value));
        self.variables().map(line).join("\n")
    }

    pub(super) fn dotenv(&self) -> String {
        self.variables()
            .map(|(name, value)| format!("{name}={value}"))
            .join("\n")
    }

    pub(super) fn json(&self) -> String {
        let pair = |(name, value): (&str, &str)| (name.to_owned(), Value::from(value));
        Value::Object(self.variables().into_iter().map(pair).collect::<Map<_, _>>()).to_string()
    }

    /// For the file of variables of the steps that follow.
    pub(super) fn github_env(&self, delimiter: &str) -> String {
        self.variables()
            .map(|(name, value)| github::assignment(name, value, delimiter))
            .concat()
    }

    /// For the file of outputs of the step.
    pub(super) fn github_output(&self, delimiter: &str) -> String {
        self.endpoints()
            .map(|(name, value)| github::assignment(name, &value, delimiter))
            .concat()
    }

    /// For the page of the run.
    pub(super) fn github_summary(&self) -> String {
        let mut table = "### irsa-emu\n\n| | |\n|---|---|\n".to_owned();
        for (name, value) in self.endpoints() {
            let _ = writeln!(table, "| {name} | `{value}` |");
        }
        table
    }

    fn endpoints(&self) -> [(&'static str, String); 6] {
        [
            ("context", self.context.clone()),
            ("host-endpoint", self.host_endpoint.clone()),
            ("cluster-endpoint", emulator_url()),
            ("sts-endpoint", sts_front_url()),
            ("region", self.region.clone()),
            ("account-id", self.account.clone()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            context: "kind-x".into(),
            host_endpoint: "http://127.0.0.1:4566".into(),
            region: "eu-west-1".into(),
            account: "123456789012".into(),
        }
    }

    #[test]
    fn every_format_has_every_variable() {
        let shell = "export AWS_ENDPOINT_URL=http://127.0.0.1:4566\nexport AWS_REGION=eu-west-1\n\
export AWS_DEFAULT_REGION=eu-west-1\nexport AWS_ACCESS_KEY_ID=123456789012\nexport AWS_SECRET_ACCESS_KEY=test";
        assert_eq!(facts().shell(), shell);
        assert_eq!(facts().dotenv(), shell.replace("export ", ""));
        let json: Value = serde_json::from_str(&facts().json()).unwrap();
        assert_eq!(json["AWS_REGION"], json["AWS_DEFAULT_REGION"]);
        assert_eq!(json.as_object().unwrap().len(), 5);
    }

    #[test]
    fn what_github_reads_is_in_the_snapshot() {
        let facts = facts();
        let all = [
            facts.github_env("END"),
            facts.github_output("END"),
            facts.github_summary(),
        ];
        insta::assert_snapshot!(all.join("--\n"));
    }
}
