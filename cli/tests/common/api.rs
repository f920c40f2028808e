//! A stand-in for the Kubernetes API: a few objects by their paths, empty lists, and nothing else.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};

use super::{Context, kubeconfig, read_request};

const VERSION: &str = r#"{"major":"1","minor":"34","gitVersion":"v1.34.0","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
const NONE: &str =
    r#"{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadataList","metadata":{},"items":[]}"#;
const NOT_FOUND: &str = r#"{"apiVersion":"v1","kind":"Status","metadata":{},"status":"Failure","message":"not found","reason":"NotFound","code":404}"#;

/// What it has: paths with what is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeApi {
    objects: Vec<(&'static str, String)>,
}

impl FakeApi {
    /// An API server with an install that leads to the emulator by this URL of the machine, if by any.
    pub(crate) fn installed(host_endpoint: Option<&str>) -> Self {
        let endpoint = host_endpoint.map_or_else(String::new, |url| {
            format!(r#","irsa-emu.dev/host-endpoint":"{url}""#)
        });
        let namespace = format!(
            r#"{{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata","metadata":{{"name":"irsa-emu",
               "annotations":{{"irsa-emu.dev/region":"eu-west-1"{endpoint}}}}}}}"#
        );
        Self {
            objects: vec![("/api/v1/namespaces/irsa-emu", namespace)],
        }
    }

    /// Starts it, and writes a kubeconfig with a context that leads there.
    pub(crate) fn serve(self, context: &Context, name: &str) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        context.write("kubeconfig", &kubeconfig(name, port));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let api = self.clone();
                std::thread::spawn(move || api.answer_all(stream));
            }
        });
    }

    fn answer_all(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let request = read_request(&mut reader)?;
            let (status, body) = self.answer(request.split(' ').nth(1)?);
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )
            .ok()?;
        }
    }

    fn answer(&self, path: &str) -> (&'static str, &str) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let object = self.objects.iter().find(|(at, _)| *at == path);
        match (path, object) {
            ("/version", _) => ("200 OK", VERSION),
            (_, Some((_, object))) => ("200 OK", object),
            _ if query.contains("labelSelector") => ("200 OK", NONE),
            _ => ("404 Not Found", NOT_FOUND),
        }
    }
}
