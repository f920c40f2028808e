//! Every name that two pieces of irsa-emu, or irsa-emu and its user, must agree on. Each is written here once.

use crate::emulator;

/// Namespace that holds everything irsa-emu runs in a cluster.
pub const NAMESPACE: &str = "irsa-emu";
/// Field manager of every server-side apply.
pub const FIELD_MANAGER: &str = "irsa-emu";
/// Label on every object that irsa-emu made; its value is the name of the install.
pub const INSTANCE_LABEL: &str = "irsa-emu.dev/instance";
/// Default name of an install, and of the cluster that `irsa-emu up` creates for it.
pub const DEFAULT_INSTANCE: &str = "irsa-emu";

/// Prefix of the annotations that EKS reads from ServiceAccounts and Pods.
pub const EKS_PREFIX: &str = "eks.amazonaws.com";
/// `<prefix>/role-arn` on a ServiceAccount: the role its Pods run as.
pub const ROLE_ARN: &str = "role-arn";
/// `<prefix>/audience` on a ServiceAccount: audience of the projected token.
pub const AUDIENCE: &str = "audience";
/// `<prefix>/sts-regional-endpoints` on a ServiceAccount: a boolean as Go's `ParseBool` reads it.
pub const STS_REGIONAL_ENDPOINTS: &str = "sts-regional-endpoints";
/// `<prefix>/token-expiration` on a ServiceAccount or Pod: lifetime of the projected token in seconds.
pub const TOKEN_EXPIRATION: &str = "token-expiration";
/// `<prefix>/skip-containers` on a Pod: container names as one CSV record.
pub const SKIP_CONTAINERS: &str = "skip-containers";
/// Pod label that switches injection off, with the name EKS gives it (in the webhook's object selector).
pub const SKIP_LABEL: &str = "eks.amazonaws.com/skip-pod-identity-webhook";
/// Namespace label: `disabled` switches injection off for all its Pods, `enforce` refuses Pods that cannot be judged.
pub const INJECTION_LABEL: &str = "irsa-emu.dev/injection";
/// Value of [`INJECTION_LABEL`].
pub const INJECTION_DISABLED: &str = "disabled";
/// Value of [`INJECTION_LABEL`].
pub const INJECTION_ENFORCE: &str = "enforce";
/// Label that Kubernetes itself sets on every Namespace: its name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// Annotation of mirror Pods, which no admission webhook can change.
pub const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";

/// Annotation on a Pod or ServiceAccount that chooses the delivery.
pub const DELIVERY: &str = "irsa-emu.dev/delivery";
/// Annotation that marks an injected Pod with its delivery; absent under `strict-eks`.
pub const INJECTED: &str = "irsa-emu.dev/injected";
/// Annotation that marks an injected Pod with a digest of the settings that shaped it.
pub const CONFIG_HASH: &str = "irsa-emu.dev/config-hash";

/// Default audience of projected tokens, and the one AWS STS asks for.
pub const DEFAULT_AUDIENCE: &str = "sts.amazonaws.com";
/// Default lifetime of a projected token, in seconds (EKS: 24 hours).
pub const DEFAULT_TOKEN_EXPIRATION: i64 = 86_400;
/// Smallest lifetime of a projected token that Kubernetes accepts, in seconds.
pub const MIN_TOKEN_EXPIRATION: i64 = 600;
/// Volume that carries the projected token, with the name EKS gives it.
pub const TOKEN_VOLUME: &str = "aws-iam-token";
/// Where EKS mounts the projected token.
pub const TOKEN_MOUNT: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
/// File name of the token below [`TOKEN_MOUNT`].
pub const TOKEN_FILE: &str = "token";
/// Longest lifetime of a projected token that Kubernetes accepts, in seconds (its validation of `expirationSeconds`).
pub const MAX_TOKEN_EXPIRATION: i64 = 1 << 32;

/// Audience of the tokens of EKS Pod Identity.
pub const POD_IDENTITY_AUDIENCE: &str = "pods.eks.amazonaws.com";
/// Volume that carries the token of EKS Pod Identity, and the name of the token's file in it.
pub const POD_IDENTITY_TOKEN: &str = "eks-pod-identity-token";
/// Where EKS mounts the token of EKS Pod Identity.
pub const POD_IDENTITY_MOUNT: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
/// Where the agent of EKS Pod Identity responses on every node.
pub const POD_IDENTITY_URL: &str = "http://169.254.170.23/v1/credentials";
/// Label that EKS puts on Pods that use EKS Pod Identity; its value is `enabled`, its prefix is fixed.
pub const POD_IDENTITY_LABEL: &str = "eks.amazonaws.com/pod-identity";
/// A lifetime of exactly [`DEFAULT_TOKEN_EXPIRATION`] is shortened at random in Pod Identity's tokens, at most to this.
pub const POD_IDENTITY_MIN_EXPIRATION: i64 = 79_200;

