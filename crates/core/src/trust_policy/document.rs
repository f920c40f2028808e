//! The trust policy as it was written, read and checked.

use super::condition::{Condition, Operator};
use super::json::Node;
use super::text::shorten;

/// A role's trust policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    /// Whether `${...}` is a variable: `Version` 2012-10-17 only ("IAM JSON policy elements: Version").
    pub(super) has_variables: bool,
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) sid: Option<String>,
    pub(super) effect: Effect,
    pub(super) principal: Clause<Principals>,
    pub(super) action: Clause<Vec<String>>,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// An element, or its opposite such as `NotAction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause<T> {
    pub(super) negated: bool,
    pub(super) value: T,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Principals {
    /// `"*"`
    Any,
    /// One entry for each value, with its key.
    Listed(Vec<(PrincipalKey, String)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrincipalKey {
    Aws,
    Federated,
    Service,
    CanonicalUser,
}

impl PrincipalKey {
    /// The keys of a principal map ("Grammar of the IAM JSON policy language").
    const ALL: [Self; 4] = [Self::Aws, Self::Federated, Self::Service, Self::CanonicalUser];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Federated => "Federated",
            Self::Service => "Service",
            Self::CanonicalUser => "CanonicalUser",
        }
    }
}

/// Why a text is no trust policy. AWS refuses to store such a one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The text is not JSON, or has a key twice in one object.
    #[error("the trust policy is not JSON that IAM reads: {0}")]
    Json(String),
    /// A value has the wrong type or is none of those that IAM knows.
    #[error("{at} must be {expected}")]
    Shape {
        /// Where, such as `Statement[0].Effect`.
        at: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// An element that must be there is not.
    #[error("{at} has no {element}")]
    Missing {
        /// Where.
        at: String,
        /// The element, or the two of which one must be there.
        element: &'static str,
    },
    /// An element and its opposite are both there.
    #[error("{at} has both {element} and Not{element}; IAM accepts one of them")]
    Both {
        /// Where.
        at: String,
        /// The element.
        element: &'static str,
    },
    /// An element that IAM does not know, or not in a trust policy, such as `Resource`.
    #[error("{at} has the element `{element}`, which IAM does not accept in a trust policy")]
    Element {
        /// Where.
        at: String,
        /// The element's name.
        element: String,
    },
    /// A condition key or an action that is not a service and a name with one colon between them.
    #[error("{at} has `{name}`, which {problem}")]
    Colons {
        /// Where.
        at: String,
        /// The key or the action.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two statements have the same `Sid`.
    #[error("two statements have the Sid `{0}`, and IAM wants each only once")]
    Sid(String),
    /// A condition operator that IAM does not know.
    #[error("{at} has the condition operator `{operator}`, which IAM does not know")]
    Operator {
        /// Where.
        at: String,
        /// The operator's name.
        operator: String,
    },
}

impl TrustPolicy {
    /// Reads a policy document. IAM's API hands it out URL-encoded: decode it first.
    ///
    /// Names of elements and of effects are read in their one right case ("IAM JSON policy elements: Effect").
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let document: Node =
            serde_json::from_str(text).map_err(|error| PolicyError::Json(error.to_string()))?;
        let mut version = None;
        let mut statements = None;
        for (key, value) in map(&document, "the trust policy")? {
            match key.as_str() {
                "Version" => version = Some(value),
                "Id" => {
                    string(value, "Id")?;
                }
                "Statement" => statements = Some(value),
                other => return Err(unknown("the trust policy", other)),
            }
        }
        // Without a Version it is 2008-10-17 ("IAM JSON policy elements: Version").
        let has_variables = match version {
            None => false,
            Some(Node::Text(text)) if text == "2008-10-17" => false,
            Some(Node::Text(text)) if text == "2012-10-17" => true,
            Some(_) => return Err(shape("Version", "\"2012-10-17\" or \"2008-10-17\"")),
        };
        let statements = match statements {
            None => return Err(missing("the trust policy", "Statement")),
            Some(Node::List(list)) => list
                .iter()
                .enumerate()
                .map(read_statement)
                .collect::<Result<_, _>>()?,
            Some(one) => vec![read_statement((0, one))?],
        };
        require_own_sids(&statements)?;
        Ok(Self {
            has_variables,
            statements,
        })
    }
}

