//! The AdmissionReview on the wire. Of the Pod in it, only what is looked at is read; the response is written in one go.

use std::io::Write as _;

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use irsa_emu_core::patch::Patch;
use irsa_emu_core::plan::PlanOutcome;
use irsa_emu_core::pod_view::{PodView, Text, problem};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What of an AdmissionReview is echoed.
#[derive(Debug)]
pub(crate) struct Review<'a> {
    api_version: Text<'a>,
    kind: Text<'a>,
}

/// The part of a request that matters here.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) uid: Text<'a>,
    namespace: Text<'a>,
    /// A dry run must leave no trace.
    pub(crate) dry_run: bool,
    /// The Pod, or why the object cannot be read as one.
    pub(crate) pod: Result<PodView<'a>, String>,
}

impl Request<'_> {
    pub(crate) fn namespace(&self) -> &str {
        let own = self.pod.as_ref().map_or("", PodView::namespace);
        match (self.namespace.is_empty(), own.is_empty()) {
            (false, _) => &self.namespace,
            (true, false) => own,
            (true, true) => "default",
        }
    }
}

/// An AdmissionReview as the API server sends it. `O` is how the object is read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct Sent<'a, O> {
    #[serde(borrow, default)]
    api_version: Text<'a>,
    #[serde(default)]
    kind: Text<'a>,
    request: Option<SentRequest<'a, O>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "O: Deserialize<'de>"))]
struct SentRequest<'a, O> {
    #[serde(borrow, default)]
    uid: Text<'a>,
    #[serde(default)]
    namespace: Text<'a>,
    dry_run: Option<bool>,
    object: Option<O>,
}

impl<'a, O> Sent<'a, O> {
    fn read(
        self,
        pod: impl FnOnce(Option<O>) -> Result<PodView<'a>, String>,
    ) -> Result<(Review<'a>, Request<'a>), String> {
        let request = self.request.ok_or_else(|| "bad content".to_owned())?;
        let review = Review {
            api_version: self.api_version,
            kind: self.kind,
        };
        let request = Request {
            uid: request.uid,
            namespace: request.namespace,
            dry_run: request.dry_run.unwrap_or_default(),
            pod: pod(request.object),
        };
        Ok((review, request))
    }
}

impl<'a> Review<'a> {
    /// Reads a review; the error is the message of the response.
    pub(crate) fn parse(body: &'a [u8]) -> Result<(Self, Request<'a>), String> {
        if body.is_empty() {
            return Err("bad content".to_owned());
        }
        // Once for all of it is a fifth cheaper than string by string.
        let Ok(body) = str::from_utf8(body) else {
            return Err("couldn't get version/kind; json parse error: it is not UTF-8".to_owned());
        };
        match serde_json::from_str::<Sent<'_, PodView<'_>>>(body) {
            Ok(sent) => sent.read(|object| object.ok_or_else(|| problem(&Value::Null))),
            // JSON of another shape than that of a review with a Pod: read once more, to find the place.
            Err(error) if error.is_data() => {
                let sent: Sent<'_, Value> = serde_json::from_str(body).map_err(|error| no_json(&error))?;
                sent.read(|object| Err(problem(&object.unwrap_or_default())))
            }
            Err(error) => Err(no_json(&error)),
        }
    }

    /// The response to this review.
    pub(crate) fn answer(&self, request: &Request<'_>, outcome: &PlanOutcome, refused: bool) -> Answer {
        let (patch, warnings) = match outcome {
            PlanOutcome::Patched { patch, warnings, .. } => (Some(patch), warnings.as_slice()),
            PlanOutcome::Skipped { warnings, .. } if refused => {
                return Answer::refused(self, &request.uid, 503, &warnings.join("; "));
            }
            PlanOutcome::Skipped { warnings, .. } => (None, warnings.as_slice()),
            PlanOutcome::Malformed(problem) => return Answer::refused(self, &request.uid, 400, problem),
        };
        Answer::allowed(self, &request.uid, patch, warnings)
    }
}

/// Where a body stops being a review. Not the reader's own words: they can quote the body.
fn no_json(error: &serde_json::Error) -> String {
    format!(
        "couldn't get version/kind; json parse error: {:?} at line {} column {}",
        error.classify(),
        error.line(),
        error.column()
    )
}

/// Kubernetes asks for warnings of at most 120 characters, and cuts all of them together at 4,096.
fn shorten(warning: &str) -> String {
    const MOST: usize = 400;
    let mut short: String = warning.chars().take(MOST).collect();
    if short.len() < warning.len() {
        short.push('…');
    }
    short
}

/// An AdmissionReview as we send it: JSON.
///
/// Written by hand, as most of it is the patch in base64, which needs neither a copy nor a look for what JSON escapes.
/// kube's own type writes the patch as a list of numbers.
#[derive(Debug)]
pub(crate) struct Answer(Vec<u8>);

impl Answer {
    /// The response to what is no review.
    pub(crate) fn malformed(message: &str) -> Self {
        let review = Review {
            api_version: Text::from("admission.k8s.io/v1"),
            kind: Text::from("AdmissionReview"),
        };
        Self::refused(&review, "", 400, message)
    }

    /// The JSON.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn allowed(review: &Review<'_>, uid: &str, patch: Option<&Patch>, warnings: &[String]) -> Self {
        let patch = patch.map(Patch::as_bytes);
        let mut answer = Self(Vec::with_capacity(
            256 + patch.map_or(0, |patch| patch.len() * 4 / 3),
        ));
        answer.raw(r#"{"apiVersion":"#).value(&*review.api_version);
        answer.raw(r#","kind":"#).value(&*review.kind);
        answer
            .raw(r#","response":{"uid":"#)
            .value(uid)
            .raw(r#","allowed":true"#);
        if let Some(patch) = patch {
            answer
                .raw(r#","patchType":"JSONPatch","patch":""#)
                .base64(patch)
                .raw("\"");
        }
        if !warnings.is_empty() {
            let warnings: Vec<String> = warnings.iter().map(|warning| shorten(warning)).collect();
            answer.raw(r#","warnings":"#).value(&warnings);
        }
        answer.raw("}}");
        answer
    }

    /// A denial. Without its version and kind an API server accepts no v1 response, and reports that to users instead of the
    /// reason; its `code` is ours, as EKS sends none.
    fn refused(review: &Review<'_>, uid: &str, code: u16, message: &str) -> Self {
        let status = json!({"metadata": {}, "message": message, "code": code});
        let mut answer = Self(Vec::new());
        answer.raw(r#"{"apiVersion":"#).value(&*review.api_version);
        answer.raw(r#","kind":"#).value(&*review.kind);
        answer
            .raw(r#","response":{"uid":"#)
            .value(uid)
            .raw(r#","allowed":false,"status":"#)
            .value(&status)
            .raw("}}");
        answer
    }

    fn raw(&mut self, json: &str) -> &mut Self {
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// Writing into memory cannot fail.
    fn value(&mut self, value: &(impl Serialize + ?Sized)) -> &mut Self {
        let _ = serde_json::to_writer(&mut self.0, value);
        self
    }

    fn base64(&mut self, bytes: &[u8]) -> &mut Self {
        let mut encoder = EncoderWriter::new(&mut self.0, &STANDARD);
        let _ = encoder.write_all(bytes);
        let _ = encoder.finish();
        drop(encoder);
        self
    }
}
