//! How a Pod gets its credentials, and which of its containers.

use super::input::{Method, PlanInput};
use super::sidecar;
use crate::choice::Choice;
use crate::contract::{DELIVERY, SIDECAR, SKIP_CONTAINERS};
use crate::grant::{Grant, Identity};
use crate::pod_view::{ContainerList, ContainerView, PodView};
use crate::rules::{Delivery, DeliverySource, DeliverySources, choose_delivery, delivery_annotation};
use crate::trust_policy::shorten;

/// How the Pod gets its credentials, and who chose that; nobody does where there is no choice.
pub(super) fn method_of(
    pod: &PodView<'_>,
    grant: &Grant,
    input: &PlanInput<'_>,
    warnings: &mut Vec<String>,
) -> (Method, Option<DeliverySource>) {
    if grant.identity == Identity::PodIdentity {
        return (Method::PodIdentity, None);
    }
    if input.config.strict_eks {
        return (Method::WebIdentity, None);
    }
    let choice = choose_delivery(&DeliverySources {
        pod: pod.annotation(DELIVERY),
        service_account: input.service_account.and_then(delivery_annotation),
        rule: input.effect.delivery,
        namespace_label: input.namespace_delivery,
        default: input.config.default_delivery,
    });
    if let Some(text) = choice.unknown {
        warnings.push(format!(
            "{DELIVERY}: `{}` is not a delivery (web-identity, sidecar); {} is used",
            shorten(&text),
            choice.delivery.as_str()
        ));
    }
    if input.config.emulator_url.is_none() {
        if choice.delivery != Delivery::Sidecar {
            warnings.push(format!(
                "{DELIVERY}: credentials of real AWS come through the sidecar only, so {} is not used",
                choice.delivery.as_str()
            ));
        }
        let followed = (choice.delivery == Delivery::Sidecar).then_some(choice.source);
        return (Method::Sidecar, followed);
    }
    if choice.delivery == Delivery::Sidecar && pod.is_windows() {
        warnings.push(
            "the sidecar does not run on Windows; the Pod gets delivery web-identity instead".to_owned(),
        );
        return (Method::WebIdentity, None);
    }
    (choice.delivery.into(), Some(choice.source))
}

/// The containers that a method serves: all but our own, and but those that run before it.
pub(super) fn served_containers<'a>(
    pod: &'a PodView<'_>,
    method: Method,
) -> impl Iterator<Item = ContainerView<'a>> {
    let first_init = if method == Method::Sidecar {
        sidecar::insert_at(pod)
    } else {
        0
    };
    pod.all_containers()
        .filter(|container| container.name() != SIDECAR)
        .filter(move |container| container.list == ContainerList::App || container.index >= first_init)
}

/// The names in the Pod's `skip-containers` annotation: its first CSV record; none where it cannot be read.
pub(super) fn skipped_containers(pod: &PodView<'_>, prefix: &str) -> Vec<String> {
    pod.annotation_of(prefix, SKIP_CONTAINERS)
        .and_then(first_csv_record)
        .unwrap_or_default()
}

/// The fields of the first CSV record (RFC 4180, as Go's reader takes it: a quote inside a bare field is an error).
fn first_csv_record(text: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = text.trim_start_matches(['\r', '\n']);
    if rest.is_empty() {
        return None;
    }
    loop {
        let (field, tail) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_field(quoted)?
        } else {
            let end = rest.find([',', '\r', '\n']).unwrap_or(rest.len());
            let bare = &rest[..end];
            if bare.contains('"') {
                return None;
            }
            (bare.to_owned(), &rest[end..])
        };
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(more) => rest = more,
            None if tail.is_empty() || tail.starts_with(['\r', '\n']) => return Some(fields),
            None => return None,
        }
    }
}

/// A field whose opening quote has been read, and what follows its closing one.
fn quoted_field(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Some((field, after)),
        }
    }
}