/// Container and image name of the credentials sidecar.
pub const SIDECAR: &str = "irsa-emu-creds-injector";
/// Volume that the sidecar writes and the other containers read.
pub const CREDENTIALS_VOLUME: &str = "irsa-emu-credentials";
/// Where [`CREDENTIALS_VOLUME`] is mounted.
pub const CREDENTIALS_MOUNT: &str = "/var/run/secrets/irsa-emu.dev/credentials";
/// File below [`CREDENTIALS_MOUNT`]: the value the credentials endpoint wants in `Authorization`.
pub const AUTHORIZATION_TOKEN_FILE: &str = "authorization-token";
/// File below [`CREDENTIALS_MOUNT`]: the shared credentials file.
pub const SHARED_CREDENTIALS_FILE: &str = "credentials";
/// Port of the credentials endpoint, on 127.0.0.1 inside the Pod.
pub const SIDECAR_PORT: u16 = 14_566;
/// Path of the credentials endpoint, as the EKS Pod Identity agent names it.
pub const SIDECAR_PATH: &str = "/v1/credentials";
/// User and group id that our own images run as.
pub const RUN_AS: i64 = 65_532;

/// Deployment, ServiceAccount and Service of the webhook.
pub const WEBHOOK: &str = "irsa-emu-webhook";
/// Port on which the webhook's container serves admission over TLS.
pub const WEBHOOK_PORT: u16 = 9443;
/// Path of the admission handler, before the secret segment.
pub const WEBHOOK_PATH: &str = "/mutate";
/// Entry of [`WEBHOOK_TLS_SECRET`]: the segment behind [`WEBHOOK_PATH`] that only the registration has, so that reviews
/// come from the API server alone.
pub const WEBHOOK_PATH_ENTRY: &str = "path";
/// Behind the secret segment, the admission handler for Namespaces labelled `enforce`: what cannot be judged is refused.
pub const WEBHOOK_PATH_ENFORCED: &str = "/enforced";
/// ConfigMap that names roles for ServiceAccounts without an annotation, with the name EKS gives it.
pub const ROLE_MAP: &str = "pod-identity-webhook";
/// Entry of [`ROLE_MAP`]: the JSON.
pub const ROLE_MAP_ENTRY: &str = "config";
/// ConfigMap that lists ServiceAccounts with an EKS Pod Identity association.
pub const POD_IDENTITIES: &str = "irsa-emu-pod-identities";
/// Entry of [`POD_IDENTITIES`]: the JSON.
pub const POD_IDENTITIES_ENTRY: &str = "config.json";
/// Lease of the one webhook replica that writes AWS resources.
pub const KEEPER_LEASE: &str = "irsa-emu-keeper";
/// Port on which the webhook's container serves `/healthz`, `/readyz`.
pub const WEBHOOK_HEALTH_PORT: u16 = 8081;
/// Secret that holds the CA and the serving certificate of the webhook.
pub const WEBHOOK_TLS_SECRET: &str = "irsa-emu-webhook-tls";
/// Name of the MutatingWebhookConfiguration.
pub const WEBHOOK_CONFIGURATION: &str = "irsa-emu";
/// Name of the webhook that serves every Namespace but our own, [`SYSTEM_NAMESPACE`] and those that enforce.
pub const WEBHOOK_NAME: &str = "pods.irsa-emu.dev";
/// Name of the webhook that serves the Namespaces in which a Pod without its identity must not run.
pub const WEBHOOK_NAME_ENFORCED: &str = "enforced-pods.irsa-emu.dev";
/// Name of the webhook that serves [`SYSTEM_NAMESPACE`].
pub const WEBHOOK_NAME_SYSTEM: &str = "system-pods.irsa-emu.dev";
/// Namespace of the cluster's own Pods. The controllers that charts put there have roles, as on EKS; a webhook that does not
/// respond must not keep the cluster's own Pods from starting.
pub const SYSTEM_NAMESPACE: &str = "kube-system";
/// The API server waits this long for a webhook, in seconds.
pub const WEBHOOK_TIMEOUT: i32 = 5;
/// The API server waits this long for the webhook of [`SYSTEM_NAMESPACE`], in seconds: a dead webhook delays no Pod longer.
pub const WEBHOOK_TIMEOUT_SYSTEM: i32 = 2;

/// Service of the STS front, port 80.
pub const STS_FRONT: &str = "irsa-emu-sts";
/// Port on which the webhook's container serves the STS front.
pub const STS_FRONT_PORT: u16 = 8080;

/// Secret from which the material of every KMS key is derived.
pub const KEY_SEED_SECRET: &str = "irsa-emu-key-seed";
/// Entry of [`KEY_SEED_SECRET`]: 32 random bytes.
pub const KEY_SEED_ENTRY: &str = "seed";

/// Deployment and Service of the emulator.
pub const EMULATOR: &str = emulator::DEFAULT.service;
/// Port of the emulator, in the cluster and (by default) on the host.
pub const EMULATOR_PORT: u16 = emulator::DEFAULT.port;
/// NodePort of the emulator, mapped to 127.0.0.1 of the host when we create the cluster.
pub const EMULATOR_NODE_PORT: u16 = 30_566;
/// Secret with the base credentials for real AWS, in [`NAMESPACE`].
pub const AWS_CREDENTIALS_SECRET: &str = "irsa-emu-aws-credentials";

