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
        let mut review: Self = serde_json::from_slice(body)
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
        match review.request.take() {
            Some(request) => Ok((review, request)),
            None => Err("bad content".to_owned()),
        }
    }

    /// The answer to this review.
    pub(crate) fn answer(&self, request: &Request, outcome: &Outcome) -> Answer {
        let (Outcome::Patched { warnings, .. } | Outcome::Skipped { warnings, .. }) = outcome;
        let patch = match outcome {
            // Base64 by hand: kube's own type writes the bytes as a list of numbers.
            Outcome::Patched { patch, .. } => {
                serde_json::to_vec(patch).ok().map(|bytes| STANDARD.encode(bytes))
            }
            Outcome::Skipped { .. } => None,
        };
        let response = Response {
            uid: request.uid.clone(),
            allowed: true,
            patch_type: patch.as_ref().map(|_| "JSONPatch"),
            patch,
            warnings: warnings.clone(),
            status: None,
        };
        Answer {
            api_version: Some(self.api_version.clone()),
            kind: Some(self.kind.clone()),
            response,
        }
    }
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
        let status = Some(json!({"metadata": {}, "message": message, "code": 400}));
        let response = Response {
            uid: String::new(),
            allowed: false,
            status,
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
