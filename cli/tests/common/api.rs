//! A stand-in for the Kubernetes API: a few objects by their paths, empty lists, and nothing else.

use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::{Context, kubeconfig, read_whole};

const VERSION: &str = r#"{"major":"1","minor":"34","gitVersion":"v1.34.0","gitCommit":"","gitTreeState":"","buildDate":"","goVersion":"","compiler":"","platform":""}"#;
const NONE: &str =
    r#"{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadataList","metadata":{},"items":[]}"#;
const NOT_FOUND: &str = r#"{"apiVersion":"v1","kind":"Status","metadata":{},"status":"Failure","message":"not found","reason":"NotFound","code":404}"#;

/// A request, as far as tests look at it.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// Without its query.
    pub(crate) path: &'a str,
    pub(crate) body: &'a str,
}

/// Status and body of an answer, for requests that a test answers itself.
type Answer = dyn Fn(&Asked<'_>) -> Option<(&'static str, String)> + Send + Sync;

/// What it has: paths with what is answered.
#[derive(Clone, Default)]
pub(crate) struct FakeApi {
    objects: Vec<(&'static str, String)>,
    answer: Option<Arc<Answer>>,
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
            answer: None,
        }
    }

    /// The same with one more object.
    pub(crate) fn with(mut self, path: &'static str, object: &str) -> Self {
        self.objects.push((path, object.to_owned()));
        self
    }

    /// The same, where the test itself answers what it wants to.
    pub(crate) fn answering(
        mut self,
        answer: impl Fn(&Asked<'_>) -> Option<(&'static str, String)> + Send + Sync + 'static,
    ) -> Self {
        self.answer = Some(Arc::new(answer));
        self
    }

    /// Starts it, and writes a kubeconfig with a context that leads there.
    pub(crate) fn serve(self, context: &Context, name: &str) {
        let port = self.listen();
        context.write("kubeconfig", &kubeconfig(name, port));
    }

    /// Starts it, and answers its port of 127.0.0.1.
    pub(crate) fn listen(self) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let api = self.clone();
                std::thread::spawn(move || api.answer_all(stream));
            }
        });
        port
    }

    fn answer_all(&self, mut stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        loop {
            let (request, body) = read_whole(&mut reader)?;
            let mut words = request.split(' ');
            let (method, path) = (words.next()?, words.next()?);
            let asked = Asked {
                method,
                path: path.split('?').next()?,
                body: &body,
            };
            let own = self.answer.as_ref().and_then(|answer| answer(&asked));
            let (status, body) = own.unwrap_or_else(|| {
                let (status, body) = self.answer(path);
                (status, body.to_owned())
            });
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
