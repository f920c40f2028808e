//! The Service through which Pods reach an emulator in the cluster, and its URL by IP address.

use std::net::IpAddr;

use crate::contract::EMULATOR;
use crate::plan::InjectConfig;

impl InjectConfig {
    /// Whether Pods are given the ClusterIP of the emulator's Service in this Namespace: if the emulator's URL names it.
    #[must_use]
    pub fn gives_cluster_ip(&self, namespace: &str) -> bool {
        let url = self.emulator_url.as_deref();
        !self.strict_eks && url.is_some_and(|url| parts(url, namespace).is_some())
    }

    /// The same for this ClusterIP of the emulator's Service; with `None` for a Service that has none.
    #[must_use]
    pub fn with_cluster_ip(mut self, namespace: &str, cluster_ip: Option<&str>) -> Self {
        let gives = self.gives_cluster_ip(namespace);
        let url = self.emulator_url.as_deref().filter(|_| gives);
        self.s3_url = url.and_then(|url| url_by_ip(url, namespace, cluster_ip?));
        self
    }
}

/// The URL with the ClusterIP of the emulator's Service as its host. `None` if the URL has another host, which may be another
/// emulator, or if the Service has no ClusterIP.
fn url_by_ip(url: &str, namespace: &str, cluster_ip: &str) -> Option<String> {
    let (scheme, rest) = parts(url, namespace)?;
    let host = match cluster_ip.parse().ok()? {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    };
    Some(format!("{scheme}{host}{rest}"))
}

/// What is before and behind the host of a URL that names the Service. No certificate is valid for an IP address that the
/// cluster chose, so a URL of `https` does not name it.
fn parts<'a>(url: &'a str, namespace: &str) -> Option<(&'a str, &'a str)> {
    const SCHEME: &str = "http://";
    let behind = url.strip_prefix(SCHEME)?;
    let end = behind.find([':', '/', '?', '#']).unwrap_or(behind.len());
    let (host, rest) = behind.split_at(end);
    let in_namespace = host
        .strip_prefix(EMULATOR)?
        .strip_prefix('.')?
        .strip_prefix(namespace)?;
    let is_service = in_namespace.is_empty() || in_namespace == ".svc" || in_namespace.starts_with(".svc.");
    is_service.then_some((SCHEME, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{NAMESPACE, emulator_url};
    use crate::rules::Delivery;

    #[test]
    fn only_the_name_of_the_service_is_replaced_by_its_address() {
        for (url, ip, expected) in [
            (
                "http://localstack.irsa-emu.svc.cluster.local:4566",
                "10.96.3.4",
                Some("http://10.96.3.4:4566"),
            ),
            (
                "http://localstack.irsa-emu.svc.cluster.local:4566",
                "fd00:10:96::1f",
                Some("http://[fd00:10:96::1f]:4566"),
            ),
            (
                "http://localstack.irsa-emu.svc.example.test/x",
                "10.96.3.4",
                Some("http://10.96.3.4/x"),
            ),
            (
                "http://localstack.irsa-emu.svc",
                "10.96.3.4",
                Some("http://10.96.3.4"),
            ),
            (
                "http://localstack.irsa-emu",
                "10.96.3.4",
                Some("http://10.96.3.4"),
            ),
            // A headless Service, one that has no address yet, and an address that is none.
            ("http://localstack.irsa-emu.svc", "None", None),
            ("http://localstack.irsa-emu.svc", "", None),
            ("http://localstack.irsa-emu.svc", "10.96.3.4/x", None),
            // Other hosts.
            (
                "http://localstack.other.svc.cluster.local:4566",
                "10.96.3.4",
                None,
            ),
            ("http://localstack.irsa-emu-2.svc:4566", "10.96.3.4", None),
            ("http://localstack.irsa-emu.example.test", "10.96.3.4", None),
            ("http://emulator.example.test:4566", "10.96.3.4", None),
            ("http://192.0.2.1:4566", "10.96.3.4", None),
            ("http://user@localstack.irsa-emu.svc", "10.96.3.4", None),
            ("https://localstack.irsa-emu.svc", "10.96.3.4", None),
            ("localstack.irsa-emu.svc", "10.96.3.4", None),
            ("", "10.96.3.4", None),
        ] {
            assert_eq!(url_by_ip(url, "irsa-emu", ip).as_deref(), expected, "{url} {ip}");
        }
    }

    #[test]
    fn only_pods_that_get_the_name_of_the_service_get_its_address() {
        let config = |emulator_url: Option<&str>, strict_eks| InjectConfig {
            region: None,
            emulator_url: emulator_url.map(str::to_owned),
            s3_url: Some("http://10.96.0.9:4566".into()),
            sts_url: String::new(),
            sidecar_image: String::new(),
            native_sidecars: true,
            default_delivery: Delivery::WebIdentity,
            annotation_prefix: String::new(),
            strict_eks,
        };
        let own = emulator_url();
        for (url, strict, expected) in [
            (Some(own.as_str()), false, Some("http://10.96.3.4:4566")),
            (Some(&own), true, None),
            (Some("http://emulator.example.test"), false, None),
            (None, false, None),
        ] {
            let config = config(url, strict);
            assert_eq!(config.gives_cluster_ip(NAMESPACE), expected.is_some());
            let given = config.clone().with_cluster_ip(NAMESPACE, Some("10.96.3.4"));
            assert_eq!(given.s3_url.as_deref(), expected, "{url:?} {strict}");
            assert_eq!(config.with_cluster_ip(NAMESPACE, None).s3_url, None);
        }
    }
}
