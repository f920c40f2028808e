//! An explanation for people.

use std::fmt::Write as _;

use irsa_emu_core::paint::Paint;
use irsa_emu_core::plain::plain;

use super::findings::Level;
use super::{ContainerPlan, Credentials, Explanation, Identity, Planned};

/// Width of the words on the left.
const LEFT: usize = 16;

/// The text of an explanation; `paint` shows what a piece of it means.
#[must_use]
pub fn text(explained: &Explanation, paint: &dyn Fn(Paint, &str) -> String) -> String {
    let mut out = Lines {
        text: String::new(),
        paint,
    };
    out.heading(&explained.title(), explained);
    out.findings(explained);
    if explained.kind != "ServiceAccount" {
        let account = format!("{}/{}", explained.namespace, explained.service_account);
        out.row("ServiceAccount", &account);
    }
    match &explained.grant {
        Some(granted) => {
            let role = granted.role.as_deref().unwrap_or("EKS Pod Identity");
            out.row("grants", &format!("{role} ({})", granted.written_in));
        }
        None => out.row("grants", "nothing"),
    }
    out.now(explained);
    let left = match (&explained.now, explained.kind.as_str()) {
        (Some(_), _) => "if created now",
        (None, "Pod") => "the Pod gets",
        (None, _) => "its Pods get",
    };
    out.planned(&explained.if_created_now, left, explained.now.is_some());
    if let Some(identity) = &explained.identity {
        out.identity(identity);
    }
    for pod in &explained.pods {
        let mark = out.mark(pod.credentials);
        out.painted(
            "Pod",
            &format!("{mark} {}: {}", plain(&pod.name), plain(&pod.summary)),
        );
    }
    out.text.trim_end().to_owned()
}

struct Lines<'a> {
    text: String,
    paint: &'a dyn Fn(Paint, &str) -> String,
}

impl Lines<'_> {
    /// A row of which the right may hold text of users.
    fn row(&mut self, left: &str, right: &str) {
        self.painted(left, &plain(right));
    }

    fn painted(&mut self, left: &str, right: &str) {
        let _ = writeln!(self.text, "  {left:LEFT$}{right}");
    }

    fn mark(&self, credentials: Credentials) -> String {
        match credentials {
            Credentials::Yes => (self.paint)(Paint::Good, "ok"),
            Credentials::No => (self.paint)(Paint::Bad, "no"),
            Credentials::Unknown => (self.paint)(Paint::Warn, "??"),
        }
    }

    fn heading(&mut self, title: &str, explained: &Explanation) {
        let title = (self.paint)(Paint::Strong, title);
        let summary = plain(&explained.summary);
        let summary = match explained.credentials {
            Credentials::Yes => (self.paint)(Paint::Good, &summary),
            // The findings have the reason.
            Credentials::No => (self.paint)(Paint::Bad, "no credentials"),
            Credentials::Unknown => (self.paint)(Paint::Warn, &summary),
        };
        let _ = writeln!(self.text, "{title}: {summary}");
    }

    fn findings(&mut self, explained: &Explanation) {
        for finding in &explained.findings {
            let word = match finding.level {
                Level::Error => "why",
                Level::Warning => "warning",
                Level::Note => "note",
            };
            self.row(word, &format!("{} [{}]", finding.message, finding.id));
            if let Some(fix) = &finding.fix {
                self.row("", &format!("fix: {fix}"));
            }
        }
    }

    fn now(&mut self, explained: &Explanation) {
        let Some(now) = &explained.now else { return };
        let what = match (&now.injected, now.is_injected()) {
            (Some(delivery), _) => format!("injected ({delivery})"),
            (None, true) => "injected (strict-eks)".to_owned(),
            (None, false) => "not injected".to_owned(),
        };
        let phase = now.phase.to_lowercase();
        self.row("now", &format!("{what}, {phase}, created {}", now.created));
        for container in &now.containers {
            let fields = [
                ("AWS_ROLE_ARN", &container.role_arn),
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container.credentials_uri),
                ("AWS_REGION", &container.region),
                ("AWS_ENDPOINT_URL", &container.endpoint),
            ];
            let has: Vec<String> = fields
                .into_iter()
                .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
                .collect();
            let has = if has.is_empty() {
                "nothing of AWS in its env".to_owned()
            } else {
                has.join(" ")
            };
            self.row("", &format!("{}: {has}", container.name));
        }
        if let Some(sidecar) = &now.sidecar {
            self.row("", &format!("sidecar: {}", sidecar.state));
        }
    }

    fn planned(&mut self, planned: &Planned, left: &str, runs: bool) {
        match planned.outcome {
            "injected" => {}
            "skipped" if planned.reason == Some("already-injected") => {
                if !runs {
                    self.row(left, "nothing: it has everything already");
                }
                return;
            }
            _ => {
                self.row(left, &format!("nothing ({})", planned.reason.unwrap_or_default()));
                if let Some(delivery) = &planned.delivery {
                    let by = format!("delivery {} is chosen by {}", delivery.value, delivery.by);
                    self.row("", &by);
                }
                return;
            }
        }
        if let Some(delivery) = &planned.delivery {
            self.row(
                left,
                &format!("delivery {} (chosen by {})", delivery.value, delivery.by),
            );
        }
        if let Some(region) = &planned.region {
            self.row("", &format!("region {} (chosen by {})", region.value, region.by));
        }
        for container in &planned.containers {
            self.container(container);
        }
    }

    fn container(&mut self, container: &ContainerPlan) {
        let kind = if container.init {
            "init container"
        } else {
            "container"
        };
        if let Some(why) = container.not_served {
            self.row("", &format!("{kind} {}: nothing, as {why}", container.name));
            return;
        }
        self.row("", &format!("{kind} {}:", container.name));
        for variable in &container.env {
            let by = match &variable.recipe {
                Some(recipe) => format!(" (Recipe {recipe})"),
                None => String::new(),
            };
            self.row("", &format!("  {}={}{by}", variable.name, variable.value));
        }
        if !container.kept.is_empty() {
            self.row(
                "",
                &format!(
                    "  left alone, as it sets them itself: {}",
                    container.kept.join(", ")
                ),
            );
        }
    }

    fn identity(&mut self, identity: &Identity) {
        let state = match identity.state {
            "exists" => "the role exists",
            "missing" => "the role does not exist",
            "made-when-asked-for" => "the role is created when it is first requested",
            "another" => "a role of this name exists below another path",
            _ => "the role was not looked up",
        };
        let verdict = match (identity.trusted, &identity.decision) {
            (Some(true), Some(decision)) => {
                format!("; its trust policy allows {}: {decision}", identity.subject)
            }
            (Some(false), Some(_)) => format!("; its trust policy does not allow {}", identity.subject),
            _ => String::new(),
        };
        self.row("STS", &format!("{state}{verdict}"));
        let provider = match identity.provider {
            "registered" => "the OIDC provider of its account accepts the token",
            "missing" => "its account has no OIDC provider for the cluster's issuer",
            "registered-when-asked-for" => {
                "the OIDC provider of its account is registered when it is first needed"
            }
            "audience-not-listed" => "the OIDC provider of its account does not list the audience",
            "unknown" => "the OIDC provider of its account could not be looked up",
            _ => return,
        };
        self.row("", provider);
    }
}
