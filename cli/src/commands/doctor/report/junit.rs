//! The results as `JUnit` XML: a phase is a test suite, a check a test case.

use std::time::Duration;

use irsa_emu_doctor::checks::engine::{CheckResult, Mark};
use quick_xml::Writer;
use quick_xml::events::{BytesText, Event};

use super::counts::PAGE;

/// The results as `JUnit` XML. Warnings are passed tests with a message.
pub fn junit(outcomes: &[CheckResult]) -> std::io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer
        .create_element("testsuites")
        .with_attribute(("name", "irsa-emu doctor"))
        .write_inner_content(|writer| {
            for suite in outcomes.chunk_by(|a, b| a.phase == b.phase) {
                self::suite(writer, suite)?;
            }
            Ok(())
        })?;
    let text = String::from_utf8_lossy(&writer.into_inner()).into_owned();
    Ok(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}"))
}

fn suite(writer: &mut Writer<Vec<u8>>, outcomes: &[CheckResult]) -> std::io::Result<()> {
    let Some(first) = outcomes.first() else {
        return Ok(());
    };
    let count = |mark| {
        outcomes
            .iter()
            .filter(|outcome| outcome.mark == mark)
            .count()
            .to_string()
    };
    let took: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", first.phase.name()),
            ("tests", &outcomes.len().to_string()),
            ("failures", &count(Mark::Error)),
            ("skipped", &count(Mark::Skipped)),
            ("time", &time(took)),
        ])
        .write_inner_content(|writer| outcomes.iter().try_for_each(|outcome| case(writer, outcome)))?;
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, outcome: &CheckResult) -> std::io::Result<()> {
    let took = time(outcome.took);
    let element = writer.create_element("testcase").with_attributes([
        ("classname", outcome.phase.name()),
        ("name", outcome.id),
        ("time", took.as_str()),
    ]);
    let message = plain(&outcome.message);
    let body = plain(&format!(
        "{}{}\nfix: {}\nsee {PAGE}#{}",
        outcome
            .object
            .as_ref()
            .map_or_else(String::new, |object| format!("{object}: ")),
        outcome.message,
        outcome.fix.as_deref().unwrap_or_default(),
        outcome.id
    ));
    match outcome.mark {
        Mark::Ok => element.write_empty().map(drop),
        Mark::Skipped => element
            .write_inner_content(|writer| {
                let skipped = writer.create_element("skipped");
                skipped
                    .with_attribute(("message", message.as_str()))
                    .write_empty()
                    .map(drop)
            })
            .map(drop),
        Mark::Warning => element
            .write_inner_content(|writer| {
                let out = writer.create_element("system-out");
                out.write_text_content(BytesText::new(&body)).map(drop)
            })
            .map(drop),
        Mark::Error => element
            .write_inner_content(|writer| {
                let failure = writer.create_element("failure");
                let failure = failure.with_attribute(("message", message.as_str()));
                failure
                    .write_inner_content(|writer| writer.write_event(Event::Text(BytesText::new(&body))))
                    .map(drop)
            })
            .map(drop),
    }
}

fn time(took: Duration) -> String {
    format!("{:.3}", took.as_secs_f64())
}

/// A text without the control characters that XML cannot hold.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::outcomes;
    use super::*;

    #[test]
    fn a_phase_is_a_suite_and_a_check_a_case() {
        insta::assert_snapshot!(junit(&outcomes()).unwrap());
    }

    #[test]
    fn control_characters_are_left_out() {
        assert_eq!(plain("a\u{1b}[31mb\nc"), "a[31mb\nc");
    }
}
