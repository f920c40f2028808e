//! Where Docker is: as the docker program chooses it, then the sockets of other products.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::DockerError;

/// Where Docker is, and where that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) named_by: Option<String>,
}

/// Finds out, before any request, why a socket cannot be used.
pub(super) fn probe(endpoint: &Endpoint, installed: bool) -> Result<(), DockerError> {
    let not_running = |why: String| DockerError::NotRunning {
        endpoint: endpoint.url.clone(),
        why,
        named_by: endpoint.named_by.clone(),
    };
    if let Some(path) = endpoint.url.strip_prefix("unix://") {
        return match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(DockerError::Denied(path.to_owned()))
            }
            Err(error)
                if error.kind() == ErrorKind::NotFound && !installed && endpoint.named_by.is_none() =>
            {
                Err(DockerError::NotInstalled(path.to_owned()))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(not_running("there is no such socket".to_owned()))
            }
            Err(error) => Err(not_running(error.to_string())),
        };
    }
    if endpoint.url.starts_with("tcp://") || endpoint.url.starts_with("http://") {
        return Ok(());
    }
    Err(DockerError::Endpoint(endpoint.url.clone()))
}

/// Where the docker program looks when nothing names an endpoint.
const DEFAULT: &str = "/var/run/docker.sock";

/// The sockets of products that speak Docker's API, in the order in which they are tried.
fn candidates(home: &Path, runtime: Option<&Path>) -> Vec<PathBuf> {
    let in_home = [
        ".docker/run/docker.sock",
        ".docker/desktop/docker.sock",
        ".rd/docker.sock",
        ".colima/default/docker.sock",
        ".colima/docker.sock",
        ".orbstack/run/docker.sock",
        ".lima/docker/sock/docker.sock",
        ".local/share/containers/podman/machine/podman.sock",
    ];
    let in_runtime = ["docker.sock", "podman/podman.sock"];
    let mut paths = vec![PathBuf::from(DEFAULT)];
    // A Docker without root puts its socket there.
    paths.extend(runtime.map(|folder| folder.join(in_runtime[0])));
    paths.extend(in_home.map(|path| home.join(path)));
    paths.extend(runtime.map(|folder| folder.join(in_runtime[1])));
    paths.push(PathBuf::from("/run/podman/podman.sock"));
    paths
}

/// The endpoint as the docker program chooses it; then the sockets of other products, where one is there.
pub(super) fn find() -> Endpoint {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(url) = variable("DOCKER_HOST") {
        return Endpoint {
            url,
            named_by: Some("DOCKER_HOST".to_owned()),
        };
    }
    let home = std::env::home_dir().unwrap_or_default();
    let config = variable("DOCKER_CONFIG").map_or_else(|| home.join(".docker"), PathBuf::from);
    if let Some((name, url)) = context_endpoint(&config, variable("DOCKER_CONTEXT")) {
        return Endpoint {
            url,
            named_by: Some(format!("the Docker context `{name}`")),
        };
    }
    let default = PathBuf::from(DEFAULT);
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let socket = candidates(&home, runtime.as_deref())
        .into_iter()
        .find(|path| path.exists())
        .unwrap_or(default);
    Endpoint {
        url: format!("unix://{}", socket.display()),
        named_by: None,
    }
}

/// The endpoint of the current Docker context, unless that is the default one.
fn context_endpoint(config: &Path, named: Option<String>) -> Option<(String, String)> {
    let read = |path: PathBuf| -> Option<serde_json::Value> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    };
    let current = || {
        Some(
            read(config.join("config.json"))?
                .get("currentContext")?
                .as_str()?
                .to_owned(),
        )
    };
    let name = named
        .or_else(current)
        .filter(|name| !name.is_empty() && name != "default")?;
    let folder = hex::encode(Sha256::digest(name.as_bytes()));
    let meta = read(config.join("contexts/meta").join(folder).join("meta.json"))?;
    let url = meta.pointer("/Endpoints/docker/Host")?.as_str()?.to_owned();
    Some((name, url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_docker_context_names_the_endpoint() {
        let folder = tempfile::tempdir().unwrap();
        let meta = folder
            .path()
            .join("contexts/meta")
            .join(hex::encode(Sha256::digest(b"colima")));
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(
            meta.join("meta.json"),
            r#"{"Endpoints":{"docker":{"Host":"unix:///c.sock"}}}"#,
        )
        .unwrap();
        assert_eq!(context_endpoint(folder.path(), None), None);
        std::fs::write(
            folder.path().join("config.json"),
            r#"{"currentContext":"colima"}"#,
        )
        .unwrap();
        let expected = Some(("colima".to_owned(), "unix:///c.sock".to_owned()));
        assert_eq!(context_endpoint(folder.path(), None), expected);
        assert_eq!(context_endpoint(folder.path(), Some("default".into())), None);
    }

    #[test]
    fn the_ways_of_having_no_docker_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = |path: &Path, named: Option<&str>| Endpoint {
            url: format!("unix://{}", path.display()),
            named_by: named.map(str::to_owned),
        };
        let missing = folder.path().join("none.sock");
        assert!(matches!(
            probe(&endpoint(&missing, None), false),
            Err(DockerError::NotInstalled(_))
        ));
        assert!(matches!(
            probe(&endpoint(&missing, None), true),
            Err(DockerError::NotRunning { .. })
        ));
        assert!(matches!(
            probe(&endpoint(&missing, Some("DOCKER_HOST")), false),
            Err(DockerError::NotRunning { .. })
        ));
        let dead = folder.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        assert!(matches!(
            probe(&endpoint(&dead, None), true),
            Err(DockerError::NotRunning { .. })
        ));
        let ssh = Endpoint {
            url: "ssh://host".into(),
            named_by: None,
        };
        assert!(matches!(probe(&ssh, true), Err(DockerError::Endpoint(_))));
    }

    #[test]
    fn the_sockets_of_other_products_come_after_docker_s_own() {
        let paths = candidates(Path::new("/h"), Some(Path::new("/run/user/1")));
        let at = |path: &str| paths.iter().position(|found| found == Path::new(path));
        assert_eq!(at("/var/run/docker.sock"), Some(0));
        assert_eq!(at("/run/user/1/docker.sock"), Some(1));
        let order = [
            "/h/.docker/run/docker.sock",
            "/h/.rd/docker.sock",
            "/h/.colima/default/docker.sock",
        ];
        let places: Vec<Option<usize>> = order.into_iter().map(at).collect();
        assert!(places.is_sorted() && places[0] > Some(1), "{paths:?}");
        assert_eq!(at("/run/podman/podman.sock"), Some(paths.len() - 1));
    }
}
