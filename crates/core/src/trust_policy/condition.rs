//! One condition of a statement: an operator, a key and the values it is compared with.

use super::pattern::{Lookup, Pattern};
use super::scalar::{Order, in_range, moment, number};

/// One key below one operator of a `Condition`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    pub(super) operator: Operator,
    /// The key as it was written. Its case is ignored ("IAM JSON policy elements: Condition").
    pub(super) key: String,
    pub(super) values: Vec<String>,
}

/// A condition operator with its qualifier and suffix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Operator {
    /// The operator as it was written.
    pub(super) written: String,
    qualifier: Option<Qualifier>,
    pub(super) test: Test,
    pub(super) negated: bool,
    if_exists: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Qualifier {
    ForAllValues,
    ForAnyValue,
}

/// How one value of the request is compared with one value of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    /// `ArnEquals` and `ArnLike` are the same.
    Arn,
    Bool,
    Numeric(Order),
    Date(Order),
    IpAddress,
    /// Binary keys: a web identity has none, so it never holds.
    Binary,
    Null,
}

/// The operators ("IAM JSON policy elements: Condition operators") in lower case, each with its test and whether it is
/// one that wants no match.
const OPERATORS: &[(&str, Test, bool)] = &[
    ("stringequals", Test::Equals, false),
    ("stringnotequals", Test::Equals, true),
    ("stringequalsignorecase", Test::EqualsIgnoreCase, false),
    ("stringnotequalsignorecase", Test::EqualsIgnoreCase, true),
    ("stringlike", Test::Like, false),
    ("stringnotlike", Test::Like, true),
    ("arnequals", Test::Arn, false),
    ("arnnotequals", Test::Arn, true),
    ("arnlike", Test::Arn, false),
    ("arnnotlike", Test::Arn, true),
    ("bool", Test::Bool, false),
    ("null", Test::Null, false),
    ("binaryequals", Test::Binary, false),
    ("ipaddress", Test::IpAddress, false),
    ("notipaddress", Test::IpAddress, true),
    ("numericequals", Test::Numeric(Order::Equal), false),
    ("numericnotequals", Test::Numeric(Order::Equal), true),
    ("numericlessthan", Test::Numeric(Order::Less), false),
    ("numericlessthanequals", Test::Numeric(Order::LessOrEqual), false),
    ("numericgreaterthan", Test::Numeric(Order::Greater), false),
    (
        "numericgreaterthanequals",
        Test::Numeric(Order::GreaterOrEqual),
        false,
    ),
    ("dateequals", Test::Date(Order::Equal), false),
    ("datenotequals", Test::Date(Order::Equal), true),
    ("datelessthan", Test::Date(Order::Less), false),
    ("datelessthanequals", Test::Date(Order::LessOrEqual), false),
    ("dategreaterthan", Test::Date(Order::Greater), false),
    ("dategreaterthanequals", Test::Date(Order::GreaterOrEqual), false),
];

impl Operator {
    /// Reads an operator in any case; `None` where there is none of this name.
    pub(super) fn parse(written: &str) -> Option<Self> {
        let lower = written.to_ascii_lowercase();
        let (qualifier, rest) = if let Some(rest) = lower.strip_prefix("forallvalues:") {
            (Some(Qualifier::ForAllValues), rest)
        } else if let Some(rest) = lower.strip_prefix("foranyvalue:") {
            (Some(Qualifier::ForAnyValue), rest)
        } else {
            (None, lower.as_str())
        };
        let (name, if_exists) = match rest.strip_suffix("ifexists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (_, test, negated) = OPERATORS.iter().find(|(known, ..)| *known == name)?;
        // "Access Analyzer policy check reference", "Null with if exists".
        if *test == Test::Null && if_exists {
            return None;
        }
        Some(Self {
            written: written.to_owned(),
            qualifier,
            test: *test,
            negated: *negated,
            if_exists,
        })
    }
}

impl Condition {
    /// Whether the condition holds for the key's values in the request; none of them means that the request does not
    /// have the key. `variables` is `None` where the policy's version has no variables.
    ///
    /// - A missing key: `...IfExists` holds, else `ForAllValues` holds and `ForAnyValue` does not, else an operator
    ///   that wants no match holds and every other does not ("IAM JSON policy elements: Condition operators", "Creating
    ///   a condition with multiple keys or values").
    /// - Empty text is no value to `ForAllValues` and `ForAnyValue` (same page: "null data set").
    /// - Several values in the request without a qualifier: AWS asks for one there and does not document what happens without
    ///   it ("Access Analyzer policy check reference", "Missing qualifier"). One that matches is a match here.
    pub(super) fn holds(&self, actual: &[String], variables: Option<Lookup<'_>>) -> bool {
        if self.operator.test == Test::Null {
            return self.null_holds(actual);
        }
        if actual.is_empty() && self.operator.if_exists {
            return true;
        }
        let matched = |value: &str| {
            self.values
                .iter()
                .any(|wanted| self.compare(value, wanted, variables))
        };
        let wanted = |value: &String| matched(value) != self.operator.negated;
        let mut there = actual.iter().filter(|value| !value.is_empty());
        match (self.operator.qualifier, self.operator.negated) {
            (Some(Qualifier::ForAllValues), _) => there.all(wanted),
            (Some(Qualifier::ForAnyValue), _) => there.any(wanted),
            (None, true) => actual.iter().all(wanted),
            (None, false) => actual.iter().any(wanted),
        }
    }

