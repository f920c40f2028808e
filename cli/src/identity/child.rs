//! The environment of a command that has a Pod's identity: what it gets, and which of the caller's own would precede it.

use std::collections::BTreeMap;

use irsa_emu_core::contract::env as names;

use super::Identity;

/// Variables that SDKs read before they ask for container credentials, or that would make them ask elsewhere.
const BEATS: [&str; 19] = [
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_ACCOUNT_ID",
    "AWS_CONFIG_FILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_DEFAULT_PROFILE",
    "AWS_DEFAULT_REGION",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    // SDKs refuse these together with an endpoint.
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
/// The beginnings of others.
const BEAT_PREFIXES: [&str; 4] = [
    "AWS_BEARER_TOKEN_",
    "AWS_CONTAINER_",
    "AWS_ENDPOINT_URL",
    "AWS_ROLE_SESSION_",
];
/// No profile of the user's is read: its keys would precede the container's credentials. A Pod has no such file either.
const NO_FILE: &str = "/dev/null";
/// Variables that name a proxy.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// What is different in the environment of the command.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Variables that it has, with their values.
    pub set: BTreeMap<String, String>,
    /// Variables of the caller that it has not.
    pub removed: Vec<String>,
}

/// Where the command gets its credentials.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// URL of the endpoint.
    pub url: &'a str,
    /// What the endpoint wants in `Authorization`.
    pub authorization: &'a str,
}

/// The environment of a command. `emulator` is the emulator's URL on this machine; `None` where the backend is real AWS.
/// `caller` are the caller's own variables.
#[must_use]
pub fn environment(
    identity: &Identity,
    source: Source<'_>,
    emulator: Option<&str>,
    caller: &BTreeMap<String, String>,
) -> Environment {
    plan(
        &identity.region,
        identity.variables(emulator),
        source,
        emulator,
        caller,
    )
}

fn plan(
    region: &str,
    of_recipes: BTreeMap<String, String>,
    source: Source<'_>,
    emulator: Option<&str>,
    caller: &BTreeMap<String, String>,
) -> Environment {
    // As in a Pod: a variable that is set already is left alone.
    let mut set: BTreeMap<String, String> = of_recipes
        .into_iter()
        .filter(|(name, _)| beats(name) || !caller.contains_key(name))
        .collect();
    let mut put = |name: &str, value: &str| set.insert(name.to_owned(), value.to_owned());
    put(names::CONTAINER_URI, source.url);
    put(names::CONTAINER_TOKEN, source.authorization);
    put(names::REGION, region);
    put(names::DEFAULT_REGION, region);
    put("AWS_CONFIG_FILE", NO_FILE);
    put(names::SHARED_CREDENTIALS_FILE, NO_FILE);
    if let Some(url) = emulator {
        put(names::ENDPOINT, url);
        // Its host is an IP address, for which every SDK uses paths in place of virtual hosts.
        put("AWS_ENDPOINT_URL_S3", url);
        put("AWS_DISABLE_HOST_PREFIX_INJECTION", "true");
    }
    if PROXIES.iter().any(|name| caller.contains_key(*name)) {
        for name in ["NO_PROXY", "no_proxy"] {
            put(name, &beside_proxy(caller.get(name).map(String::as_str)));
        }
    }
    let removed = caller
        .keys()
        .filter(|name| beats(name) && !set.contains_key(*name));
    Environment {
        removed: removed.cloned().collect(),
        set,
    }
}

fn beats(name: &str) -> bool {
    BEATS.contains(&name) || BEAT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// A list of hosts that no proxy serves, with this machine in it.
fn beside_proxy(list: Option<&str>) -> String {
    const OWN: &str = "127.0.0.1";
    match list.filter(|list| !list.is_empty()) {
        Some(list) if list.split(',').any(|host| matches!(host.trim(), OWN | "*")) => list.to_owned(),
        Some(list) => format!("{list},{OWN}"),
        None => OWN.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source<'_> = Source {
        url: "http://127.0.0.1:1/v1/credentials",
        authorization: "hush",
    };
    const EMULATOR: Option<&str> = Some("http://127.0.0.1:4566");

    fn pairs(list: &[(&str, &str)]) -> BTreeMap<String, String> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_command_gets_what_a_pod_gets() {
        let planned = plan("eu-west-1", BTreeMap::new(), SOURCE, EMULATOR, &BTreeMap::new());
        let expected = pairs(&[
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "hush"),
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://127.0.0.1:1/v1/credentials",
            ),
            ("AWS_DEFAULT_REGION", "eu-west-1"),
            ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:4566"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ]);
        assert_eq!(planned.set, expected);
        let real = plan("eu-west-1", BTreeMap::new(), SOURCE, None, &BTreeMap::new()).set;
        assert!(
            real.keys().all(|name| !name.starts_with("AWS_ENDPOINT")),
            "{real:?}"
        );
    }

    #[test]
    fn what_would_beat_the_identity_is_removed_and_nothing_else() {
        let caller = pairs(&[
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/f"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/x"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://elsewhere"),
            ("AWS_MAX_ATTEMPTS", "5"),
            ("AWS_PAGER", ""),
            ("AWS_PROFILE", "production"),
            ("AWS_REGION", "us-west-2"),
            ("AWS_SESSION_TOKEN", "s"),
            ("HOME", "/home/u"),
        ]);
        let planned = plan("eu-west-1", BTreeMap::new(), SOURCE, EMULATOR, &caller);
        assert_eq!(
            planned.removed,
            [
                "AWS_ACCESS_KEY_ID",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
                "AWS_ENDPOINT_URL_DYNAMODB",
                "AWS_PROFILE",
                "AWS_SESSION_TOKEN",
            ]
        );
        assert_eq!(planned.set["AWS_REGION"], "eu-west-1");
    }

    #[test]
    fn variables_of_recipes_give_way_to_the_callers_own_unless_these_beat_the_identity() {
        let of_recipes = pairs(&[
            ("AWS_KMS_ENDPOINT", "k"),
            ("AWS_ENDPOINT_URL_SQS", "q"),
            ("APP", "a"),
        ]);
        let caller = pairs(&[("APP", "mine"), ("AWS_ENDPOINT_URL_SQS", "theirs")]);
        let planned = plan("r", of_recipes, SOURCE, EMULATOR, &caller);
        assert_eq!(planned.set["AWS_KMS_ENDPOINT"], "k");
        assert_eq!(planned.set["AWS_ENDPOINT_URL_SQS"], "q");
        assert!(!planned.set.contains_key("APP") && planned.removed.is_empty());
    }

    #[test]
    fn a_proxy_of_the_caller_is_not_asked_for_this_machine() {
        for (list, expected) in [
            (None, "127.0.0.1"),
            (Some(""), "127.0.0.1"),
            (Some("corp.example"), "corp.example,127.0.0.1"),
            (Some("a, 127.0.0.1"), "a, 127.0.0.1"),
            (Some("*"), "*"),
        ] {
            assert_eq!(beside_proxy(list), expected);
        }
        let caller = pairs(&[("https_proxy", "http://proxy:3128"), ("NO_PROXY", "x")]);
        let set = plan("r", BTreeMap::new(), SOURCE, EMULATOR, &caller).set;
        assert_eq!(
            (set["NO_PROXY"].as_str(), set["no_proxy"].as_str()),
            ("x,127.0.0.1", "127.0.0.1")
        );
        let without = plan(
            "r",
            BTreeMap::new(),
            SOURCE,
            EMULATOR,
            &pairs(&[("NO_PROXY", "x")]),
        )
        .set;
        assert!(!without.contains_key("NO_PROXY"));
    }
}
