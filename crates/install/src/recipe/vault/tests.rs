//! Values as people write them, and what irsa-emu takes from them.

use serde_json::{Value, json};

use super::role::ANNOTATION;
use super::{Source, ValuesError, read as read_files};
use crate::recipe::vault::found::VaultValues;

const KEY: &str = "f4f7a2e2-c5c6-ea6d-dc42-526ef280e794";
const A: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const B: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const MRK: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";
const ROLE: &str = "arn:aws:iam::123456789012:role/Vault-AWSKMS";

fn source(text: &str) -> Source {
    Source {
        title: "v.yaml".into(),
        text: Ok(text.to_owned()),
    }
}

fn read(yaml: &str) -> VaultValues {
    read_files(&[source(yaml)], None)
}

/// What was read, in a line: keys with their regions, then role and account, then problems.
fn line(values: &VaultValues) -> String {
    let key = |key: &crate::recipe::vault::found::SealKey| {
        let id = key.id.as_deref().unwrap_or("?");
        let id = match id {
            A => "A",
            B => "B",
            other => other,
        };
        let alias = key
            .alias
            .as_ref()
            .map(|alias| format!("={alias}"))
            .unwrap_or_default();
        format!("{id}{alias}@{}", key.region.as_deref().unwrap_or("?"))
    };
    let keys: Vec<String> = values.keys.iter().map(key).collect();
    let problems: Vec<String> = values
        .problems
        .iter()
        .map(|problem| format!(" [{}: {}]", problem.needs.join(","), kind(&problem.error)))
        .collect();
    format!("{}{}", keys.join(" "), problems.concat())
}