/// Entries of [`AWS_CREDENTIALS_SECRET`].
pub mod aws_credentials {
    /// Access key id.
    pub const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
    /// Secret access key.
    pub const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
    /// Session token, of temporary credentials.
    pub const SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
    /// Authorities to trust beside those of the public web, as PEM.
    pub const CA_BUNDLE: &str = "ca-bundle.pem";
}

/// Region of an install unless the user names another.
pub const DEFAULT_REGION: &str = "us-east-1";
/// Account that the emulator uses for credentials that name none.
pub const DEFAULT_ACCOUNT: &str = emulator::DEFAULT.account;

/// API group of the Recipe.
pub const API_GROUP: &str = "irsa-emu.dev";
/// API version of the Recipe.
pub const API_VERSION: &str = "v1alpha1";

/// URL of the emulator inside the cluster.
#[must_use]
pub fn emulator_url() -> String {
    format!("http://{EMULATOR}.{NAMESPACE}.svc.cluster.local:{EMULATOR_PORT}")
}

/// Path of the API server that asks the emulator for a path of its own.
#[must_use]
pub fn emulator_by_api_server(path: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/services/{EMULATOR}:{EMULATOR_PORT}/proxy{path}")
}

/// URL of the STS front inside the cluster.
#[must_use]
pub fn sts_front_url() -> String {
    format!("http://{STS_FRONT}.{NAMESPACE}.svc.cluster.local")
}

/// URL of the credentials endpoint inside a Pod.
#[must_use]
pub fn sidecar_url() -> String {
    format!("http://127.0.0.1:{SIDECAR_PORT}{SIDECAR_PATH}")
}

/// Names of the environment variables that AWS SDKs read.
pub mod env {
    /// The role to assume (web identity).
    pub const ROLE_ARN: &str = "AWS_ROLE_ARN";
    /// File with the web identity token.
    pub const TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
    /// Region, first of the pair.
    pub const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
    /// Region, second of the pair.
    pub const REGION: &str = "AWS_REGION";
    /// `regional` or `legacy`.
    pub const STS_REGIONAL_ENDPOINTS: &str = "AWS_STS_REGIONAL_ENDPOINTS";
    /// Endpoint for every service.
    pub const ENDPOINT: &str = "AWS_ENDPOINT_URL";
    /// Endpoint for STS; the web identity provider of Go's SDK v2 honours only this one (docs/sdks.md).
    pub const ENDPOINT_STS: &str = "AWS_ENDPOINT_URL_STS";
    /// Endpoint for S3. If its host is an IP address, every SDK puts the bucket into the path and not into the host name.
    pub const ENDPOINT_S3: &str = "AWS_ENDPOINT_URL_S3";
    /// `true` keeps SDKs from putting a prefix in front of the endpoint's host name.
    pub const DISABLE_HOST_PREFIX: &str = "AWS_DISABLE_HOST_PREFIX_INJECTION";
    /// URL of the container credentials endpoint.
    pub const CONTAINER_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    /// `Authorization` value for the container credentials endpoint.
    pub const CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
    /// File with the `Authorization` value for the container credentials endpoint.
    pub const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    /// Shared credentials file.
    pub const SHARED_CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
}

/// Environment variables of the sidecar's own.
pub mod sidecar_env {
    /// URL of the STS front.
    pub const STS_URL: &str = "IRSA_EMU_STS_URL";
    /// Address to serve the container credentials endpoint on, `127.0.0.1:<port>`.
    pub const LISTEN: &str = "IRSA_EMU_LISTEN";
    /// Folder for the authorization token and the shared credentials file.
    pub const CREDENTIALS_DIR: &str = "IRSA_EMU_CREDENTIALS_DIR";
    /// `true` writes the shared credentials file too.
    pub const WRITE_CREDENTIALS_FILE: &str = "IRSA_EMU_WRITE_CREDENTIALS_FILE";
    /// Session name of the assumed role.
    pub const SESSION_NAME: &str = "IRSA_EMU_SESSION_NAME";
}

/// What `irsa-emu-sidecar reach` prints about a URL, as JSON.
pub mod reach {
    /// The URL.
    pub const URL: &str = "url";
    /// How far it got: one of the others.
    pub const STAGE: &str = "stage";
    /// The status of the response, or why there is none.
    pub const DETAIL: &str = "detail";
    /// The name has no address.
    pub const NAME: &str = "name";
    /// Nobody takes the connection.
    pub const CONNECTION: &str = "connection";
    /// There is no response, or none in HTTP.
    pub const ANSWER: &str = "answer";
    /// There is a response.
    pub const DONE: &str = "done";
}
/// Label of the selectors, and of everything that belongs to one part of an install.
pub const PART_LABEL: &str = "app.kubernetes.io/name";
/// Namespace of [`CANARY`] and [`PROBE`].
pub const CANARY_NAMESPACE: &str = "default";
/// ServiceAccount that the doctor makes for its own tests, and removes.
pub const CANARY: &str = "irsa-emu-canary";
/// Pod that the doctor makes for its own tests, and removes.
pub const PROBE: &str = "irsa-emu-probe";