    /// `true` wants the key to be missing, `false` wants it there.
    ///
    /// A qualifier makes it always or never hold ("Access Analyzer policy check reference", "Null with qualifier").
    fn null_holds(&self, actual: &[String]) -> bool {
        match self.operator.qualifier {
            Some(Qualifier::ForAllValues) => true,
            Some(Qualifier::ForAnyValue) => false,
            None => self
                .values
                .iter()
                .any(|wanted| boolean(wanted) == Some(actual.is_empty())),
        }
    }

    /// Whether one value of the request matches one of the policy. A value that cannot be read matches nothing.
    ///
    /// Variables stand in the values of string and ARN operators alone ("IAM policy elements: Variables and tags"; the
    /// page on operators allows them for Bool too, where no key of a web identity could make use of one).
    fn compare(&self, value: &str, wanted: &str, variables: Option<Lookup<'_>>) -> bool {
        let pattern = |wildcards| Pattern::value(wanted, wildcards, variables);
        let matched = match self.operator.test {
            Test::Equals => pattern(false).map(|pattern| pattern.matches(value)),
            Test::EqualsIgnoreCase => {
                pattern(false).map(|pattern| pattern.text().to_lowercase() == value.to_lowercase())
            }
            Test::Like => pattern(true).map(|pattern| pattern.matches(value)),
            Test::Arn => pattern(true).map(|pattern| pattern.matches_arn(value)),
            Test::Bool => boolean(value).zip(boolean(wanted)).map(|(a, b)| a == b),
            Test::Numeric(order) => ordered(order, number(value), number(wanted)),
            Test::Date(order) => ordered(order, moment(value), moment(wanted)),
            Test::IpAddress => in_range(value, wanted),
            Test::Binary | Test::Null => None,
        };
        matched.unwrap_or(false)
    }
}

fn ordered<T: PartialOrd>(order: Order, value: Option<T>, wanted: Option<T>) -> Option<bool> {
    let ordering = value?.partial_cmp(&wanted?)?;
    Some(order.accepts(ordering))
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, wanted: &[&str], actual: &[&str]) -> bool {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let condition = Condition {
            operator: Operator::parse(operator).unwrap(),
            key: "k".into(),
            values: owned(wanted),
        };
        condition.holds(&owned(actual), Some(&|_| Some("var".to_owned())))
    }

    #[test]
    fn names_are_read_in_any_case_and_only_those_that_aws_knows() {
        let operator = Operator::parse("forallvalues:STRINGNOTLIKEifexists").unwrap();
        let expected = Operator {
            written: "forallvalues:STRINGNOTLIKEifexists".into(),
            qualifier: Some(Qualifier::ForAllValues),
            test: Test::Like,
            negated: true,
            if_exists: true,
        };
        assert_eq!(operator, expected);
        for text in [
            "",
            "StringEqual",
            "StringsEquals",
            "NullIfExists",
            "ForSomeValues:StringEquals",
            "ForAnyValue:ForAnyValue:StringEquals",
            "StringEqualsIfExistsIfExists",
            "BoolIgnoreCase",
        ] {
            assert_eq!(Operator::parse(text), None, "{text}");
        }
    }

    #[test]
    fn only_string_and_arn_operators_have_variables() {
        assert!(holds("StringEquals", &["${k}"], &["var"]));
        assert!(holds("ArnLike", &["a:b:c:d:e:${k}"], &["a:b:c:d:e:var"]));
        assert!(!holds("Bool", &["${k}"], &["true"]));
    }

    #[test]
    fn a_qualified_null_does_not_look_at_the_key() {
        for actual in [&["x"][..], &[]] {
            assert!(holds("ForAllValues:Null", &["true"], actual));
            assert!(!holds("ForAnyValue:Null", &["true"], actual));
        }
    }
}
