//! Values of a policy with their wildcards and variables.

/// A text of a policy, ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// This character and no other.
    Char(char),
    /// `?`
    AnyOne,
    /// `*`
    AnyMany,
}

/// Looks up the one value of a condition key.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Whether the whole of a text is matched by a pattern in which `*` and `?` are wildcards.
#[must_use]
pub fn is_like(pattern: &str, text: &str) -> bool {
    Pattern::glob(pattern).matches(text)
}

impl Pattern {
    /// A text in which `*` and `?` are wildcards and nothing is a variable.
    pub(super) fn glob(text: &str) -> Self {
        Self(text.chars().map(wildcard).collect())
    }

    /// A condition's value: with wildcards where the operator has them, with variables where the policy's version has
    /// them. `None` where a variable has no value: then there is nothing that equals it or is like it
    /// ("IAM policy elements: Variables and tags", section "Policy variables with no value").
    ///
    /// What comes out of a variable is text: a subject with a `*` in its name matches no more than itself. So are
    /// `${*}`, `${?}` and `${$}` (same page, section "Special characters").
    pub(super) fn value(text: &str, wildcards: bool, variables: Option<Lookup<'_>>) -> Option<Self> {
        let token = if wildcards { wildcard } else { Token::Char };
        let mut tokens = Vec::new();
        let mut rest = text;
        while let (Some(lookup), Some((before, after))) = (variables, rest.split_once("${")) {
            tokens.extend(before.chars().map(token));
            let (variable, tail) = read_variable(after)?;
            tokens.extend(resolve(&variable, lookup)?.chars().map(Token::Char));
            rest = tail;
        }
        tokens.extend(rest.chars().map(token));
        Some(Self(tokens))
    }

    /// Whether the whole text is matched. Linear in memory, and at worst the product of both lengths in time.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        matches(&self.0, &text)
    }

    /// Whether an ARN is matched, each of its six parts apart; the last keeps its colons.
    pub(super) fn matches_arn(&self, arn: &str) -> bool {
        let text: Vec<char> = arn.chars().collect();
        let wanted: Vec<&[Token]> = self.0.splitn(6, |token| *token == Token::Char(':')).collect();
        let parts: Vec<&[char]> = text.splitn(6, |character| *character == ':').collect();
        wanted.len() == 6
            && parts.len() == 6
            && wanted
                .iter()
                .zip(&parts)
                .all(|(wanted, part)| matches(wanted, part))
    }

    /// The text itself; wildcards come back as they were written.
    pub(super) fn text(&self) -> String {
        let character = |token: &Token| match token {
            Token::Char(character) => *character,
            Token::AnyOne => '?',
            Token::AnyMany => '*',
        };
        self.0.iter().map(character).collect()
    }
}

fn wildcard(character: char) -> Token {
    match character {
        '*' => Token::AnyMany,
        '?' => Token::AnyOne,
        other => Token::Char(other),
    }
}

