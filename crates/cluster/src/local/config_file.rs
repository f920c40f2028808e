//! A configuration of kind or k3d that is the user's own, with what an install needs laid over it. Pure.

use std::path::PathBuf;

use irsa_emu_core::contract::{EMULATOR_NODE_PORT, INSTANCE_LABEL};
use serde_json::{Value, json};

use crate::local::family::Family;

/// A configuration as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigFile {
    /// Where it was read.
    pub path: PathBuf,
    /// Its content.
    value: Value,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigFileError {
    /// It cannot be read.
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not YAML.
    #[error("{} is not YAML: {why}", .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
    /// It is for another program.
    #[error("{} is not a configuration of {}: its apiVersion and kind are not {expected}", .path.display(), .family.program())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it should be.
        family: Family,
        /// What it should have.
        expected: &'static str,
    },
}

impl ConfigFile {
    /// Reads a file.
    pub fn read(path: PathBuf) -> Result<Self, ConfigFileError> {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) => return Err(ConfigFileError::Unreadable { path, source }),
        };
        match serde_saphyr::from_str::<Value>(&text) {
            Ok(value) => Ok(Self { path, value }),
            Err(error) => {
                let why = error.without_snippet().to_string();
                Err(ConfigFileError::Broken { path, why })
            }
        }
    }

    /// Makes sure that it is one of this program.
    pub fn require(&self, family: Family) -> Result<(), ConfigFileError> {
        let (group, kind, expected) = match family {
            Family::Kind => ("kind.x-k8s.io/", "Cluster", "kind.x-k8s.io/v1alpha4 and Cluster"),
            Family::K3d => ("k3d.io/", "Simple", "k3d.io/v1alpha5 and Simple"),
        };
        let version = self.value["apiVersion"].as_str().unwrap_or_default();
        if version.starts_with(group) && self.value["kind"] == kind {
            return Ok(());
        }
        Err(ConfigFileError::Foreign {
            path: self.path.clone(),
            family,
            expected,
        })
    }

    /// The configuration of a cluster of kind: the first control plane gets the label and the emulator's port.
    #[must_use]
    pub fn for_kind(&self, cluster: &str, host_port: u16) -> Value {
        let mut value = self.value.clone();
        set(&mut value, "name", json!(cluster));
        let Some(nodes) = list(&mut value, "nodes") else {
            return value;
        };
        // A node without a role is a control plane (kind's own default).
        let is_server = |node: &Value| matches!(node["role"].as_str(), None | Some("" | "control-plane"));
        let at = nodes.iter().position(is_server).unwrap_or_else(|| {
            nodes.insert(0, json!({"role": "control-plane"}));
            0
        });
        if let Some(node) = nodes.get_mut(at) {
            if let Some(labels) = section(node, "labels") {
                set(labels, INSTANCE_LABEL, json!(cluster));
            }
            let port = json!({
                "containerPort": EMULATOR_NODE_PORT, "hostPort": host_port,
                "listenAddress": "127.0.0.1", "protocol": "TCP",
            });
            if let Some(ports) = list(node, "extraPortMappings") {
                ports.push(port);
            }
        }
        value
    }

    /// The configuration of a cluster of k3d: its servers get the label, and the first one the emulator's port.
    #[must_use]
    pub fn for_k3d(&self, cluster: &str, host_port: u16, image: Option<&str>) -> Value {
        let mut value = self.value.clone();
        if let Some(metadata) = section(&mut value, "metadata") {
            set(metadata, "name", json!(cluster));
        }
        if let Some(image) = image {
            set(&mut value, "image", json!(image));
        }
        let port = format!("127.0.0.1:{host_port}:{EMULATOR_NODE_PORT}");
        if let Some(ports) = list(&mut value, "ports") {
            ports.push(json!({"port": port, "nodeFilters": ["server:0:direct"]}));
        }
        let label = json!({"label": format!("{INSTANCE_LABEL}={cluster}"), "nodeFilters": ["server:*"]});
        let Some(options) = section(&mut value, "options") else {
            return value;
        };
        for (part, labels) in [("k3s", "nodeLabels"), ("runtime", "labels")] {
            if let Some(labels) = section(options, part).and_then(|part| list(part, labels)) {
                labels.push(label.clone());
            }
        }
        // We choose the current context.
        let kubeconfig = json!({"updateDefaultKubeconfig": false, "switchCurrentContext": false});
        set(options, "kubeconfig", kubeconfig);
        value
    }
}

/// Sets a member. What is no mapping stays as it is, and the program that reads it reports the error.
fn set(value: &mut Value, name: &str, member: Value) {
    if let Some(map) = value.as_object_mut() {
        map.insert(name.to_owned(), member);
    }
}

