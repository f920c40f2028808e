//! Pure decisions of irsa-emu.
//!
//! This crate decides and never acts: which JSONPatch a Pod gets, which role a ServiceAccount is granted,
//! whom a role's trust policy lets in, what a Recipe means. It reads no clock, no environment, no file and no network, so every rule in it is
//! tested by tables and properties, and the webhook and the command line answer the same question alike.

pub mod contract;
pub mod emulator_service;
pub mod grant;
pub mod oidc_provider;
pub mod partition;
pub mod patch;
pub mod plan;
pub mod pod_view;
pub mod reach;
pub mod recipe;
pub mod role_arn;
pub mod rules;
pub mod trust_policy;