/// "IAM JSON policy elements: Sid": in IAM it is unique within the policy.
fn require_own_sids(statements: &[Statement]) -> Result<(), PolicyError> {
    let mut sids: Vec<&str> = statements
        .iter()
        .filter_map(|statement| statement.sid.as_deref())
        .collect();
    sids.sort_unstable();
    match sids.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(PolicyError::Sid(shorten(pair[0]))),
        None => Ok(()),
    }
}

fn read_statement((index, node): (usize, &Node)) -> Result<Statement, PolicyError> {
    let at = format!("Statement[{index}]");
    let (mut sid, mut effect) = (None, None);
    let (mut principal, mut action) = (None, None);
    let mut conditions = Vec::new();
    for (key, value) in map(node, &at)? {
        let here = format!("{at}.{}", shorten(key));
        match key.as_str() {
            "Sid" => sid = Some(string(value, &here)?.to_owned()).filter(|sid| !sid.is_empty()),
            "Effect" => effect = Some(read_effect(value, &here)?),
            "Principal" | "NotPrincipal" => {
                let clause = Clause {
                    negated: key == "NotPrincipal",
                    value: read_principals(value, &here)?,
                };
                set_once(&mut principal, clause, &at, "Principal")?;
            }
            "Action" | "NotAction" => {
                let clause = Clause {
                    negated: key == "NotAction",
                    value: read_actions(value, &here)?,
                };
                set_once(&mut action, clause, &at, "Action")?;
            }
            "Condition" => conditions = read_conditions(value, &here)?,
            // Resource and NotResource too ("Access Analyzer policy check reference", "Role trust policy syntax error
            // resource").
            other => return Err(unknown(&at, other)),
        }
    }
    Ok(Statement {
        sid,
        effect: effect.ok_or_else(|| missing(&at, "Effect"))?,
        principal: principal.ok_or_else(|| missing(&at, "Principal"))?,
        action: action.ok_or_else(|| missing(&at, "Action"))?,
        conditions,
    })
}

fn set_once<T>(
    slot: &mut Option<Clause<T>>,
    clause: Clause<T>,
    at: &str,
    element: &'static str,
) -> Result<(), PolicyError> {
    if slot.is_some() {
        return Err(PolicyError::Both {
            at: at.to_owned(),
            element,
        });
    }
    *slot = Some(clause);
    Ok(())
}

fn read_effect(node: &Node, at: &str) -> Result<Effect, PolicyError> {
    match node {
        Node::Text(text) if text == "Allow" => Ok(Effect::Allow),
        Node::Text(text) if text == "Deny" => Ok(Effect::Deny),
        _ => Err(shape(at, "\"Allow\" or \"Deny\"")),
    }
}

fn read_principals(node: &Node, at: &str) -> Result<Principals, PolicyError> {
    const EXPECTED: &str = "\"*\" or an object of AWS, Federated, Service, CanonicalUser";
    match node {
        Node::Text(text) if text == "*" => return Ok(Principals::Any),
        Node::Map(entries) if !entries.is_empty() => {}
        _ => return Err(shape(at, EXPECTED)),
    }
    let mut listed = Vec::new();
    for (name, values) in map(node, at)? {
        let key = PrincipalKey::ALL
            .into_iter()
            .find(|key| key.as_str() == name)
            .ok_or_else(|| shape(at, EXPECTED))?;
        let values = texts(values, &format!("{at}.{name}"))?;
        listed.extend(values.into_iter().map(|value| (key, value)));
    }
    Ok(Principals::Listed(listed))
}

fn read_conditions(node: &Node, at: &str) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for (name, keys) in map(node, at)? {
        let here = format!("{at}.{}", shorten(name));
        let operator = Operator::parse(name).ok_or_else(|| PolicyError::Operator {
            at: at.to_owned(),
            operator: shorten(name),
        })?;
        for (key, values) in map(keys, &here)? {
            require_colon(key, &here, key_problem(key))?;
            conditions.push(Condition {
                operator: operator.clone(),
                key: key.clone(),
                values: scalars(values, &format!("{here}.{}", shorten(key)))?,
            });
        }
    }
    Ok(conditions)
}

fn read_actions(node: &Node, at: &str) -> Result<Vec<String>, PolicyError> {
    let actions = texts(node, at)?;
    for action in &actions {
        let problem = match action.matches(':').count() {
            0 if action == "*" => None,
            0 => Some(NO_SERVICE),
            1 => None,
            _ => Some(COLONS),
        };
        require_colon(action, at, problem)?;
    }
    Ok(actions)
}

