//! Reviews as an API server sends them for a Pod of a `ReplicaSet`: defaults filled in, the token of the
//! ServiceAccount mounted, fields owned. One is small, one has twenty containers.
//!
//! Knows `serde_json` and nothing else: the in-process benchmarks take this file in as it is.

use serde_json::{Map, Value, json};

/// Namespace of the Pods.
pub(crate) const NAMESPACE: &str = "bench";

/// A size of Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// One container, about 3 KB.
    Small,
    /// Twenty containers of many variables, about 50 KB.
    Large,
}

impl Size {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Small, Self::Large];

    /// The name that tables show.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "20 containers",
        }
    }

    fn containers(self) -> usize {
        match self {
            Self::Small => 1,
            Self::Large => 20,
        }
    }

    fn variables(self) -> usize {
        match self {
            Self::Small => 2,
            Self::Large => 8,
        }
    }
}

/// The whole review.
pub(crate) fn review(size: Size, service_account: &str, uid: &str) -> Value {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": NAMESPACE,
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "6d0c9b52-7f4d-4a66-93c2-2c4e61c3fd2d",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
            },
            "object": pod(size, service_account),
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}

/// The Pod in it.
pub(crate) fn pod(size: Size, service_account: &str) -> Value {
    let containers: Vec<Value> = (0..size.containers())
        .map(|index| container(size, index))
        .collect();
    let labels = json!({"app.kubernetes.io/name": "orders", "app.kubernetes.io/part-of": "shop", "pod-template-hash": "7c5ddbdf54"});
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "generateName": "orders-7c5ddbdf54-",
            "namespace": NAMESPACE,
            "creationTimestamp": null,
            "labels": labels,
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "orders-7c5ddbdf54",
                "uid": "0f4ce0a8-0d0b-4f4d-8a0a-5f52b0b0d8b1", "controller": true, "blockOwnerDeletion": true,
            }],
            "managedFields": [{
                "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
                "time": "2026-11-25T12:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": owned_fields(&containers),
            }],
        },
        "spec": {
            "volumes": [
                {"name": "config", "configMap": {"name": "orders", "defaultMode": 420}},
                {"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
                    {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                ]}},
            ],
            "containers": containers,
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": service_account,
            "serviceAccount": service_account,
            "securityContext": {"runAsNonRoot": true, "fsGroup": 2000},
            "schedulerName": "default-scheduler",
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            ],
            "priority": 0,
            "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
        },
        "status": {},
    })
}

fn container(size: Size, index: usize) -> Value {
    let variables: Vec<Value> = (0..size.variables())
        .map(|number| json!({"name": format!("ORDERS_SETTING_{number:02}"), "value": format!("https://service-{number:02}.shop.svc:8443/v1")}))
        .collect();
    let mut container = json!({
        "name": name(index),
        "image": "registry.example.com/shop/orders:2026.11.1",
        "env": variables,
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
        "volumeMounts": [
            {"name": "config", "readOnly": true, "mountPath": "/etc/orders"},
            {"name": "kube-api-access-x7k2p", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
        ],
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "imagePullPolicy": "IfNotPresent",
    });
    if size == Size::Large {
        container["ports"] = json!([{"name": "http", "containerPort": 8080 + index, "protocol": "TCP"}]);
        for probe in ["livenessProbe", "readinessProbe"] {
            container[probe] = json!({
                "httpGet": {"path": "/healthz", "port": "http", "scheme": "HTTP"},
                "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
            });
        }
        container["securityContext"] = json!({"capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false});
    }
    container
}

fn name(index: usize) -> String {
    format!("orders-{index:02}")
}

/// What a server-side `managedFields` entry says of the containers: one key for each field that was set.
fn owned_fields(containers: &[Value]) -> Value {
    let mut owned = Map::new();
    for container in containers {
        let fields = container.as_object().into_iter().flat_map(Map::keys);
        let mut entry: Map<String, Value> = fields.map(|field| (format!("f:{field}"), json!({}))).collect();
        entry.insert(".".to_owned(), json!({}));
        let variables = container["env"].as_array().into_iter().flatten();
        let variables: Map<String, Value> = variables
            .map(|variable| {
                let key = format!("k:{{\"name\":{}}}", variable["name"]);
                (key, json!({".": {}, "f:name": {}, "f:value": {}}))
            })
            .collect();
        entry.insert("f:env".to_owned(), Value::Object(variables));
        owned.insert(
            format!("k:{{\"name\":{}}}", container["name"]),
            Value::Object(entry),
        );
    }
    json!({"f:spec": {"f:containers": owned, "f:restartPolicy": {}, "f:serviceAccountName": {}}})
}
