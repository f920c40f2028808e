//! The role that the ServiceAccount is annotated with.

use irsa_emu_core::partition;
use irsa_emu_core::role_arn::RoleArn;
use serde_json::Value;

use super::error::{Problem, ValuesError};
use super::template::{self, is_masked};
use super::text::scalar;

/// Annotation that names the role.
pub(super) const ANNOTATION: &str = "eks.amazonaws.com/role-arn";
/// Where annotations stand.
const PLACE: &str = "server.serviceAccount.annotations";

/// The annotation, unread. The chart takes annotations as a mapping, or as a text that it templates.
pub(super) fn text(values: &Value) -> Option<Result<String, ValuesError>> {
    let found = match values.pointer("/server/serviceAccount/annotations")? {
        Value::String(text) => {
            let masked = template::mask(text, |_| None);
            let parsed: Value = match super::merge::parse(&masked.text) {
                Ok(parsed) => parsed,
                Err(why) => {
                    let file = format!("{PLACE}: ");
                    return Some(Err(ValuesError::Yaml { file, why }));
                }
            };
            let found = parsed.get(ANNOTATION).and_then(scalar)?;
            masked.restored(&found)
        }
        annotations => annotations.get(ANNOTATION).and_then(scalar)?,
    };
    (!found.is_empty()).then_some(Ok(found))
}

/// Reads the role.
pub(super) fn read(values: &Value) -> Result<Option<RoleArn>, Problem> {
    const ROLE: &[&str] = &["account", "role"];
    let Some(text) = text(values) else { return Ok(None) };
    let text = text.map_err(|error| error.needs(ROLE))?;
    if text.contains("{{") || is_masked(&text) {
        let error = ValuesError::Template {
            place: format!("the annotation {ANNOTATION}"),
            text,
        };
        return Err(error.needs(ROLE));
    }
    let role = RoleArn::parse(text.trim()).map_err(|error| ValuesError::Role(error).needs(ROLE))?;
    Ok(Some(role))
}

/// Refuses a region of another partition than the role's, where the Recipe would name another role.
pub(super) fn check_partition(role: &RoleArn, region: &str) -> Result<(), Problem> {
    let other = partition::of_region(region);
    if role.partition() == other {
        return Ok(());
    }
    let error = ValuesError::Partitions {
        partition: role.partition().to_owned(),
        region: region.to_owned(),
        other,
    };
    Err(error.needs(&["region"]))
}
