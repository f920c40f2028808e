//! The AdmissionReview on the wire. The Pod in it stays raw JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use irsa_emu_core::plan::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// An AdmissionReview as the API server sends it; the version is echoed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

/// The part of a request that matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request {
    #[serde(default)]
    pub(crate) uid: String,
    #[serde(default)]
    namespace: String,
    /// A dry run must leave no trace.
    #[serde(default)]
    pub(crate) dry_run: bool,
    #[serde(default)]
    pub(crate) object: Value,
}

impl Request {
    pub(crate) fn namespace(&self) -> &str {
        if self.namespace.is_empty() {
            self.object["metadata"]["namespace"].as_str().unwrap_or("default")
        } else {
            &self.namespace
        }
    }

    /// The Pod's ServiceAccount: `default` where it names none.
    pub(crate) fn service_account(&self) -> &str {
        self.object["spec"]["serviceAccountName"]
            .as_str()
            .filter(|name| !name.is_empty())
            .unwrap_or("default")
    }

    /// The Pod's name, or what its name will begin with.
    pub(crate) fn pod(&self) -> &str {
        let metadata = &self.object["metadata"];
        metadata["name"]
            .as_str()
            .or(metadata["generateName"].as_str())
            .unwrap_or_default()
    }
}

impl Review {
    /// Reads a review; the error is the message of the answer.
    pub(crate) fn parse(body: &[u8]) -> Result<(Self, Request), String> {
        if body.is_empty() {
            return Err("bad content".to_owned());
        }
        let mut review: Self = serde_json::from_slice(body).map_err(|error| no_json(&error))?;
        match review.request.take() {
            Some(request) => Ok((review, request)),
            None => Err("bad content".to_owned()),
        }
    }

    /// The answer to this review.
    pub(crate) fn answer(self, request: &Request, outcome: &Outcome, refused: bool) -> Answer {
        let (patch, warnings) = match outcome {
            Outcome::Patched { patch, warnings, .. } => (Some(patch), warnings.as_slice()),
            Outcome::Skipped { warnings, .. } if refused => {
                return Answer::refused(&request.uid, 503, &warnings.join("; "));
            }
            Outcome::Skipped { warnings, .. } => (None, warnings.as_slice()),
            Outcome::Malformed(problem) => return Answer::refused(&request.uid, 400, problem),
        };
        // Base64 by hand: kube's own type writes the bytes as a list of numbers.
        let patch = patch
            .and_then(|patch| serde_json::to_vec(patch).ok())
            .map(|bytes| STANDARD.encode(bytes));
        let response = Response {
            uid: request.uid.clone(),
            allowed: true,
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch,
            warnings: warnings.iter().map(|warning| shorten(warning)).collect(),
            status: None,
        };
        Answer {
            api_version: Some(self.api_version),
            kind: Some(self.kind),
            response,
        }
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

/// An AdmissionReview as we send it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    response: Response,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

impl Answer {
    /// The answer to what is no review, in the form that EKS gives it.
    pub(crate) fn malformed(message: &str) -> Self {
        Self::refused("", 400, message)
    }

    /// A denial. Its `code` is ours: EKS sends none, and users then read an empty reason.
    fn refused(uid: &str, code: u16, message: &str) -> Self {
        let response = Response {
            uid: uid.to_owned(),
            allowed: false,
            status: Some(json!({"metadata": {}, "message": message, "code": code})),
            patch: None,
            patch_type: None,
            warnings: Vec::new(),
        };
        Self {
            api_version: None,
            kind: None,
            response,
        }
    }
}
