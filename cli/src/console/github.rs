//! Commands to the runner of GitHub Actions, which are lines of a certain form.

/// Whether this runs in GitHub Actions.
#[must_use]
pub fn is_running() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// An annotation of the run.
#[must_use]
pub fn error(title: &str, message: &str) -> String {
    format!("::error title={}::{}", property(title), data(message))
}

/// The beginning of lines that are folded.
#[must_use]
pub fn group(title: &str) -> String {
    format!("::group::{}", data(title))
}

/// The end of lines that are folded.
pub const END_GROUP: &str = "::endgroup::";

/// A text as the message of a command.
#[must_use]
pub fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text as a property of a command.
#[must_use]
pub fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// An assignment for the files of the runner, whose end no value can imitate.
#[must_use]
pub fn assignment(name: &str, value: &str, delimiter: &str) -> String {
    format!("{name}<<{delimiter}\n{value}\n{delimiter}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_is_escaped() {
        assert_eq!(
            error("a:b,c", "50%\nof it: x"),
            "::error title=a%3Ab%2Cc::50%25%0Aof it: x"
        );
        assert_eq!(group("one\ntwo"), "::group::one%0Atwo");
    }

    #[test]
    fn an_assignment_may_have_lines() {
        assert_eq!(assignment("A", "x\ny", "end"), "A<<end\nx\ny\nend\n");
    }
}
