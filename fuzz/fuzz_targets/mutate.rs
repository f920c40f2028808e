//! Changes JSON as JSON, so that most inputs get past the parser: a value is replaced, copied, put elsewhere, removed,
//! or given a member that the planner looks at. libFuzzer's own changes of bytes come in between.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Value, json};

/// Names that the planner looks for: keys, names of variables, containers and volumes, values of annotations.
const NAMES: &[&str] = &[
    "pod",
    "request",
    "uid",
    "namespace",
    "object",
    "apiVersion",
    "kind",
    "metadata",
    "annotations",
    "labels",
    "name",
    "generateName",
    "spec",
    "containers",
    "initContainers",
    "volumes",
    "env",
    "value",
    "envFrom",
    "secretRef",
    "volumeMounts",
    "mountPath",
    "volumeDevices",
    "devicePath",
    "resources",
    "os",
    "ownerReferences",
    "controller",
    "nodeSelector",
    "kubernetes.io/os",
    "windows",
    "hostNetwork",
    "serviceAccountName",
    "restartPolicy",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_DISABLE_HOST_PREFIX_INJECTION",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ACCESS_KEY_ID",
    "aws-iam-token",
    "irsa-emu-credentials",
    "irsa-emu-creds-injector",
    "istio-proxy",
    "istio-init",
    "kuma-init",
    "/var/run/secrets/eks.amazonaws.com/serviceaccount",
    "/var/run/secrets/irsa-emu.dev/credentials/",
    "irsa-emu.dev/delivery",
    "irsa-emu.dev/injected",
    "irsa-emu.dev/config-hash",
    "web-identity",
    "sidecar",
    "kubernetes.io/config.mirror",
    "eks.amazonaws.com/skip-pod-identity-webhook",
    "eks.amazonaws.com/skip-containers",
    "eks.amazonaws.com/token-expiration",
    "eks.amazonaws.com/role-arn",
    "eks.amazonaws.com/audience",
    "eks.amazonaws.com/sts-regional-endpoints",
    "service_account",
    "effect",
    "delivery",
    "credentials_file",
    "region",
    "strict_eks",
    "old_cluster",
    "real_aws",
    "role_map",
    "associated",
    "compose",
    "jitter",
    "{\"n/s\": {\"RoleARN\": \"app\"}}",
    "eks-pod-identity-token",
    "eks.amazonaws.com/pod-identity",
    "prefix",
    "a,\"b\"\"c\",d",
    "a~1b/c~d",
    "-",
    "0",
    "9223372036854775808",
];

/// For `fuzz_mutator!`.
pub(crate) fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed) << 16 | 0x9e37);
    if dice.below(8) > 0
        && let Ok(mut document) = serde_json::from_slice::<Value>(&data[..size])
    {
        for _ in 0..=dice.below(3) {
            change(&mut document, &mut dice);
        }
        let text = document.to_string();
        if text.len() <= max_size {
            data[..text.len()].copy_from_slice(text.as_bytes());
            return text.len();
        }
    }
    fuzzer_mutate(data, size, max_size)
}

fn change(document: &mut Value, dice: &mut Dice) {
    let paths = paths(document);
    let (from, to): (&String, &String) = (dice.of(&paths), dice.of(&paths));
    let other = document.pointer(from).cloned().unwrap_or_default();
    let Some(node) = document.pointer_mut(to) else {
        return;
    };
    let value = if dice.below(3) == 0 { other } else { value(dice) };
    match (dice.below(4), node) {
        (0, Value::Array(items)) if !items.is_empty() => {
            let at = dice.below(items.len());
            items.remove(at);
        }
        (1, Value::Array(items)) if !items.is_empty() => {
            let at = dice.below(items.len());
            items.insert(at, items[at].clone());
        }
        (2, Value::Array(items)) => items.insert(dice.below(items.len() + 1), value),
        (0, Value::Object(members)) if !members.is_empty() => {
            let names: Vec<String> = members.keys().cloned().collect();
            members.remove(&names[dice.below(names.len())]);
        }
        (1 | 2, Value::Object(members)) => {
            members.insert(dice.of(NAMES).to_string(), value);
        }
        (_, node) => *node = value,
    }
}

fn value(dice: &mut Dice) -> Value {
    let name = *dice.of(NAMES);
    match dice.below(12) {
        0 => Value::Null,
        1 => json!(dice.below(2) == 0),
        2 => json!(dice.below(100_000)),
        3 => json!([]),
        4 => json!({}),
        5 => json!([{"name": name}]),
        6 => json!({"name": name, "value": ""}),
        7 => json!({"name": name, "mountPath": *dice.of(NAMES)}),
        8 => json!({name: *dice.of(NAMES)}),
        _ => json!(name),
    }
}

/// JSON pointers to every value.
fn paths(document: &Value) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut next = 0;
    while next < all.len() && all.len() < 2000 {
        let path = all[next].clone();
        match document.pointer(&path) {
            Some(Value::Array(items)) => all.extend((0..items.len()).map(|index| format!("{path}/{index}"))),
            Some(Value::Object(members)) => {
                all.extend(
                    members
                        .keys()
                        .map(|key| format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))),
                );
            }
            _ => {}
        }
        next += 1;
    }
    all
}

/// Xorshift: the same seed makes the same change, as libFuzzer wants it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap_or_default() % end.max(1)
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}
