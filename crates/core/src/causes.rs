//! An error in one line.

use std::error::Error;

/// An error with its causes, which many keep out of their own text. A cause whose text was there before is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Said>>);

    #[test]
    fn every_cause_is_named_once() {
        let cause = Said("no route", Some(Box::new(Said("errno 113", None))));
        let same = Said("cannot connect: no route", Some(Box::new(cause)));
        let top = Said("cannot ask", Some(Box::new(same)));
        assert_eq!(chain(&top), "cannot ask: cannot connect: no route: errno 113");
    }
}