fn require_colon(name: &str, at: &str, problem: Option<&'static str>) -> Result<(), PolicyError> {
    problem.map_or(Ok(()), |problem| {
        Err(PolicyError::Colons {
            at: at.to_owned(),
            name: shorten(name),
            problem,
        })
    })
}

const NO_SERVICE: &str = "names no service before a colon, as IAM requires";
const COLONS: &str =
    "has more than one colon, and IAM takes one (\"Actions/Condition can contain only one colon\")";
const SCHEME: &str = "begins with a scheme, and IAM takes one colon (\"Condition can contain only one colon\"): leave out https://";

/// What keeps IAM from accepting a condition key: it is a service or an issuer, a colon, and a name.
///
/// Behind the name may stand more, with any colons: the key of a tag (`aws:RequestTag/team:cost`, "AWS global condition
/// context keys") or of an encryption context (`kms:EncryptionContext:aws:s3:arn`, "AWS KMS Developer Guide"). The port of
/// an issuer passes here, too: AWS takes no provider with one, but the issuer of a local cluster may have it. Whether it is
/// that cluster's, `evaluate` decides, which knows the cluster.
fn key_problem(key: &str) -> Option<&'static str> {
    let Some((_, rest)) = key.split_once(':') else {
        return Some(NO_SERVICE);
    };
    if rest.starts_with("//") {
        return Some(SCHEME);
    }
    let name = rest.split([':', '/']).next().unwrap_or_default();
    let goes_on = rest[name.len()..].starts_with('/') || name.eq_ignore_ascii_case("EncryptionContext");
    let has_more = rest.contains(':') && issuer_with_port(key).is_none();
    (has_more && (!goes_on || name.is_empty())).then_some(COLONS)
}

/// The issuer in a condition key, where it has a port. IAM accepts no such key, as it has two colons, and AWS no such
/// provider ("The URL should not contain a port number", IAM API reference, `CreateOpenIDConnectProvider`).
pub(super) fn issuer_with_port(key: &str) -> Option<&str> {
    let (issuer, _) = key.rsplit_once(':')?;
    let (_, rest) = issuer.split_once(':')?;
    let port = rest.split([':', '/']).next().unwrap_or_default();
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    is_port.then_some(issuer)
}

/// A condition's values: text, number or boolean, one or a list ("Grammar of the IAM JSON policy language").
fn scalars(node: &Node, at: &str) -> Result<Vec<String>, PolicyError> {
    let scalar = |node: &Node| match node {
        Node::Text(text) | Node::Number(text) => Ok(text.clone()),
        Node::Bool(value) => Ok(value.to_string()),
        Node::Null | Node::List(_) | Node::Map(_) => {
            Err(shape(at, "text, a number or a boolean, or a list of them"))
        }
    };
    match node {
        Node::List(list) => list.iter().map(scalar).collect(),
        one => Ok(vec![scalar(one)?]),
    }
}

/// One text or a list of them that is not empty.
fn texts(node: &Node, at: &str) -> Result<Vec<String>, PolicyError> {
    const EXPECTED: &str = "text or a list of text";
    match node {
        Node::Text(text) => Ok(vec![text.clone()]),
        Node::List(list) if !list.is_empty() => list
            .iter()
            .map(|item| match item {
                Node::Text(text) => Ok(text.clone()),
                _ => Err(shape(at, EXPECTED)),
            })
            .collect(),
        _ => Err(shape(at, EXPECTED)),
    }
}

fn string<'a>(node: &'a Node, at: &str) -> Result<&'a str, PolicyError> {
    match node {
        Node::Text(text) => Ok(text),
        _ => Err(shape(at, "text")),
    }
}

fn map<'a>(node: &'a Node, at: &str) -> Result<&'a [(String, Node)], PolicyError> {
    match node {
        Node::Map(entries) => Ok(entries),
        _ => Err(shape(at, "an object")),
    }
}

fn shape(at: &str, expected: &'static str) -> PolicyError {
    PolicyError::Shape {
        at: at.to_owned(),
        expected,
    }
}

fn missing(at: &str, element: &'static str) -> PolicyError {
    PolicyError::Missing {
        at: at.to_owned(),
        element,
    }
}

fn unknown(at: &str, element: &str) -> PolicyError {
    PolicyError::Element {
        at: at.to_owned(),
        element: shorten(element),
    }
}
