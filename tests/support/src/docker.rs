//! A stand-in for Docker, as old as the oldest that is served. What it has stands in files of a folder: the containers in
//! `containers.json`, those of irsa-emu itself in `proxies.json`, each of them in `container-ID.json`, one image in
//! `image.tar`. What it is asked is written into `docker.log`.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use crate::http::{self, Reply};

/// Starts it at a socket; it runs until the process ends.
pub fn start(folder: &Path, socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    let folder: Arc<PathBuf> = Arc::new(folder.to_owned());
    let router = Router::new().fallback(reply).with_state(folder);
    http::serve(move || tokio::net::UnixListener::from_std(listener), router)
}

async fn reply(State(folder): State<Arc<PathBuf>>, request: Request) -> Response {
    let (method, uri) = (request.method(), request.uri());
    if let Err(error) = note(&folder, &format!("{method} {uri}")) {
        return (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response();
    }
    let path = uri.path();
    if path.starts_with("/exec/") && path.ends_with("/start") {
        return no_output();
    }
    if let Some((status, body)) = image(path, &folder) {
        return http::json(status, body);
    }
    let (status, body) = other(method, uri, &folder);
    http::json(status, body)
}

/// What a command in a container writes comes on the same connection, here nothing.
fn no_output() -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("tcp"));
    response
}

fn note(folder: &Path, line: &str) -> io::Result<()> {
    let path = folder.join("docker.log");
    let mut log = fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(log, "{line}")
}

/// What there is of an image: there is one, if the file `image.tar` is there.
fn image(path: &str, folder: &Path) -> Option<(StatusCode, Body)> {
    let of_image = path.strip_prefix("/images/")?;
    Some(match fs::read(folder.join("image.tar")) {
        Ok(archive) if of_image.ends_with("/get") => (StatusCode::OK, archive.into()),
        Ok(_) => (StatusCode::OK, r#"{"Id":"sha256:e","Size":219000000}"#.into()),
        Err(_) => {
            let message = r#"{"message":"pull access denied: no such host"}"#;
            (StatusCode::NOT_FOUND, message.into())
        }
    })
}

fn other(method: &Method, uri: &Uri, folder: &Path) -> Reply {
    let (path, query) = (uri.path(), uri.query().unwrap_or_default());
    let of_container = path.strip_prefix("/containers/").unwrap_or_default();
    let ok = |text: &str| (StatusCode::OK, text.to_owned());
    match path {
        "/containers/json" if query.contains("role%3Dproxy") => ok(&containers(folder, "proxies.json")),
        "/version" => ok(r#"{"Version":"20.10.24","ApiVersion":"1.41","Arch":"amd64"}"#),
        // Enough of everything, so that the machine of the test does not show.
        "/info" => ok(r#"{"CgroupVersion":"2","NCPU":8,"MemTotal":34359738368}"#),
        "/containers/json" => {
            let all = containers(folder, "containers.json");
            // The one filter that the tests need: which program made the cluster.
            let wanted = if query.contains("k3d") { "k3d" } else { "kind" };
            ok(if all.contains(wanted) { &all } else { "[]" })
        }
        _ if method == Method::DELETE && of_container == "p1" => {
            let _ = fs::remove_file(folder.join("proxies.json"));
            (StatusCode::NO_CONTENT, String::new())
        }
        _ if of_container.ends_with("/json") => {
            let id = of_container.trim_end_matches("/json");
            ok(&fs::read_to_string(folder.join(format!("container-{id}.json"))).unwrap_or_default())
        }
        // Every command in a container fails.
        _ if of_container.ends_with("/exec") => (StatusCode::CREATED, r#"{"Id":"e1"}"#.to_owned()),
        "/exec/e1/json" => ok(r#"{"Running":false,"ExitCode":1}"#),
        _ => (
            StatusCode::NOT_FOUND,
            r#"{"message":"page not found"}"#.to_owned(),
        ),
    }
}

fn containers(folder: &Path, file: &str) -> String {
    fs::read_to_string(folder.join(file)).unwrap_or_else(|_| "[]".to_owned())
}