/// A member that is a mapping, made if it is not there.
fn section<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let member = value.as_object_mut()?.entry(name).or_insert(Value::Null);
    if member.is_null() {
        *member = json!({});
    }
    Some(member)
}

/// A member that is a list, made if it is not there.
fn list<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Vec<Value>> {
    let member = value.as_object_mut()?.entry(name).or_insert(Value::Null);
    if member.is_null() {
        *member = json!([]);
    }
    member.as_array_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> ConfigFile {
        ConfigFile {
            path: "c.yaml".into(),
            value: serde_saphyr::from_str(text).unwrap(),
        }
    }

    #[test]
    fn a_configuration_of_kind_keeps_what_it_says() {
        let own = file(
            "kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nname: mine\nnetworking: {ipFamily: dual}\nnodes:\n- role: worker\n\
- role: control-plane\n  extraPortMappings: [{containerPort: 80, hostPort: 8080}]\n- role: control-plane\n",
        );
        own.require(Family::Kind).unwrap();
        let made = own.for_kind("x", 4570);
        assert_eq!(
            (&made["name"], &made["networking"]["ipFamily"]),
            (&json!("x"), &json!("dual"))
        );
        let server = &made["nodes"][1];
        assert_eq!(server["labels"][INSTANCE_LABEL], "x");
        assert_eq!(server["extraPortMappings"][0]["hostPort"], 8080);
        assert_eq!(
            server["extraPortMappings"][1],
            json!({"containerPort": EMULATOR_NODE_PORT, "hostPort": 4570, "listenAddress": "127.0.0.1", "protocol": "TCP"})
        );
        assert_eq!(
            (&made["nodes"][0], &made["nodes"][2]),
            (&json!({"role": "worker"}), &json!({"role": "control-plane"}))
        );
    }

    #[test]
    fn a_configuration_without_nodes_gets_a_control_plane() {
        for nodes in ["", "nodes:\n", "nodes: [{role: worker}]\n"] {
            let text = format!("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\n{nodes}");
            let made = file(&text).for_kind("x", 1);
            assert_eq!(made["nodes"][0]["role"], "control-plane", "{made}");
            assert_eq!(made["nodes"][0]["extraPortMappings"][0]["hostPort"], 1);
        }
    }

    #[test]
    fn a_node_without_a_role_is_a_control_plane() {
        let made = file("nodes: [{role: worker}, {image: i}]\n").for_kind("x", 1);
        assert_eq!(made["nodes"].as_array().map(Vec::len), Some(2), "{made}");
        assert_eq!(made["nodes"][1]["extraPortMappings"][0]["hostPort"], 1);
    }

    #[test]
    fn a_configuration_of_k3d_keeps_what_it_says() {
        let own = file(
            "apiVersion: k3d.io/v1alpha5\nkind: Simple\nagents: 2\nports: [{port: '80:80', nodeFilters: [loadbalancer]}]\n\
options: {k3d: {wait: true}, kubeconfig: {switchCurrentContext: true}}\n",
        );
        own.require(Family::K3d).unwrap();
        let made = own.for_k3d("x", 4570, Some("i"));
        assert_eq!(
            (&made["metadata"]["name"], &made["agents"], &made["image"]),
            (&json!("x"), &json!(2), &json!("i"))
        );
        assert_eq!(
            made["ports"][1]["port"],
            format!("127.0.0.1:4570:{EMULATOR_NODE_PORT}")
        );
        assert_eq!(made["options"]["k3d"]["wait"], true);
        assert_eq!(made["options"]["kubeconfig"]["switchCurrentContext"], false);
        for labels in [
            &made["options"]["k3s"]["nodeLabels"],
            &made["options"]["runtime"]["labels"],
        ] {
            assert_eq!(labels[0]["label"], format!("{INSTANCE_LABEL}=x"));
        }
    }

    #[test]
    fn what_is_for_another_program_is_refused_and_odd_shapes_are_left_to_it() {
        let kind = file("kind: Cluster\napiVersion: kind.x-k8s.io/v1alpha4\nnodes: all\n");
        assert_eq!(kind.for_kind("x", 1)["nodes"], "all");
        let told = kind.require(Family::K3d).unwrap_err().to_string();
        assert!(told.starts_with("c.yaml is not a configuration of k3d"), "{told}");
        for text in ["a", "[]", "kind: Cluster"] {
            assert!(file(text).require(Family::Kind).is_err(), "{text}");
            let _ = (file(text).for_kind("x", 1), file(text).for_k3d("x", 1, None));
        }
    }
}