fn kind(error: &ValuesError) -> String {
    let text = format!("{error:?}");
    text.split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Values with a role and, at a path, a configuration.
fn values(path: &str, config: &str) -> String {
    let mut root = json!({"server": {"serviceAccount": {"annotations": {ANNOTATION: ROLE}}}});
    let mut at = &mut root;
    for key in path.split('.') {
        at = &mut at[key];
    }
    *at = config.into();
    root.to_string()
}

fn standalone(config: &str) -> String {
    values("server.standalone.config", config)
}

fn stanza(fields: &str) -> String {
    format!("ui = true\nlistener \"tcp\" {{\n  tls_disable = 1\n}}\nseal \"awskms\" {{\n{fields}\n}}\n")
}

fn sound() -> String {
    stanza(&format!("  region = \"us-east-1\"\n  kms_key_id = \"{KEY}\""))
}

fn seal(key: &str, region: &str, more: &str) -> String {
    format!("seal \"awskms\" {{\n  region = \"{region}\"\n  kms_key_id = \"{key}\"\n  {more}\n}}\n")
}

fn pairs(values: &VaultValues) -> Vec<String> {
    values
        .parameters()
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

const EXPECTED: [&str; 6] = [
    "account=123456789012",
    "keyId=f4f7a2e2-c5c6-ea6d-dc42-526ef280e794",
    "region=us-east-1",
    "role=Vault-AWSKMS",
    "rolePath=/",
    "serviceAccount=vault",
];

#[test]
fn the_example_of_this_repository_is_read() {
    let found = read(include_str!("../../../../../examples/vault/values.yaml"));
    assert_eq!(pairs(&found), EXPECTED);
    assert_eq!((found.warnings, found.problems), (vec![], vec![]));
}

#[test]
fn the_seal_is_found_wherever_the_chart_takes_it_from() {
    for place in [
        "server.standalone.config",
        "server.ha.config",
        "server.ha.raft.config",
    ] {
        assert_eq!(pairs(&read(&values(place, &sound()))), EXPECTED, "{place}");
    }
}

#[test]
fn a_configuration_may_be_a_mapping_and_annotations_a_text() {
    let yaml = format!(
        "server:\n  serviceAccount:\n    annotations: |\n      team: {{{{ .Release.Name }}}}\n      {ANNOTATION}: {ROLE}\n  \
standalone:\n    config:\n      seal: {{awskms: {{region: us-east-1, kms_key_id: {KEY}}}}}\n"
    );
    assert_eq!(pairs(&read(&yaml)), EXPECTED);
    let list = yaml
        .replace("seal: {awskms: {", "seal: [{awskms: {")
        .replace("}}\n", "}}]\n");
    assert_eq!(pairs(&read(&list)), EXPECTED);
}

/// Two configurations, of which one is in force.
fn two(server: &str) -> VaultValues {
    let config = |key: &str, region: &str| json!(seal(key, region, "")).to_string();
    let yaml = server
        .replace("CONFIG_A", &config(A, "us-east-1"))
        .replace("CONFIG_B", &config(B, "eu-west-1"));
    read(&yaml)
}

#[test]
fn the_configuration_that_the_chart_uses_wins() {
    for (server, expected) in [
        (
            "{standalone: {config: CONFIG_A}, ha: {enabled: true, raft: {enabled: true, config: CONFIG_B}}}",
            "B@eu-west-1",
        ),
        // Since 0.29.0 raft's is taken without high availability, too.
        (
            "{standalone: {config: CONFIG_A}, ha: {raft: {enabled: true, config: CONFIG_B}}}",
            "B@eu-west-1",
        ),
        (
            "{standalone: {config: CONFIG_A}, ha: {enabled: false, raft: {enabled: true, config: CONFIG_B}}}",
            "B@eu-west-1",
        ),
        (
            "{standalone: {config: CONFIG_A}, ha: {enabled: true, raft: {enabled: false, config: CONFIG_B}, config: CONFIG_B}}",
            "B@eu-west-1",
        ),
        (
            "{standalone: {config: CONFIG_A}, ha: {enabled: false, config: CONFIG_B}}",
            "A@us-east-1",
        ),
        (
            "{standalone: {config: CONFIG_A}, ha: {enabled: \"true\", config: CONFIG_B}}",
            "B@eu-west-1",
        ),
        (
            "{standalone: {config: CONFIG_A}, ha: {enabled: yes, config: CONFIG_B}}",
            "B@eu-west-1",
        ),
        (
            "{standalone: {config: CONFIG_A}, ha: {raft: {enabled: null, config: CONFIG_B}}}",
            "A@us-east-1",
        ),
        // OpenBao's chart takes raft's with high availability only.
        (
            "{image: {repository: quay.io/openbao/openbao}, standalone: {config: CONFIG_A}, ha: {raft: {enabled: true, config: CONFIG_B}}}",
            "A@us-east-1",
        ),
        (
            "{image: {repository: openbao/openbao}, standalone: {config: CONFIG_A}, ha: {enabled: true, raft: {enabled: true, config: CONFIG_B}}}",
            "B@eu-west-1",
        ),
    ] {
        let found = two(&format!("server: {server}"));
        assert_eq!(line(&found), expected, "{server}");
        assert_eq!(found.warnings, Vec::<String>::new(), "{server}");
    }
}

#[test]
fn a_seal_that_is_not_in_force_is_warned_of() {
    let found = read(&values("server.ha.config", &sound()));
    assert_eq!(found.key_ids(), [KEY]);
    assert!(
        found.warnings[0].contains("the chart uses server.standalone.config"),
        "{:?}",
        found.warnings
    );
}

#[test]
fn every_seal_stanza_has_its_key() {
    for (config, expected) in [
        // A migration from one key to another: Vault decrypts with the old one.
        (
            seal(A, "eu-west-1", "disabled = \"true\"") + &seal(B, "eu-west-1", ""),
            "B@eu-west-1 A@eu-west-1",
        ),
        (
            seal(A, "eu-west-1", "") + &seal(B, "eu-west-1", "disabled = true"),
            "A@eu-west-1 B@eu-west-1",
        ),
        // To Shamir: only the old one is left.
        (seal(A, "eu-west-1", "disabled = \"true\""), "A@eu-west-1"),
        // From another kind of seal.
        (
            "seal \"transit\" {\n  disabled = true\n}\n".to_owned() + &seal(B, "eu-west-1", ""),
            "B@eu-west-1",
        ),
        // High availability: in the order of priority, in two regions.
        (
            "enable_multiseal = true\n".to_owned()
                + &seal(A, "us-east-1", "name = \"a\"\n priority = \"2\"")
                + &seal(B, "us-west-2", "name = \"b\"\n priority = \"1\""),
            "B@us-west-2 A@us-east-1",
        ),
        (
            seal(A, "us-east-1", "") + &seal(A, "us-east-1", "name = \"twice\""),
            "A@us-east-1",
        ),
        (
            seal(A, "us-east-1", "") + &seal("", "us-east-1", ""),
            "A@us-east-1 ?@us-east-1 [keyId: NoKey]",
        ),
        // The same multi-Region key in two regions.
        (
            seal(MRK, "us-east-1", "priority = 1") + &seal(MRK, "eu-west-1", "priority = 2"),
            "mrk-1234abcd12ab34cd56ef1234567890ab@us-east-1 mrk-1234abcd12ab34cd56ef1234567890ab@eu-west-1",
        ),
    ] {
        assert_eq!(line(&read(&standalone(&config))), expected, "{config}");
    }
}

#[test]
fn keys_are_named_in_every_way_that_aws_accepts() {
    let arn = |partition: &str, region: &str, key: &str| {
        format!("arn:{partition}:kms:{region}:123456789012:key/{key}")
    };
    for (fields, expected) in [
        (format!("kms_key_id = \"{A}\""), "A@?"),
        (format!("kms_key_id = \"{}\"", A.to_uppercase()), "A@?"),
        (
            format!("kms_key_id = \"{MRK}\""),
            "mrk-1234abcd12ab34cd56ef1234567890ab@?",
        ),
        (
            format!("kms_key_id = \"{}\"", arn("aws", "eu-west-1", A)),
            "A@eu-west-1",
        ),
        (
            format!("kms_key_id = \"{}\"", arn("aws", "eu-west-1", MRK)),
            "mrk-1234abcd12ab34cd56ef1234567890ab@eu-west-1",
        ),
        (
            format!(
                "region = \"eu-west-1\"\nkms_key_id = \"{}\"",
                arn("aws", "eu-west-1", A)
            ),
            "A@eu-west-1",
        ),
        (
            format!(
                "region = \"us-east-1\"\nkms_key_id = \"{}\"",
                arn("aws", "eu-west-1", A)
            ),
            "A@eu-west-1 [region: Regions]",
        ),
        (
            "kms_key_id = \"alias/vault\"".into(),
            "?=alias/vault@? [keyId: Alias]",
        ),
        (
            "kms_key_id = \"arn:aws:kms:eu-west-1:123456789012:alias/vault\"".into(),
            "?=alias/vault@eu-west-1 [keyId: Alias]",
        ),
        ("kms_key_id = \"mrk-1234\"".into(), "?@? [keyId: Key]"),
        ("kms_key_id = \"nonsense\"".into(), "?@? [keyId: Key]"),
        ("kms_key_id = \"arn:aws:s3:::b\"".into(), "?@? [keyId: Key]"),
        (
            "kms_key_id = \"19ec80b0-dfdd-4d97-8164-c6examplekey\"".into(),
            "?@? [keyId: Key]",
        ),
        (
            format!("kms_key_id = \"{}\"", arn("aws", "cn-north-1", A)),
            "?@? [keyId: Key]",
        ),
        (
            format!("region = \"Frankfurt\"\nkms_key_id = \"{A}\""),
            "A@? [region: Region]",
        ),
        ("region = \"us-east-1\"".into(), "?@us-east-1"),
        ("region = \"us-east-1\"\nkms_key_id = \"\"".into(), "?@us-east-1"),
    ] {
        assert_eq!(line(&read(&standalone(&stanza(&fields)))), expected, "{fields}");
    }
}

#[test]
fn other_partitions_are_known_by_role_key_and_region() {
    for (partition, region) in [("aws-cn", "cn-northwest-1"), ("aws-us-gov", "us-gov-west-1")] {
        for key in [
            A.to_owned(),
            format!("arn:{partition}:kms:{region}:123456789012:key/{A}"),
        ] {
            let config = standalone(&seal(&key, region, ""));
            let yaml = config.replace("arn:aws:iam", &format!("arn:{partition}:iam"));
            assert_eq!(line(&read(&yaml)), format!("A@{region}"));
            assert_eq!(line(&read(&config)), format!("A@{region} [region: Partitions]"));
        }
    }
    let yaml = standalone(&stanza(&format!("kms_key_id = \"{A}\""))).replace("arn:aws:iam", "arn:aws-cn:iam");
    assert_eq!(line(&read(&yaml)), "A@? [region: Partitions]");
}

/// Values with variables and, if there is one, a stanza.
fn with_variables(variables: &str, stanza: &str) -> String {
    format!(
        "server:\n  extraEnvironmentVars: {variables}\n  standalone:\n    config: {}\n",
        json!(stanza)
    )
}

#[test]
fn to_vault_a_variable_beats_the_stanza_and_to_openbao_only_that_of_the_key() {
    let stanza = seal(A, "us-east-1", "");
    let none = "ui = true";
    for (variables, config, vault, openbao) in [
        ("{}", stanza.as_str(), "A@us-east-1", "A@us-east-1"),
        (
            "{VAULT_AWSKMS_SEAL_KEY_ID: KEY_B}",
            &stanza,
            "B@us-east-1",
            "B@us-east-1",
        ),
        (
            "{AWSKMS_WRAPPER_KEY_ID: KEY_B}",
            &stanza,
            "B@us-east-1",
            "B@us-east-1",
        ),
        (
            "{VAULT_AWSKMS_SEAL_KEY_ID: ''}",
            &stanza,
            "A@us-east-1",
            "A@us-east-1",
        ),
        // Vault takes either of two that differ; OpenBao that of the wrapper.
        (
            "{AWSKMS_WRAPPER_KEY_ID: KEY_A, VAULT_AWSKMS_SEAL_KEY_ID: KEY_B}",
            &stanza,
            "A@us-east-1 B@us-east-1",
            "A@us-east-1",
        ),
        (
            "{AWSKMS_WRAPPER_KEY_ID: KEY_A, VAULT_AWSKMS_SEAL_KEY_ID: KEY_A}",
            none,
            "A@?",
            "A@?",
        ),
        ("{AWS_REGION: eu-west-1}", &stanza, "A@eu-west-1", "A@us-east-1"),
        (
            "{AWS_DEFAULT_REGION: eu-west-1}",
            &stanza,
            "A@eu-west-1",
            "A@us-east-1",
        ),
        (
            "{AWS_REGION: eu-west-1, VAULT_SEAL_TYPE: awskms, VAULT_AWSKMS_SEAL_KEY_ID: KEY_B}",
            none,
            "B@eu-west-1",
            "B@eu-west-1",
        ),
        // The chart writes names in capitals, and `_` for `.`.
        ("{aws_region: eu-west-1}", &stanza, "A@eu-west-1", "A@us-east-1"),
        (
            "{vault.awskms.seal.key.id: KEY_B}",
            &stanza,
            "B@us-east-1",
            "B@us-east-1",
        ),
        (
            "{AWS_REGION: us-west-2, aws_region: eu-west-1}",
            &stanza,
            "A@eu-west-1",
            "A@us-east-1",
        ),
        (
            "[{name: AWS_REGION, value: eu-west-1}]",
            &stanza,
            "A@eu-west-1",
            "A@us-east-1",
        ),
        // The type of a seal that is not disabled is that of the variable.
        (
            "{VAULT_SEAL_TYPE: transit}",
            &stanza,
            " [keyId: NoSeal]",
            " [keyId: NoSeal]",
        ),
        (
            "{BAO_SEAL_TYPE: transit}",
            &stanza,
            "A@us-east-1",
            " [keyId: NoSeal]",
        ),
        (
            "{VAULT_SEAL_TYPE: awskms, VAULT_AWSKMS_SEAL_KEY_ID: KEY_B}",
            "seal \"transit\" { address = \"x\" }",
            "B@?",
            "B@?",
        ),
        ("{VAULT_AWSKMS_SEAL_KEY_ID: KEY_B}", none, "B@?", "B@?"),
    ] {
        let variables = variables.replace("KEY_A", A).replace("KEY_B", B);
        let yaml = with_variables(&variables, config);
        let bao = yaml.replace("server:\n", "server:\n  image: {repository: openbao/openbao}\n");
        // A variable of OpenBao's own tells that it is OpenBao.
        if !variables.contains("BAO_") {
            assert_eq!(line(&read(&yaml)), vault, "{variables}");
        }
        assert_eq!(line(&read(&bao)), openbao, "{variables}");
    }
}

#[test]
fn what_vault_takes_either_of_is_warned_of() {
    let stanza = seal(A, "us-east-1", "");
    for (variables, said) in [
        (
            "{AWSKMS_WRAPPER_KEY_ID: KEY_A, VAULT_AWSKMS_SEAL_KEY_ID: KEY_B}",
            "name different keys",
        ),
        (
            "{AWS_REGION: eu-west-1, AWS_DEFAULT_REGION: eu-west-2}",
            "differ (eu-west-1, eu-west-2)",
        ),
    ] {
        let variables = variables.replace("KEY_A", A).replace("KEY_B", B);
        let found = read(&with_variables(&variables, &stanza));
        assert!(found.warnings[0].contains(said), "{:?}", found.warnings);
    }
}

#[test]
fn a_variable_beats_both_stanzas_of_a_migration_and_only_its_own_of_a_high_availability_setup() {
    let migration = seal(A, "us-east-1", "disabled = true") + &seal(KEY, "us-east-1", "");
    let found = read(&with_variables(
        &format!("{{VAULT_AWSKMS_SEAL_KEY_ID: {B}}}"),
        &migration,
    ));
    assert_eq!(line(&found), "B@us-east-1");
    assert!(
        found.warnings[0].contains("every seal stanza"),
        "{:?}",
        found.warnings
    );
    let ha = "enable_multiseal = true\n".to_owned()
        + &seal(A, "us-east-1", "name = \"ONE\"\n priority = 1")
        + &seal(KEY, "us-west-2", "name = \"TWO\"\n priority = 2");
    let found = read(&with_variables(
        &format!("{{VAULT_AWSKMS_SEAL_KEY_ID_TWO: {B}, AWS_REGION_TWO: eu-west-1, AWS_REGION: eu-west-3}}"),
        &ha,
    ));
    assert_eq!(line(&found), "A@us-east-1 B@eu-west-1");
}

#[test]
fn a_variable_from_a_secret_is_named_with_its_secret() {
    let secret = |name: &str, config: &str| {
        format!(
            "server:\n  extraSecretEnvironmentVars:\n  - {{envName: {name}, secretName: kms, secretKey: k}}\n  standalone:\n    config: {}\n",
            json!(config)
        )
    };
    for name in ["VAULT_AWSKMS_SEAL_KEY_ID", "AWSKMS_WRAPPER_KEY_ID"] {
        let found = read(&secret(name, &seal(A, "us-east-1", "")));
        assert_eq!(line(&found), "?@us-east-1 [keyId: Secret]");
        assert!(
            found.problems[0]
                .error
                .to_string()
                .contains(&format!("{name} comes from the Secret kms"))
        );
    }
    let found = read(&secret("AWS_REGION", &seal(A, "us-east-1", "")));
    assert_eq!(line(&found), "A@us-east-1");
    assert!(
        found.warnings[0].contains("AWS_REGION comes from the Secret kms"),
        "{:?}",
        found.warnings
    );
    let found = read(&secret("AWS_REGION", &stanza(&format!("kms_key_id = \"{A}\""))));
    assert_eq!(line(&found), "A@? [region: Secret]");
    // Of two variables of one name the later counts: in Vault's chart the Secret's, in OpenBao's the plain one.
    let both = secret("VAULT_AWSKMS_SEAL_KEY_ID", &seal(A, "us-east-1", "")).replace(
        "server:\n",
        &format!("server:\n  extraEnvironmentVars: {{VAULT_AWSKMS_SEAL_KEY_ID: {B}}}\n"),
    );
    assert_eq!(line(&read(&both)), "?@us-east-1 [keyId: Secret]");
    let bao = both.replace("server:\n", "server:\n  image: {repository: openbao/openbao}\n");
    assert_eq!(line(&read(&bao)), "B@us-east-1");
}

#[test]
fn templates_around_a_seal_are_passed_over_and_in_it_are_named() {
    let tpl = r#"ui = true
{{/* a "comment }} of the chart */}}
storage "raft" {
  {{- range $i := until (int .Values.server.ha.replicas) }}
  retry_join {
    leader_api_addr = "http://{{ template "vault.fullname" $ }}-{{ $i }}.{{ template "vault.fullname" $ }}-internal:8200"
  }
  {{- end }}
}
{{- if .Values.global.tlsDisable }}
listener "tcp" { address = "[::]:8200"  tls_disable = 1 }
{{- end }}
SEAL
"#;
    for (seal, expected) in [
        (seal(A, "eu-north-1", ""), "A@eu-north-1"),
        (
            seal("{{ .Values.missing }}", "eu-north-1", ""),
            "?@eu-north-1 [keyId: Template]",
        ),
        (seal(A, "{{ .Values.missing }}", ""), "A@? [region: Template]"),
        (seal(A, "eu-{{ .Release.Name }}-1", ""), "A@? [region: Template]"),
        (
            seal("{{ .Values.kms.key }}", "{{ .Values.kms.region | quote }}", "").replace(
                "\"{{ .Values.kms.region | quote }}\"",
                "{{ .Values.kms.region | quote }}",
            ),
            "B@eu-west-3",
        ),
        (
            "{{ include \"my.seal\" . | nindent 0 }}".to_owned(),
            " [keyId: Template]",
        ),
        (
            format!(
                "{{{{- if .Values.x }}}}\n{}{{{{- else }}}}\n{}{{{{- end }}}}\n",
                seal(A, "eu-north-1", ""),
                seal(B, "eu-north-1", "")
            ),
            "A@eu-north-1 B@eu-north-1",
        ),
    ] {
        let yaml = format!(
            "kms: {{key: {B}, region: eu-west-3}}\n{}",
            with_variables("{}", &tpl.replace("SEAL", &seal))
        );
        assert_eq!(line(&read(&yaml)), expected, "{seal}");
    }
    let found = read(&standalone(&seal("{{ .Values.missing }}", "eu-north-1", "")));
    let said = found.problems[0].error.to_string();
    assert!(said.contains("Helm template `{{ .Values.missing }}`"), "{said}");
}

#[test]
fn values_of_a_chart_around_vault_are_read() {
    let inner: Value = serde_json::from_str(&standalone(&sound())).unwrap();
    let foreign = json!({"replicaCount": 2, "service": {"port": 8080}});
    for outer in [
        json!({"vault": inner, "app": {}}),
        json!({"vault": inner, "server": foreign}),
        json!({"vault": inner, "app": {"server": foreign}, "server": {"standalone": true}}),
        json!({"platform": {"vault": inner}}),
    ] {
        assert_eq!(pairs(&read(&outer.to_string())), EXPECTED, "{outer}");
    }
    // Helm calls a dependency by its alias.
    let aliased = json!({"secrets": inner, "server": foreign}).to_string();
    let found = read(&aliased);
    assert_eq!(
        (found.key_ids(), found.service_account.as_str()),
        (vec![KEY], "vault-secrets")
    );
    let two = json!({"one": inner, "two": inner});
    let found = read(&two.to_string());
    assert_eq!(line(&found), " [account,keyId,region,role: Several]");
    assert!(
        found.problems[0]
            .error
            .to_string()
            .contains("one.server, two.server")
    );
    let mut off = two;
    off["two"]["enabled"] = json!(false);
    assert_eq!(line(&read(&off.to_string())), format!("{KEY}@us-east-1"));
}

#[test]
fn places_of_a_chart_around_vault_are_named_whole() {
    let found = read("server: {replicas: 1}\nvault: {server: {standalone: {config: 'ui = true'}}}");
    let said = found.problems[0].error.to_string();
    assert!(said.contains("vault.server.standalone.config"), "{said}");
}

#[test]
fn the_service_account_is_named_by_the_rule_of_the_chart() {
    let named = |yaml: &str, release: Option<&str>| read_files(&[source(yaml)], release).service_account;
    let long = "x".repeat(60);
    for (yaml, release, name) in [
        ("{}", None, "vault"),
        ("{}", Some("vault"), "vault"),
        ("{}", Some("my-vault"), "my-vault"),
        ("{}", Some("prod"), "prod-vault"),
        ("{}", Some("vaultage"), "vaultage"),
        ("server: {serviceAccount: {name: mine}}", Some("prod"), "mine"),
        (
            "server: {serviceAccount: {create: false}}",
            Some("prod"),
            "default",
        ),
        ("server: {serviceAccount: {create: null}}", None, "default"),
        ("server: {serviceAccount: {create: \"false\"}}", None, "vault"),
        (
            "server: {serviceAccount: {create: false, name: mine}}",
            None,
            "mine",
        ),
        ("fullnameOverride: safe", Some("prod"), "safe"),
        ("nameOverride: safe", None, "vault-safe"),
        ("nameOverride: safe", Some("safe-house"), "safe-house"),
        ("nameOverride: vau", None, "vault"),
        ("openbao: {server: {ha: {enabled: true}}}", None, "openbao"),
        (
            "openbao: {server: {ha: {enabled: true}}}",
            Some("prod"),
            "prod-openbao",
        ),
        ("server: {image: {repository: openbao/openbao}}", None, "openbao"),
        (
            "server: {image: {repository: openbao/openbao}}",
            Some("vault"),
            "vault-openbao",
        ),
    ] {
        assert_eq!(named(yaml, release), name, "{yaml} {release:?}");
    }
    let cut = named("{}", Some(&long));
    assert_eq!(cut, format!("{long}-va"));
    assert_eq!(named("{}", Some(&format!("{long}xx"))), format!("{long}xx"));
    assert_eq!(read("global: {namespace: x}").namespace.as_deref(), Some("x"));
    assert_eq!(
        read("server: {image: {repository: openbao/openbao}}")
            .release
            .as_deref(),
        Some("openbao")
    );
}

#[test]
fn files_are_laid_over_each_other_as_helm_does() {
    let laid = |files: &[&str]| {
        let sources: Vec<Source> = files.iter().map(|text| source(text)).collect();
        line(&read_files(&sources, None))
    };
    let base = standalone(&seal(A, "us-east-1", ""));
    let over = json!({"server": {"ha": {"enabled": true, "config": seal(B, "eu-west-1", "")}}}).to_string();
    assert_eq!(laid(&[&base, &over]), "B@eu-west-1");
    assert_eq!(laid(&[&over, &base]), "B@eu-west-1");
    assert_eq!(laid(&[&base, &over, "server: {ha: null}"]), "A@us-east-1");
    assert_eq!(
        laid(&[&base, "server: {extraEnvironmentVars: {AWS_REGION: eu-west-3}}"]),
        "A@eu-west-3"
    );
    assert_eq!(laid(&[&base, "# nothing\n"]), "A@us-east-1");
    assert_eq!(
        laid(&[&base, "server: {standalone: {config: null}}"]),
        " [keyId: NoSeal]"
    );
    assert_eq!(
        laid(&[&base, "a: ["]),
        "A@us-east-1 [account,keyId,region,role: Yaml]"
    );
}

#[test]
fn a_file_that_is_no_values_is_named() {
    let files = [
        source("{}"),
        Source {
            title: "utf16.yaml".into(),
            text: Err("invalid utf-8 sequence of 1 bytes from index 0".into()),
        },
    ];
    let said = read_files(&files, None).problems[0].error.to_string();
    assert!(said.starts_with("utf16.yaml: not readable as text"), "{said}");
    let said = read("server:\n  a: [\n").problems[0].error.to_string();
    assert!(said.contains("YAML") && said.contains("line"), "{said}");
    assert_eq!(kind(&read("- a").problems[0].error), "NoMapping");
}

#[test]
fn conflicts_are_warned_of() {
    let config = sound().replace("region", "access_key = \"k\"\nregion");
    let mut yaml = standalone(&config);
    assert_eq!(read(&yaml).warnings.len(), 1);
    yaml = yaml.replace(
        "\"server\":{",
        "\"server\":{\"extraSecretEnvironmentVars\":[{\"envName\":\"AWS_ACCESS_KEY_ID\"}],\
\"extraEnvironmentVars\":{\"AWS_KMS_ENDPOINT\":\"http://x\"},",
    );
    let warnings = read(&yaml).warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(!warnings.iter().any(|warning| warning.contains("\"k\"")));
    // The variable that irsa-emu adds beats this one.
    let config = sound().replace("region", "endpoint = \"https://vpce.example.com\"\nregion");
    assert_eq!(read(&standalone(&config)).warnings, Vec::<String>::new());
}

#[test]
fn configurations_that_cannot_be_read_are_told_with_their_line() {
    let found = read(&standalone("ui = true\nseal \"awskms\" {\n  region = \n}\n"));
    assert!(
        matches!(&found.problems[0].error, ValuesError::Hcl { source, .. } if source.line == 4),
        "{:?}",
        found.problems
    );
    assert_eq!(found.problems[0].needs, ["keyId", "region"]);
    assert_eq!(line(&read(&standalone("{\"seal\": "))), " [keyId,region: Json]");
    let role = standalone(&sound()).replace("123456789012:role", "12:role");
    assert_eq!(
        line(&read(&role)),
        format!("{KEY}@us-east-1 [account,role: Role]")
    );
    let role = standalone(&sound()).replace(ROLE, "{{ .Values.role }}");
    assert_eq!(
        line(&read(&role)),
        format!("{KEY}@us-east-1 [account,role: Template]")
    );
}

#[test]
fn all_keys_and_the_role_are_of_one_account() {
    let at = |key: &str, account: &str| {
        seal(
            &format!("arn:aws:kms:us-east-1:{account}:key/{key}"),
            "us-east-1",
            "",
        )
    };
    for (config, expected) in [
        (at(A, "123456789012"), "A@us-east-1"),
        (at(A, "210987654321"), "A@us-east-1 [account: Accounts]"),
        (
            at(A, "123456789012") + &at(B, "210987654321"),
            "A@us-east-1 B@us-east-1 [account: Accounts]",
        ),
    ] {
        assert_eq!(line(&read(&standalone(&config))), expected);
    }
    let found = read(&json!({"server": {"standalone": {"config": at(A, "210987654321")}}}).to_string());
    assert_eq!(
        (line(&found).as_str(), found.account.as_deref()),
        ("A@us-east-1", Some("210987654321"))
    );
}

#[test]
fn values_without_a_seal_say_where_it_was_looked_for() {
    for yaml in ["", "server: {standalone: {config: 'ui = true'}}", "server: null"] {
        let message = read(yaml).problems[0].error.to_string();
        for place in [
            "server.standalone.config",
            "server.ha.raft.config",
            "server.extraEnvironmentVars",
        ] {
            assert!(message.contains(place), "{yaml}: {message}");
        }
    }
}

impl VaultValues {
    fn key_ids(&self) -> Vec<&str> {
        self.keys.iter().filter_map(|key| key.id.as_deref()).collect()
    }
}