/// Remembers the last `*` and what it has taken so far, and lets it take one more where the rest does not fit.
fn matches(pattern: &[Token], text: &[char]) -> bool {
    let (mut at, mut done) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while done < text.len() {
        match pattern.get(at) {
            Some(Token::AnyMany) => {
                star = Some((at, done));
                at += 1;
            }
            Some(token) if *token == Token::AnyOne || *token == Token::Char(text[done]) => {
                at += 1;
                done += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else {
                    return false;
                };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                done = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|token| *token == Token::AnyMany)
}

/// What stands between `${` and `}`.
struct Variable<'a> {
    name: &'a str,
    default: Option<&'a str>,
}

/// Reads a variable whose `${` has been read, and gives what follows it. `None` where brace or quote is missing.
fn read_variable(text: &str) -> Option<(Variable<'_>, &str)> {
    let end = text.find([',', '}'])?;
    let name = &text[..end];
    if text[end..].starts_with('}') {
        return Some((Variable { name, default: None }, &text[end + 1..]));
    }
    let quoted = text[end + 1..].trim_start().strip_prefix('\'')?;
    let (default, tail) = quoted.split_once('\'')?;
    let tail = tail.trim_start().strip_prefix('}')?;
    Some((
        Variable {
            name,
            default: Some(default),
        },
        tail,
    ))
}

/// What a variable stands for. A name with a space in it is none ("Access Analyzer policy check reference", "Unsupported
/// space in variable").
fn resolve(variable: &Variable<'_>, lookup: Lookup<'_>) -> Option<String> {
    match variable.name {
        "*" | "?" | "$" => Some(variable.name.to_owned()),
        name if name.is_empty() || name.contains(char::is_whitespace) => None,
        name => lookup(name).or_else(|| variable.default.map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wildcards_stand_for_any_text_and_for_one_character() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("?", "", false),
            ("?", "é", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("*a*b*", "xxaxxbxx", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("A*", "abc", false),
            ("**", "x", true),
            ("*aab", "aaaaaaaab", true),
        ] {
            assert_eq!(Pattern::glob(pattern).matches(text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn the_parts_of_an_arn_are_matched_apart() {
        let wanted = Pattern::glob("arn:aws:someservice:*:111122223333:finance/*");
        for (arn, expected) in [
            (
                "arn:aws:someservice:us-east-2:111122223333:finance/document.txt",
                true,
            ),
            ("arn:aws:someservice:us-east-2:111122223333:finance/a:b", true),
            (
                "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt",
                false,
            ),
            ("finance", false),
        ] {
            assert_eq!(wanted.matches_arn(arn), expected, "{arn}");
        }
        assert!(!Pattern::glob("*").matches_arn("arn:aws:iam::111122223333:role/x"));
    }

    #[test]
    fn variables_become_text_or_nothing() {
        let lookup = |name: &str| (name == "k:one").then(|| "a*".to_owned());
        for (text, expected) in [
            ("x-${k:one}-y", Some("x-a*-y")),
            ("${k:one}${k:one}", Some("a*a*")),
            ("${ k:one}", None),
            ("${k:none}", None),
            ("${k:none, 'else'}", Some("else")),
            ("${k:one, 'else'}", Some("a*")),
            ("${k:none, '}'}!", Some("}!")),
            ("${k:none, ''}", Some("")),
            ("${*}${?}${$}", Some("*?$")),
            ("${$}{k:one}", Some("${k:one}")),
            ("$k:one {}", Some("$k:one {}")),
            ("${}", None),
            ("${k one}", None),
            ("${k:one", None),
            ("${k:none, else}", None),
            ("${k:none, 'else}", None),
        ] {
            let value = Pattern::value(text, false, Some(&lookup)).map(|value| value.text());
            assert_eq!(value.as_deref(), expected, "{text}");
        }
        let old = Pattern::value("${k:one}", false, None).unwrap();
        assert_eq!(old.text(), "${k:one}");
    }

    #[test]
    fn what_a_variable_gives_is_no_pattern() {
        let lookup = |_: &str| Some("a*".to_owned());
        let pattern = Pattern::value("${k}-*", true, Some(&lookup)).unwrap();
        assert!(pattern.matches("a*-z") && !pattern.matches("abc-z"));
        let literal = Pattern::value("a${*}", true, Some(&lookup)).unwrap();
        assert!(literal.matches("a*") && !literal.matches("ab"));
    }

    /// The obvious definition, which is exponential.
    fn slow(pattern: &[Token], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((Token::AnyMany, rest)), None) => slow(rest, text),
            (Some((Token::AnyMany, rest)), Some((_, tail))) => slow(rest, text) || slow(pattern, tail),
            (Some((token, rest)), Some((first, tail))) => {
                (*token == Token::AnyOne || *token == Token::Char(*first)) && slow(rest, tail)
            }
            _ => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn matching_agrees_with_its_definition(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let pattern = Pattern::glob(&pattern);
            let characters: Vec<char> = text.chars().collect();
            prop_assert_eq!(pattern.matches(&text), slow(&pattern.0, &characters));
        }

        #[test]
        fn any_value_is_read_without_panic(text in "[${}', a*]{0,20}|.*") {
            let lookup = |_: &str| Some("v".to_owned());
            let _ = Pattern::value(&text, true, Some(&lookup)).map(|value| value.matches_arn(&text));
        }
    }
}
